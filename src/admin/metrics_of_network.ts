import { CHANNELS } from "../module/channels.ts";
import type { P2PModule } from "../module/p2p_module.ts";
import type { PeerCounts } from "../peer/decisions.ts";
import type { Socket } from "../socket/socket.ts";
import type { Metric } from "./metrics.ts";
import type { Labels, Sample } from "./prometheus.ts";

/** Peers, sockets, queues and channels, under the names of Tendermint's dashboards where they have one. */
export const NETWORK_METRICS: readonly Metric[] = [
  count("p2p_peers", "gauge", "ready", "Peers with an open connection."),
  count("p2p_peers_stored", "gauge", "known", "Peers in the book."),
  count("p2p_peers_dialing", "gauge", "dialing", "Dials under way."),
  count("p2p_peers_connected_success", "counter", "dialed", "Dials that ended in a handshake."),
  count("p2p_peers_connected_failure", "counter", "dialFailed", "Dials that did not."),
  count("p2p_peers_connected_incoming", "gauge", "inbound", "Connections that peers opened."),
  count("p2p_peers_connected_outgoing", "gauge", "outbound", "Connections that this node opened."),
  count("p2p_peers_accepted", "counter", "accepted", "Inbound connections admitted."),
  count("p2p_peers_refused", "counter", "refused", "Connections refused after their handshake."),
  count("p2p_peers_evicted", "counter", "evicted", "Connections closed on the peer manager's word."),
  {
    name: "p2p_inbound_refused",
    type: "counter",
    help: "Inbound connections turned away before their handshake.",
    read: ({ module }) => module.router.refused,
  },
  {
    name: "p2p_peer_store_failing",
    type: "gauge",
    help: "1 while peers cannot be stored (full disk).",
    read: ({ module }) => Number(module.storeFailure !== undefined),
  },
  perPeer(
    "p2p_peer_receive_bytes_total",
    "counter",
    "Bytes received from a peer over its present connection.",
    ({ connection }) => connection.bytesRead,
  ),
  perPeer(
    "p2p_peer_send_bytes_total",
    "counter",
    "Bytes sent to a peer over its present connection.",
    ({ connection }) => connection.bytesWritten,
  ),
  perPeer(
    "p2p_peer_pending_send_bytes",
    "gauge",
    "Bytes queued for a peer.",
    ({ sendLanes }) => sendLanes.reduce((sum, { bytes }) => sum + bytes, 0),
  ),
  perPeer(
    "p2p_peer_rtt_seconds",
    "gauge",
    "Smoothed round trip of a peer's pings.",
    ({ rttMs }) => rttMs === undefined ? undefined : rttMs / 1000,
  ),
  perPeer(
    "p2p_router_peer_queue_recv",
    "gauge",
    "Messages received from a peer whose handler has not finished with them. (Tendermint has a histogram of seconds here; a clock read per message is more than a message costs.)",
    ({ receivedWaiting }) => receivedWaiting,
  ),
  perPeer(
    "p2p_router_peer_queue_send",
    "gauge",
    "Messages queued for a peer. (Tendermint: a histogram of seconds.)",
    ({ sendLanes }) => sendLanes.reduce((sum, { length }) => sum + length, 0),
  ),
  {
    name: "p2p_router_channel_queue_send",
    type: "gauge",
    help: "Messages queued on a channel, for all peers. (Tendermint: a histogram of seconds.)",
    labels: ["ch_id", "channel"],
    read: ({ module }) => perChannel(module, (socket, id) => laneOf(socket, id)?.length ?? 0),
  },
  {
    name: "p2p_router_channel_queue_msg_size",
    type: "gauge",
    help: "Bytes queued on a channel, for all peers.",
    labels: ["ch_id", "channel"],
    read: ({ module }) => perChannel(module, (socket, id) => laneOf(socket, id)?.bytes ?? 0),
  },
  {
    name: "p2p_router_channel_queue_dropped_msgs",
    type: "counter",
    help: "Messages dropped on a channel, by reason; /peers tells them by peer.",
    labels: ["ch_id", "channel", "reason"],
    read: ({ module }) => dropped(module),
  },
  {
    name: "p2p_router_channel_waiting_sends",
    type: "gauge",
    help: "Sends on a channel that wait for a connection or for room in a queue.",
    labels: ["ch_id", "channel"],
    read: ({ module }) =>
      module.router.channels.map(({ id, waiting }) => ({ labels: channel(id), value: waiting.count })),
  },
  {
    name: "p2p_router_channel_waiting_bytes",
    type: "gauge",
    help: "Bytes of those sends.",
    labels: ["ch_id", "channel"],
    read: ({ module }) =>
      module.router.channels.map(({ id, waiting }) => ({ labels: channel(id), value: waiting.bytes })),
  },
];

const CHANNEL_NAMES = new Map(Object.values(CHANNELS).map(({ id, name }) => [id, name]));

/** Labels of a channel; those of the application have no name here. */
function channel(id: number): { ch_id: number; channel: string } {
  return { ch_id: id, channel: CHANNEL_NAMES.get(id) ?? "application" };
}

function count(name: string, type: Metric["type"], field: keyof PeerCounts, help: string): Metric {
  return { name, type, help, read: ({ module }) => module.peerCounts[field] };
}

function perPeer(
  name: string,
  type: Metric["type"],
  help: string,
  value: (socket: Socket) => number | undefined,
): Metric {
  return {
    name,
    type,
    help,
    labels: ["peer_id"],
    *read({ module }): Generator<Sample, void, void> {
      for (const socket of module.router.sockets()) {
        const now = value(socket);
        if (now !== undefined) yield { labels: { peer_id: socket.address }, value: now };
      }
    },
  };
}

function laneOf({ sendLanes }: Socket, id: number) {
  return sendLanes.find(({ options }) => options.id === id);
}

function perChannel({ router }: P2PModule, value: (socket: Socket, id: number) => number): Sample[] {
  const sockets = [...router.sockets()];
  return router.channels.map(({ id }) => ({
    labels: channel(id),
    value: sockets.reduce((sum, socket) => sum + value(socket, id), 0),
  }));
}

function dropped({ router }: P2PModule): Sample[] {
  const sums = new Map<string, { labels: Labels; value: number }>();
  for (const { channel: id, reason, count } of router.drops()) {
    const key = `${id} ${reason}`;
    const sum = sums.get(key) ?? { labels: { ...channel(id), reason }, value: 0 };
    sum.value += count;
    sums.set(key, sum);
  }
  return [...sums.values()];
}
