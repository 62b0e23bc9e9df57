import { parseNodeAddress } from "../src/identity/node_address.ts";
import { NodeKey } from "../src/identity/node_key.ts";
import { LocalBus } from "../src/module/bus.ts";
import { P2PModule } from "../src/module/p2p_module.ts";
import type { PeerstoreProvider } from "../src/peer/peerstore_provider.ts";
import type { StakedPeer } from "../src/peer/staked_peer.ts";
import type { Socket } from "../src/socket/socket.ts";
import { sleep } from "./child.ts";
import type { Member, Network, NetworkCounts, NetworkOptions } from "./side.ts";
import { inTreeOrder, treeEdges } from "./tree_edges.ts";

/** What the broadcasts claim to be; it travels with each. */
const TYPE_URL = "bench.Message";

/** How long the connections may take. */
const CONNECT_DEADLINE_MS = 30_000;

/** `count` P2P modules over TCP. At height 0 nobody is staked; connecting moves them to height 1, where everyone is. */
export async function ourNetwork(count: number, { onDelivery, config }: NetworkOptions): Promise<Network> {
  let staked: StakedPeer[] = [];
  const peerstore: PeerstoreProvider = {
    getStakedPeerstoreAtHeight: (height) => Promise.resolve(height === 0 ? [] : staked),
  };
  const nodes: P2PModule[] = [];
  for (let index = 0; index < count; index++) {
    const bus = new LocalBus();
    bus.subscribe((event) => {
      if (event.type === "message") onDelivery(index, event.content.value);
    });
    const own = { private_key: NodeKey.generate(), listen_host: "127.0.0.1", port: 0 };
    const node = P2PModule.create({ ...config, ...own }, { bus, peerstore });
    await node.start();
    nodes.push(node);
  }
  const sockets = new Set<Socket>();
  return {
    members: nodes.map(({ address, url }) => ({ id: address, url })),
    async connect(all) {
      staked = all.map(({ url }) => {
        const nodeAddress = parseNodeAddress(url);
        return { address: nodeAddress.id, nodeAddress, stake: 1n };
      });
      await Promise.all(nodes.map((node) => node.handleEvent({ type: "ConsensusNewHeightEvent", height: 1 })));
      await connected(nodes, all);
    },
    broadcast(origin, value) {
      return nodes[origin].broadcast({ typeUrl: TYPE_URL, value });
    },
    counts() {
      return read(nodes, sockets);
    },
  };
}

/** Waits until every edge of the tree that ends here has its connection. */
async function connected(nodes: readonly P2PModule[], all: readonly Member[]): Promise<void> {
  const deadline = performance.now() + CONNECT_DEADLINE_MS;
  const here = new Map(nodes.map((node) => [String(node.address), node]));
  const ring = inTreeOrder(all).map(({ url }) => parseNodeAddress(url).id);
  const edges = treeEdges(ring.length).flatMap(([a, b]) => [[ring[a], ring[b]], [ring[b], ring[a]]]);
  for (;;) {
    const missing = edges.filter(([from, to]) => here.has(from) && here.get(from)!.router.socket(to) === undefined);
    if (missing.length === 0) return;
    if (performance.now() > deadline) throw new Error(`${missing.length} of ${edges.length} connections are missing`);
    await sleep(20);
  }
}

/** `sockets` keeps those that close between two readings; only one that opens and closes in between is missed. */
function read(nodes: readonly P2PModule[], sockets: Set<Socket>): NetworkCounts {
  let payloads = 0;
  for (const node of nodes) {
    for (const socket of node.router.sockets()) sockets.add(socket);
    payloads += node.raintree.reads;
  }
  let bytesWritten = 0;
  for (const { connection } of sockets) bytesWritten += connection.bytesWritten;
  return { bytesWritten, payloads };
}
