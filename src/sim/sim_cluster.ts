import { seededRandom } from "../base/random.ts";
import { asError, P2pError } from "../base/errors.ts";
import type { Address } from "../identity/address.ts";
import { NodeKey, SEED_BYTES } from "../identity/node_key.ts";
import type { P2PEvent } from "../module/bus.ts";
import { CHANNELS } from "../module/channels.ts";
import type { P2PConfigInput } from "../module/config.ts";
import { P2PModule } from "../module/p2p_module.ts";
import { StaticProvider } from "../peer/static_provider.ts";
import type { ReceiptOutcome } from "../raintree/receipts.ts";
import { classicOffsets, exactOffsets, type TreeMode } from "../raintree/tree.ts";
import type { LinkProfile } from "./link_profile.ts";
import type { ClockSkew } from "./sim_host.ts";
import { SimNetwork, type Tap } from "./sim_network.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** Options of {@link SimCluster.start}. */
export interface SimClusterOptions {
  /** Staked nodes. */
  nodes: number;
  /** What everything random follows from, keys too. @default {1} */
  seed?: number;
  /** How broadcasts spread. @default {"exact"} */
  mode?: TreeMode;
  /** What the links are like; see {@link SimNetwork}. @default {50 ms, give or take 20} */
  link?: Partial<LinkProfile> | ((from: Address, to: Address) => Partial<LinkProfile>);
  /** More configuration of every node. */
  config?: P2PConfigInput;
  /** How the clock of the node at a position is wrong. @default {it is not} */
  skew?: (position: number) => ClockSkew;
  /** Positions of liars: they acknowledge what they get and answer whatever they are asked, but no payload that they send arrives. @default {none} */
  liars?: Iterable<number>;
  /** Sees each frame that leaves a node. @default {nobody looks} */
  tap?: Tap;
}

/** A node of a {@link SimCluster}; its place in the list is its position in the ring. */
export interface SimNode {
  /** Who it is. */
  readonly key: NodeKey;
  /** The module that runs now; a restart makes another. */
  module: P2PModule;
}

/** One broadcast and where it went. */
export interface SimBroadcast {
  /** Position of the originator. */
  readonly from: number;
  /** When it was sent, virtual milliseconds. */
  readonly sentMs: number;
  /** When each application got it first, by position; the originator is not in it. */
  readonly arrivals: Map<number, number>;
  /** From whom each had it first, by position. */
  readonly parents: Map<number, number>;
  /** How often an application got it again; one that was started again is another. */
  duplicates: number;
  /** Who confirmed it, once that is told; only where it was asked for. */
  receipt?: ReceiptOutcome;
}

const TYPE_URL = "type.googleapis.com/sim.Broadcast";

/** How long starting and stopping may take, virtual milliseconds. */
const START_MS_MAX = 120_000;

/** Virtual milliseconds between two looks at whether something has come true. */
const STEP_MS = 50;

/**
 * Production nodes on a {@link SimNetwork}, all staked, connected as their tree needs it: what a simulation begins with.
 *
 * @example
 * ```ts
 * import { SimCluster } from "@raintree/p2p/testing";
 *
 * await using cluster = await SimCluster.start({ nodes: 9, seed: 7 });
 * const { arrivals } = cluster.broadcast(0);
 * await cluster.clock.advance(1000);
 * if (arrivals.size !== 8) throw new Error("somebody was missed");
 * ```
 */
export class SimCluster implements AsyncDisposable {
  /** The time of the whole. */
  readonly clock: VirtualClock = new VirtualClock();
  /** What connects the nodes. */
  readonly network: SimNetwork;
  /** Who is staked. */
  readonly chain: StaticProvider;
  /** By ring position. */
  readonly nodes: readonly SimNode[];
  /** Every broadcast so far. */
  readonly broadcasts: SimBroadcast[] = [];
  readonly #options: SimClusterOptions;
  readonly #positions: ReadonlyMap<Address, number>;
  /** How often the node at a position was started. */
  readonly #lives = new Map<number, number>();
  /** Broadcast, position and life of what nodes have that were started again. */
  readonly #heardAgain = new Set<string>();
  #failure: Error | undefined;

