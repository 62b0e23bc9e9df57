import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { type GossipSub, gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { sleep } from "./child.ts";
import { type GossipSettings, gossipSettings } from "./gossip_settings.ts";
import { peerConnectionLimits } from "./peer_libp2p.ts";
import type { Network, NetworkOptions } from "./side.ts";
import { inTreeOrder, treeEdges } from "./tree_edges.ts";

const TOPIC = "bench";

/** How long the meshes may take to form. */
const MESH_DEADLINE_MS = 30_000;

/** One js-libp2p node with gossipsub, which trusts 127.0.0.1 with as many peers as there are. */
function gossipNode(signed: boolean, settings: GossipSettings, onPayload: () => void) {
  return createLibp2p({
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: peerConnectionLimits,
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      pubsub: gossipsub({
        ...settings,
        globalSignaturePolicy: signed ? "StrictSign" : "StrictNoSign",
        scoreParams: { IPColocationFactorWhitelist: new Set(["127.0.0.1"]) },
        // Sees every message that arrives, before it is known whether it came already.
        dataTransform: {
          inboundTransform(_topic, data) {
            onPayload();
            return data;
          },
          outboundTransform: (_topic, data) => data,
        },
      }),
    },
  });
}

/** gossipsub over `count` nodes, each connected to the peers that RainTree would connect it to: both sides move over the same graph. */
export async function peerNetwork(count: number, { signed, mesh, onDelivery }: NetworkOptions): Promise<Network> {
  const sockets = openedSockets();
  const settings = gossipSettings(mesh);
  let payloads = 0;
  const nodes = await Promise.all(Array.from({ length: count }, () => gossipNode(signed, settings, () => payloads++)));
  const pubsubs = nodes.map((node) => node.services.pubsub);
  pubsubs.forEach((pubsub, index) => {
    pubsub.subscribe(TOPIC);
    pubsub.addEventListener("message", ({ detail }) => onDelivery(index, detail.data));
  });
  const members = nodes.map((node) => ({ id: node.peerId.toString(), url: node.getMultiaddrs()[0].toString() }));
  return {
    members,
    async connect(all) {
      const here = new Map(nodes.map((node, index) => [members[index].id, node]));
      const ring = inTreeOrder(all);
      for (const [from, to] of treeEdges(ring.length)) {
        await here.get(ring[from].id)?.dial(multiaddr(ring[to].url));
      }
      await meshesFormed(pubsubs, settings.Dlo);
    },
    async broadcast(origin, message) {
      await pubsubs[origin].publish(TOPIC, message);
    },
    counts() {
      let bytesWritten = 0;
      for (const socket of sockets) bytesWritten += socket.bytesWritten;
      return { bytesWritten, payloads };
    },
  };
}

/** Every socket that the process opens or accepts from now on, as Node's own diagnostics tell. */
function openedSockets(): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  const opened = (message: unknown) => void sockets.add((message as { socket: Socket }).socket);
  subscribe("net.client.socket", opened);
  subscribe("net.server.socket", opened);
  return sockets;
}

/** Waits until every node has as many peers in its mesh as gossipsub leaves it at: its target less its tolerance. */
async function meshesFormed(pubsubs: GossipSub[], least: number): Promise<void> {
  const deadline = performance.now() + MESH_DEADLINE_MS;
  for (;;) {
    const sizes = pubsubs.map((pubsub) =>
      (pubsub as unknown as { mesh: Map<string, Set<string>> }).mesh.get(TOPIC)?.size ?? 0
    );
    if (sizes.every((size) => size >= least)) return;
    if (performance.now() > deadline) {
      throw new Error(`Meshes have ${sizes.join(", ")} peers: wanted ${least} at least`);
    }
    await sleep(50);
  }
}
