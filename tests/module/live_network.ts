import { MemoryNetwork } from "../../src/transport/memory/memory_transport.ts";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { type Content, LocalBus, type P2PEvent } from "../../src/module/bus.ts";
import type { P2PConfigInput } from "../../src/module/config.ts";
import { P2PModule, type P2PModuleOptions } from "../../src/module/p2p_module.ts";
import type { StakedPeer } from "../../src/peer/staked_peer.ts";
import { StaticProvider } from "../../src/peer/static_provider.ts";
import { classicOffsets, exactOffsets, type TreeMode } from "../../src/raintree/tree.ts";
import { settle, VirtualClock } from "../../src/sim/virtual_clock.ts";

/** Keys of test nodes, so sorted that the index of a key is its position in the ring of any first few of them. */
const keys: NodeKey[] = [];

/** The keys of `n` nodes in ring order; equal calls give equal keys. */
export function keysOf(n: number): NodeKey[] {
  for (let i = keys.length; i < n; i++) {
    const seed = new Uint8Array(32);
    new DataView(seed.buffer).setUint32(0, i + 1);
    keys.push(NodeKey.fromSeed(seed));
  }
  return keys.slice(0, n).sort((a, b) => a.address < b.address ? -1 : 1);
}

/** How the chain names the node of a key in a memory network. */
export function stakedPeer({ address, publicKey }: NodeKey): StakedPeer {
  return { address, publicKey, nodeAddress: { protocol: "memory", id: address }, stake: 1n };
}

/** Content of a text. */
export function textContent(text: string): Content {
  return { typeUrl: "type.googleapis.com/test.Text", value: new TextEncoder().encode(text) };
}

/** The text of a content. */
export function textOf({ value }: Content): string {
  return new TextDecoder().decode(value);
}

/** A node of the test and what its bus told. */
export class LiveNode implements AsyncDisposable {
  readonly key: NodeKey;
  readonly module: P2PModule;
  readonly bus = new LocalBus();
  readonly events: P2PEvent[] = [];

  constructor(key: NodeKey, config: P2PConfigInput, options: P2PModuleOptions) {
    this.key = key;
    this.bus.subscribe((event) => this.events.push(event));
    this.module = P2PModule.create({ private_key: key, connection_type: "memory", ...config }, {
      strict: true,
      ...options,
      bus: this.bus,
    });
  }

  get address(): string {
    return this.key.address;
  }

  /** Texts received so far, in order. */
  get texts(): string[] {
    return this.events.flatMap((event) => event.type === "message" ? [textOf(event.content)] : []);
  }

  /** Who is connected, sorted. */
  get connected(): string[] {
    return this.module.router.connected.sort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.module[Symbol.asyncDispose]();
  }
}

/** What a {@link LiveNetwork} consists of. */
export interface LiveNetworkOptions {
  /** Nodes that are started. */
  nodes: number;
  /** How many of them are staked, the first ones in ring order. @default {all} */
  staked?: number;
  /** How each node, by ring position, broadcasts. @default {"exact"} */
  mode?: TreeMode | ((position: number) => TreeMode);
  /** More configuration of all nodes. */
  config?: P2PConfigInput;
  /** Seed of nonces and jitter. @default {1} */
  seed?: number;
}

/** Nodes of one process over a memory network, in ring order, in virtual time: between two steps everything comes to rest. */
export class LiveNetwork implements AsyncDisposable {
  readonly nodes: LiveNode[];
  readonly clock = new VirtualClock();
  readonly memory = new MemoryNetwork();
  readonly chain: StaticProvider;
  readonly random: Random;
  readonly #modeOf: (position: number) => TreeMode;
  readonly #config: P2PConfigInput;

  private constructor(options: LiveNetworkOptions) {
    const { nodes, staked = nodes, mode = "exact", config = {}, seed = 1 } = options;
    const all = keysOf(nodes);
    this.random = seededRandom(seed);
    this.chain = new StaticProvider(all.slice(0, staked).map(stakedPeer));
    this.#modeOf = typeof mode === "function" ? mode : () => mode;
    this.#config = config;
    this.nodes = all.map((key, position) => this.node(key, { mode: this.#modeOf(position) }));
  }

  /** Starts the nodes and waits until each is connected with everyone its tree may send to. */
  static async start(options: LiveNetworkOptions): Promise<LiveNetwork> {
    const network = new LiveNetwork(options);
    await Promise.all(network.nodes.map(({ module }) => module.start()));
    await network.until(() => network.#unconnected().length === 0, () => `connections ${network.#unconnected()}`);
    return network;
  }

  /** One more node of this network, not started. */
  node(key: NodeKey, config: P2PConfigInput = {}, options: P2PModuleOptions = {}): LiveNode {
    const { memory, clock, random, chain } = this;
    const parts = { memory, clock, random, peerstore: chain, heights: chain, ...options };
    return new LiveNode(key, { ...this.#config, ...config }, parts);
  }

  /** Lets everything happen that needs no time. */
  rest(): Promise<void> {
    return settle();
  }

  /** Moves time on, a little at a time, until `reached`; fails after a virtual minute. */
  async until(reached: () => boolean, what: () => string): Promise<void> {
    await settle();
    for (const start = this.clock.now(); !reached();) {
      if (this.clock.now() - start > 60_000) throw new Error(`Not in a minute: ${what()}`);
      await this.clock.advance(50);
    }
  }

  /** Broadcasts a text from the node at `position` and lets it spread. */
  async broadcast(position: number, text: string): Promise<void> {
    this.nodes[position].module.broadcast(textContent(text));
    await settle();
  }

  /** Messages that each node has read and written on the tree so far. */
  traffic(): { reads: number[]; writes: number[] } {
    const stats = this.nodes.map(({ module }) => module.raintree);
    return { reads: stats.map(({ reads }) => reads), writes: stats.map(({ writes }) => writes) };
  }

  /** Whom the node at `position` sends to, and who sends to it, sorted. */
  neighbours(position: number): string[] {
    const n = this.nodes.length;
    const found = new Set<string>();
    for (let at = 0; at < n; at++) {
      for (const offset of offsets(this.#modeOf(at), n)) {
        const target = (at + offset) % n;
        if (at === position) found.add(this.nodes[target].address);
        if (target === position) found.add(this.nodes[at].address);
      }
    }
    return [...found].sort();
  }

  #unconnected(): string[] {
    return this.nodes.flatMap(({ module, address }) => {
      if (!module.staked) return [];
      const index = module.ring.indexOf(address);
      const mode = this.#modeOf(this.nodes.findIndex((node) => node.address === address));
      return offsets(mode, module.ring.size)
        .map((offset) => module.ring.at(index, offset))
        .filter((target) => module.router.socket(target) === undefined)
        .map((target) => `${address.slice(0, 4)}-${target.slice(0, 4)}`);
    });
  }

  /** Stops every node that runs, in the time that takes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.whileTimePasses(Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]())));
  }

  /** Waits for work that needs time to pass. */
  async whileTimePasses<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = work.finally(() => done = true);
    finished.catch(() => {}); // told to whoever awaits below
    await settle();
    while (!done) await this.clock.advance(50);
    return await finished;
  }
}

function offsets(mode: TreeMode, n: number): number[] {
  return (mode === "exact" ? exactOffsets(n) : classicOffsets(n)).filter((offset) => offset % n !== 0);
}