  private constructor(options: SimClusterOptions) {
    const { nodes, seed = 1, link = { latencyMs: 50, jitterMs: 20 }, liars = [], tap } = options;
    this.#options = options;
    this.network = new SimNetwork(this.clock, { seed, link, tap });
    const random = seededRandom(seed);
    const keys = Array.from({ length: nodes }, () => NodeKey.fromSeed(random.fill(new Uint8Array(SEED_BYTES))))
      .sort((a, b) => a.address < b.address ? -1 : 1);
    this.#positions = new Map(keys.map(({ address }, position) => [address, position]));
    this.chain = new StaticProvider(keys.map(({ address, publicKey }) => {
      return { address, publicKey, nodeAddress: { protocol: "memory", id: address }, stake: 1n };
    }));
    this.nodes = keys.map((key, position) => ({ key, module: this.#module(key, position) }));
    for (const liar of liars) this.network.mute(this.nodes[liar].key.address, CHANNELS.raintree.id);
  }

  /** Starts every node, and waits until each is connected with everyone its tree may send to. @throws {P2pError} `sim_late`; what a start throws. */
  static async start(options: SimClusterOptions): Promise<SimCluster> {
    const cluster = new SimCluster(options);
    for (const { module } of cluster.nodes) cluster.#start(module);
    await cluster.until("connections", () => cluster.connected());
    return cluster;
  }

  /**
   * Moves time on, a little at a time, until something has come true.
   *
   * @throws {P2pError} (as a rejection) `sim_late` when it has not within `withinMs` (virtual milliseconds); what a start or a broadcast of a node threw.
   */
  async until(what: string, reached: () => boolean, withinMs: number = START_MS_MAX): Promise<void> {
    if (await this.comesTrue(reached, withinMs)) return;
    throw new P2pError("sim_late", `No ${what} within ${withinMs} virtual milliseconds`);
  }

  /**
   * Moves time on, a little at a time, until something has come true or `withinMs` have passed; returns which of the two.
   *
   * @throws {P2pError} (as a rejection) what a start or a broadcast of a node threw.
   */
  async comesTrue(reached: () => boolean, withinMs: number): Promise<boolean> {
    const limitMs = this.clock.now() + withinMs;
    while (!reached()) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.clock.now() >= limitMs) return false;
      await this.clock.advance(Math.min(STEP_MS, limitMs - this.clock.now()));
    }
    return true;
  }

  /** The position of a node. @throws {P2pError} `sim_host_unknown` */
  positionOf(address: Address): number {
    const position = this.#positions.get(address);
    if (position !== undefined) return position;
    throw new P2pError("sim_host_unknown", `No node ${address} in this cluster`);
  }

  /** Whether every node that lives has connections on which it may send to all who live of those its tree has it send to. */
  connected(): boolean {
    const { mode = "exact" } = this.#options;
    const size = this.nodes.length;
    const offsets = (mode === "exact" ? exactOffsets(size) : classicOffsets(size)).filter((offset) => offset % size);
    return this.nodes.every(({ module }, position) =>
      !this.lives(position) || (module.started && offsets.every((offset) => {
        const target = (position + offset) % size;
        const socket = module.router.socket(this.nodes[target].key.address);
        // The first credit comes a latency after the connection.
        return !this.lives(target) || socket?.sendLanes.every(({ credit }) => credit > 0);
      }))
    );
  }

  /** Whether the node at a position has not crashed. */
  lives(position: number): boolean {
    return this.network.hostOf(this.nodes[position].key.address).crashed === undefined;
  }

  /**
   * Has the node at `position` broadcast `bytes` bytes (4 or more, 256 by default), with a receipt after `receiptMs` at the latest if that is given. What becomes
   * of it is written into the result as time passes; {@link until} throws what it fails with.
   */
  broadcast(position: number, bytes = 256, receiptMs?: number): SimBroadcast {
    const value = new Uint8Array(bytes);
    new DataView(value.buffer).setUint32(0, this.broadcasts.length);
    const [arrivals, parents] = [new Map<number, number>(), new Map<number, number>()];
    const broadcast: SimBroadcast = { from: position, sentMs: this.clock.now(), arrivals, parents, duplicates: 0 };
    this.broadcasts.push(broadcast);
    const { module } = this.nodes[position];
    const content = { typeUrl: TYPE_URL, value };
    const sent = receiptMs === undefined
      ? module.broadcast(content)
      : module.broadcast(content, { receipt: true, deadlineMs: receiptMs }).then((each) => {
        broadcast.receipt = each;
      });
    sent.catch((error) => this.#fail(error));
    return broadcast;
  }

  /** Starts a node again that has crashed, as a process without memory of what was. Runs once time passes. */
  restart(position: number): void {
    const node = this.nodes[position];
    node.module = this.#module(node.key, position);
    this.#start(node.module);
  }

  /** Ends cuts and pauses, lets every start end, and stops the nodes that live, in the time that takes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.network.heal();
    const live = this.nodes.filter((_, position) => this.lives(position));
    for (const { key } of live) this.network.resume(key.address);
    await this.until("start of every node", () => live.every(({ module }) => module.started));
    let stopped = false;
    const stopping = Promise.all(live.map(({ module }) => module[Symbol.asyncDispose]())).finally(() => stopped = true);
    stopping.catch(asError); // told by the await below
    await this.until("stop of every node", () => stopped);
    await stopping;
  }

  #module(key: NodeKey, position: number): P2PModule {
    const { mode = "exact", config = {}, skew = () => ({}) } = this.#options;
    const { clock, random, transport } = this.network.host(key, skew(position));
    const life = this.#lives.get(position) ?? 0;
    this.#lives.set(position, life + 1);
    const bus = { publish: (event: P2PEvent) => this.#observe(position, life, event) };
    return P2PModule.create({ private_key: key, connection_type: "memory", mode, ...config }, {
      bus,
      clock,
      random,
      transport,
      peerstore: this.chain,
      heights: this.chain,
      strict: true,
    });
  }

  #start(module: P2PModule): void {
    module.start().catch((error) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#failure ??= asError(error);
  }

  /** `life` is how often the node was started again: what a process had does not count for the next. */
  #observe(position: number, life: number, event: P2PEvent): void {
    if (event.type !== "message" || event.content.typeUrl !== TYPE_URL) return;
    const { value } = event.content;
    const index = new DataView(value.buffer, value.byteOffset).getUint32(0);
    const broadcast = this.broadcasts[index];
    const heardBefore = broadcast.arrivals.has(position) || position === broadcast.from;
    const key = `${index} ${position} ${life}`;
    if (life === 0 ? heardBefore : this.#heardAgain.has(key)) broadcast.duplicates++;
    if (life > 0) this.#heardAgain.add(key);
    if (heardBefore) return;
    broadcast.arrivals.set(position, this.clock.now());
    broadcast.parents.set(position, this.positionOf(event.from));
  }
}
