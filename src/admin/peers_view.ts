import type { Address } from "../identity/address.ts";
import type { P2PModule } from "../module/p2p_module.ts";
import type { PeerCounts } from "../peer/decisions.ts";
import type { PeerExplanation } from "../peer/explain.ts";
import type { PeerState } from "../raintree/failure_detector.ts";
import type { Direction } from "../transport/transport.ts";

/** What waits to be sent to a peer on one channel. */
export interface QueueView {
  /** Channel ID. */
  readonly channel: number;
  /** Messages. */
  readonly messages: number;
  /** Bytes of them. */
  readonly bytes: number;
}

/** The open connection of a peer. */
export interface ConnectionView {
  /** Who opened it. */
  readonly direction: Direction;
  /** The other end: `host:port`, or the protocol's name where it has none. */
  readonly remote: string;
  /** Smoothed round trip, milliseconds; absent before the first pong. */
  readonly rttMs?: number;
  /** Bytes received. */
  readonly receivedBytes: number;
  /** Bytes sent. */
  readonly sentBytes: number;
  /** Messages received whose handler has not finished with them. */
  readonly received: number;
  /** What waits to be sent; channels where nothing waits are left out. */
  readonly queues: readonly QueueView[];
}

/** Messages to or from a peer that were dropped. */
export interface PeerDrops {
  /** Channel ID. */
  readonly channel: number;
  /** Why. */
  readonly reason: string;
  /** How many. */
  readonly count: number;
}

/** One peer as this node sees it. */
export interface PeerView extends Partial<Omit<PeerExplanation, "id">> {
  /** Who. */
  readonly address: Address;
  /** Whether it is staked at the present height. */
  readonly staked: boolean;
  /** Whether this node's tree sends to it. */
  readonly target: boolean;
  /** What the failure detector holds of it. */
  readonly state: PeerState;
  /** Its connection, where there is one. */
  readonly connection?: ConnectionView;
  /** Messages dropped, in all. */
  readonly drops: readonly PeerDrops[];
}

/** Everybody this node knows. */
export interface PeersView {
  /** Numbers of peers and of what happened to them. */
  readonly counts: PeerCounts;
  /** Connected ones first, then by address; at most `limit`. */
  readonly peers: readonly PeerView[];
  /** How many are not listed. */
  readonly omitted: number;
}

/** Looks at the peers of a started node, and lists `limit` of them. */
export function peersView(module: P2PModule, limit: number): PeersView {
  const connected = module.router.connected.sort();
  const among = new Set(connected);
  const others: Address[] = [];
  for (const peer of module.knownPeers()) if (!among.has(peer)) others.push(peer);
  const all = [...connected, ...others.sort()];
  const targets = new Set(module.targets);
  const drops = Map.groupBy(module.router.drops(), ({ peer }) => peer);
  const peers = all.slice(0, limit).map((address): PeerView => {
    const { id: _, ...explained } = module.explain(address) ?? { id: address };
    return {
      address,
      staked: module.ring.has(address),
      target: targets.has(address),
      state: module.stateOf(address),
      ...explained,
      connection: connectionOf(module, address),
      drops: (drops.get(address) ?? []).map(({ channel, reason, count }) => ({ channel, reason, count })),
    };
  });
  return { counts: module.peerCounts, peers, omitted: all.length - peers.length };
}

function connectionOf({ router }: P2PModule, peer: Address): ConnectionView | undefined {
  const socket = router.socket(peer);
  if (socket === undefined) return undefined;
  const { direction, connection, rttMs, receivedWaiting, sendLanes } = socket;
  const { protocol, host, port } = connection.remoteEndpoint;
  return {
    direction,
    remote: host === undefined ? protocol : `${host.includes(":") ? `[${host}]` : host}:${port}`,
    rttMs,
    receivedBytes: connection.bytesRead,
    sentBytes: connection.bytesWritten,
    received: receivedWaiting,
    queues: sendLanes.filter(({ length }) => length > 0)
      .map(({ options, length, bytes }) => ({ channel: options.id, messages: length, bytes })),
  };
}
