import { treeEdges } from "./tree_edges.ts";
import { type GossipSub, gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { createLibp2p } from "libp2p";
import { sleep } from "./child.ts";
import { peerConnectionLimits } from "./peer_libp2p.ts";
import type { Network, NetworkOptions } from "./side.ts";

const TOPIC = "bench";

/** Mesh peers each node must have before work begins: gossipsub's own target D of 6 less its tolerance (Dlo). */
const MESH_MIN = 4;

/** How long the meshes may take to form. */
const MESH_DEADLINE_MS = 30_000;

/** One js-libp2p node with gossipsub, which trusts 127.0.0.1 with as many peers as there are. */
function gossipNode(signed: boolean) {
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
        globalSignaturePolicy: signed ? "StrictSign" : "StrictNoSign",
        scoreParams: { IPColocationFactorWhitelist: new Set(["127.0.0.1"]) },
      }),
    },
  });
}

/** gossipsub over `count` nodes, each connected to the peers that RainTree would connect it to: both sides move over the same graph. */
export async function peerNetwork(count: number, { signed, onDelivery }: NetworkOptions): Promise<Network> {
  const nodes = await Promise.all(Array.from({ length: count }, () => gossipNode(signed)));
  const pubsubs = nodes.map((node) => node.services.pubsub);
  pubsubs.forEach((pubsub, index) => {
    pubsub.subscribe(TOPIC);
    pubsub.addEventListener("message", ({ detail }) => onDelivery(index, detail.data));
  });
  for (const [from, to] of treeEdges(count)) await nodes[from].dial(nodes[to].getMultiaddrs());
  await meshesFormed(pubsubs);
  return {
    async broadcast(origin, message) {
      await pubsubs[origin].publish(TOPIC, message);
    },
  };
}

/** Waits until every node has its mesh and has heard the subscriptions of all its neighbours. */
async function meshesFormed(pubsubs: GossipSub[]): Promise<void> {
  const deadline = performance.now() + MESH_DEADLINE_MS;
  for (;;) {
    const sizes = pubsubs.map((pubsub) =>
      (pubsub as unknown as { mesh: Map<string, Set<string>> }).mesh.get(TOPIC)?.size ?? 0
    );
    if (sizes.every((size) => size >= MESH_MIN)) return;
    if (performance.now() > deadline) {
      throw new Error(`Meshes have ${sizes.join(", ")} peers: wanted ${MESH_MIN} at least`);
    }
    await sleep(50);
  }
}
