import type { NodeAddress } from "../src/identity/node_address.ts";
import { NodeKey } from "../src/identity/node_key.ts";
import { LocalBus } from "../src/module/bus.ts";
import { P2PModule } from "../src/module/p2p_module.ts";
import type { PeerstoreProvider } from "../src/peer/peerstore_provider.ts";
import { sleep } from "./child.ts";
import type { Network, NetworkOptions } from "./side.ts";
import { treeEdges } from "./tree_edges.ts";

/** What the broadcasts claim to be; it travels with each. */
const TYPE_URL = "bench.Message";

/** How long the connections may take. */
const CONNECT_DEADLINE_MS = 30_000;

/** `count` staked P2P modules over TCP, connected along the exact tree. */
export async function ourNetwork(count: number, { onDelivery }: NetworkOptions): Promise<Network> {
  // Ports are known once all have started: at height 0 nobody is staked, at height 1 everyone.
  const addresses: NodeAddress[] = [];
  const peerstore: PeerstoreProvider = {
    getStakedPeerstoreAtHeight: (height) =>
      Promise.resolve(
        height === 0 ? [] : addresses.map((nodeAddress) => ({ address: nodeAddress.id, nodeAddress, stake: 1n })),
      ),
  };
  // In ring order, so that the nodes that a test graph connects are those that the tree connects.
  const keys = Array.from({ length: count }, () => NodeKey.generate()).sort((a, b) => a.address < b.address ? -1 : 1);
  const nodes: P2PModule[] = [];
  for (const [index, key] of keys.entries()) {
    const bus = new LocalBus();
    bus.subscribe((event) => {
      if (event.type === "message") onDelivery(index, event.content.value);
    });
    const node = P2PModule.create({ private_key: key, listen_host: "127.0.0.1", port: 0 }, { bus, peerstore });
    await node.start();
    nodes.push(node);
    addresses.push(node.nodeAddress);
  }
  await Promise.all(nodes.map((node) => node.handleEvent({ type: "ConsensusNewHeightEvent", height: 1 })));
  await connected(nodes);
  return {
    broadcast(origin, value) {
      return nodes[origin].broadcast({ typeUrl: TYPE_URL, value });
    },
  };
}

/** Waits until every edge of the tree has its connection. */
async function connected(nodes: P2PModule[]): Promise<void> {
  const deadline = performance.now() + CONNECT_DEADLINE_MS;
  const edges = treeEdges(nodes.length);
  for (;;) {
    const missing = edges.filter(([from, to]) => nodes[from].router.socket(nodes[to].address) === undefined);
    if (missing.length === 0) return;
    if (performance.now() > deadline) throw new Error(`${missing.length} of ${edges.length} connections are missing`);
    await sleep(20);
  }
}
