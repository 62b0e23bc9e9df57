import { assertEquals } from "@std/assert";
import { systemClock } from "../../src/base/clock.ts";
import type { NodeAddress } from "../../src/identity/node_address.ts";
import type { NodeKey } from "../../src/identity/node_key.ts";
import type { P2PConfigInput } from "../../src/module/config.ts";
import { StaticProvider } from "../../src/peer/static_provider.ts";
import { classicOffsets, exactOffsets, type TreeMode } from "../../src/raintree/tree.ts";
import { keysOf, LiveNode, textContent } from "../module/live_network.ts";
import { PocketV1Node } from "./_pocket_v1_node.ts";

/** How long anything here may take before it counts as lost. */
const DEADLINE_MS = 20_000;

/** Looks again in every turn of the event loop until it is so. */
export async function until(what: string, reached: () => boolean): Promise<void> {
  for (const end = systemClock.now() + DEADLINE_MS; !reached();) {
    if (systemClock.now() > end) throw new Error(`Not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** What a {@link MixedNetwork} consists of. */
export interface MixedNetworkOptions {
  /** Staked nodes in all. */
  n: number;
  /** Ring positions of V1 nodes. */
  v1: readonly number[];
  mode?: TreeMode;
  config?: P2PConfigInput;
  /** Whether to wait until our nodes are connected with their targets. @default {true} */
  connected?: boolean;
}

/** Staked nodes of both kinds on TCP sockets of this machine. */
export class MixedNetwork implements AsyncDisposable {
  readonly nodes: (LiveNode | PocketV1Node)[] = [];
  readonly chain = new StaticProvider([]);
  readonly #config: P2PConfigInput;

  private constructor(config: P2PConfigInput) {
    this.#config = config;
  }

  static async start(
    { n, v1, mode = "exact", config = {}, connected = true }: MixedNetworkOptions,
  ): Promise<MixedNetwork> {
    const network = new MixedNetwork({ mode, ...config });
    for (const [position, key] of keysOf(n).entries()) {
      network.nodes.push(v1.includes(position) ? await PocketV1Node.start(key) : await network.ours(key));
    }
    await network.stake();
    if (connected) await network.connected(mode);
    return network;
  }

  /** One more node of ours, started and not staked. */
  async ours(key: NodeKey): Promise<LiveNode> {
    const config = { connection_type: "tcp", port: 0, listen_host: "127.0.0.1", ...this.#config } as const;
    const node = new LiveNode(key, config, { peerstore: this.chain, heights: this.chain });
    await node.module.start();
    return node;
  }

  /** Puts every node into the staked set. */
  async stake(): Promise<void> {
    const staked = this.nodes.map((node) => ({ key: node.key, nodeAddress: placeOf(node) }));
    this.chain.set(1, staked.map(({ nodeAddress }) => ({ address: nodeAddress.id, nodeAddress, stake: 1n })));
    for (const node of this.nodes) {
      if (node instanceof PocketV1Node) node.follow(staked);
      else await node.module.handleEvent({ type: "ConsensusNewHeightEvent", height: 1 });
    }
  }

  /** Our nodes are connected with whom their trees send to. */
  async connected(mode: TreeMode): Promise<void> {
    const n = this.nodes.length;
    const offsets = (mode === "exact" ? exactOffsets(n) : classicOffsets(n)).filter((offset) => offset % n !== 0);
    for (const [position, node] of this.nodes.entries()) {
      if (node instanceof PocketV1Node) continue;
      for (const offset of offsets) {
        const target = this.nodes[(position + offset) % n].address;
        await until(`${position} connected`, () => node.module.router.socket(target) !== undefined);
      }
    }
  }

  broadcast(position: number, text: string): void {
    const node = this.nodes[position];
    if (node instanceof PocketV1Node) node.broadcast(text);
    else node.module.broadcast(textContent(text));
  }

  /** RainTree messages per node so far. */
  traffic(kind: "reads" | "writes"): number[] {
    return this.nodes.map((node) => node instanceof PocketV1Node ? node[kind] : node.module.raintree[kind]);
  }

  /** How often each node's application got `text`. */
  deliveries(text: string): number[] {
    return this.nodes.map(({ texts }) => texts.filter((received) => received === text).length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map(stop));
  }
}

/** Where a node of either kind may be dialled. */
function placeOf(node: LiveNode | PocketV1Node): NodeAddress {
  return node instanceof PocketV1Node ? node.nodeAddress : node.module.nodeAddress;
}

/** Ends a node; of ours nothing may be left. */
export async function stop(node: LiveNode | PocketV1Node): Promise<void> {
  await node[Symbol.asyncDispose]();
  if (node instanceof LiveNode) assertEquals(node.module.routines.names(), [], "routines left behind");
}
