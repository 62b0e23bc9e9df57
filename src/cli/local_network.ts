import { abortable, type Clock, deadline, sleep, systemClock } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import { NodeKey } from "../identity/node_key.ts";
import { type Content, LocalBus } from "../module/bus.ts";
import { P2PModule } from "../module/p2p_module.ts";
import { StaticProvider } from "../peer/static_provider.ts";
import { classicOffsets, exactOffsets, type TreeMode } from "../raintree/tree.ts";
import { assertLoopback, LOOPBACK } from "./loopback.ts";
import { assertOpenFiles } from "./open_files.ts";

/** Options of {@link LocalNetwork.start}. */
export interface LocalNetworkOptions {
  /** How many validators, from 1. */
  validators: number;
  /** How broadcasts spread. @default {"exact"} */
  mode?: TreeMode;
  /** Ends the start; everything opened is closed again. */
  signal: AbortSignal;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Told how many validators listen so far. */
  onProgress?: (started: number) => void;
}

/** How everything came to an end. */
export interface NetworkStop {
  /** Milliseconds it took. */
  readonly ms: number;
  /** Routines that still run: a leak. */
  readonly routines: number;
  /** What modules failed with as they stopped. */
  readonly errors: readonly Error[];
}

/** A peer that a node is not connected with. */
export interface MissingPeer {
  /** Where it stands in the ring. */
  readonly position: number;
  /** Why the last dial to it failed; `undefined` if none has. */
  readonly lastError: string | undefined;
}

/** Between two looks at what tells no event: sockets that retire, counters. */
const LOOK_MS = 2;

/** How long an interrupted network may take to stop: somebody waits. */
const STOP_SOON_MS = 1_800;

/** Rounds of {@link LocalNetwork.quiet}; traffic that has not died down by then is surplus whatever comes after. */
const QUIET_ROUNDS_MAX = 8;

const PROBE: Content = { typeUrl: "type.googleapis.com/raintree.Probe", value: new Uint8Array() };

/**
 * A network of validators in this process, over real TCP sockets on 127.0.0.1, each at a port that the system chose. {@link nodes} stand
 * in ring order: the index is the position.
 */
export class LocalNetwork implements AsyncDisposable {
  /** The validators, in ring order. */
  readonly nodes: readonly P2PModule[];
  /** How broadcasts spread. */
  readonly mode: TreeMode;
  /** Told of each message that reaches the application of the node at a position. */
  onMessage: (position: number, content: Content) => void = () => {};
  readonly #clock: Clock;
  readonly #chain = new StaticProvider([]);
  #stopped: Promise<NetworkStop> | undefined;

  private constructor(validators: number, mode: TreeMode, clock: Clock) {
    const keys = Array.from({ length: validators }, () => NodeKey.generate())
      .sort((a, b) => a.address < b.address ? -1 : 1);
    this.mode = mode;
    this.#clock = clock;
    this.nodes = keys.map((private_key, position) => {
      const bus = new LocalBus();
      bus.subscribe((event) => {
        if (event.type === "message") this.onMessage(position, event.content);
      });
      return P2PModule.create(
        { private_key, listen_host: LOOPBACK, port: 0, mode },
        { peerstore: this.#chain, heights: this.#chain, bus, clock, strict: true },
      );
    });
  }

  /**
   * Starts all validators and tells them of each other; they are connecting when it resolves.
   *
   * @throws {P2pError} `net_forbidden` without the permission, `open_files_exhausted` where the system allows too few open files, what `P2PModule.start` throws, the signal's reason.
   */
  static async start(options: LocalNetworkOptions): Promise<LocalNetwork> {
    const { validators, mode = "exact", signal, clock = systemClock, onProgress = () => {} } = options;
    await assertLoopback();
    // Both ends of every connection are ours, and each node dials its targets.
    await assertOpenFiles(validators * (2 * offsetsOf(mode, validators).length + 1));
    const network = new LocalNetwork(validators, mode, clock);
    try {
      for (const [position, node] of network.nodes.entries()) {
        signal.throwIfAborted();
        await node.start();
        node.onRequest((content) => content);
        onProgress(position + 1);
      }
      const staked = network.nodes.map(({ address, nodeAddress }) => ({ address, nodeAddress, stake: 1n }));
      network.#chain.set(1, staked);
      network.#chain.setHeight(1);
      await Promise.all(network.nodes.map((node) => node.handleEvent({ type: "ConsensusNewHeightEvent", height: 1 })));
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  /** Positions that the node at `position` is to be connected with: its tree targets, and those whose target it is. */
  peersOf(position: number): Set<number> {
    const n = this.nodes.length;
    return new Set(offsetsOf(this.mode, n).flatMap((offset) => [(position + offset) % n, (position - offset + n) % n]));
  }

  /** Whether the node at `position` runs, is connected with {@link peersOf} and nobody else, and runs no routine beyond that. */
  isSettled(position: number): boolean {
    const node = this.nodes[position];
    const wanted = this.peersOf(position);
    if (!node.started || node.routines.count !== 2 * wanted.size + 1) return false;
    const { router } = node;
    if (router.connected.length !== wanted.size) return false;
    for (const peer of wanted) if (router.socket(this.nodes[peer].address) === undefined) return false;
    return true;
  }

  /** Peers that the node at `position` is to be connected with and is not, with the failure of the last dial. */
  missingPeers(position: number): MissingPeer[] {
    const node = this.nodes[position];
    return [...this.peersOf(position)].flatMap((peer) => {
      const { address } = this.nodes[peer];
      if (!node.started) return [{ position: peer, lastError: undefined }];
      if (node.router.socket(address) !== undefined) return [];
      const lastError = node.explain(address)?.endpoints.find((endpoint) => endpoint.lastError !== undefined)
        ?.lastError;
      return [{ position: peer, lastError }];
    });
  }

  /** Resolves when every node {@link isSettled}: connections dialled from both ends have become one. `onProgress` is told how many are. */
  async settled(signal: AbortSignal, onProgress: (settled: number) => void = () => {}): Promise<void> {
    let next = 0;
    await this.until(() => {
      while (next < this.nodes.length && this.isSettled(next)) next++;
      onProgress(next);
      if (next < this.nodes.length) return false;
      // One that was ready may have lost a connection while we looked at the others.
      next = this.nodes.findIndex((_, position) => !this.isSettled(position));
      return next < 0;
    }, signal);
  }

  /** Resolves when `condition` holds. @throws the signal's reason. */
  async until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!condition()) await sleep(this.#clock, LOOK_MS, signal);
  }

  /** Messages that RainTree has read and written over the network so far, of all running nodes. */
  traffic(): { reads: number; writes: number } {
    let reads = 0;
    let writes = 0;
    for (const node of this.nodes) {
      if (!node.started) continue;
      reads += node.raintree.reads;
      writes += node.raintree.writes;
    }
    return { reads, writes };
  }

  /**
   * Whether nothing is under way any more, without waiting for a time to pass: every node asks all its targets, and answers come back. Frames of a connection
   * arrive in order, and broadcasts leave before requests, so whatever was sent before is read by then. If nothing more was sent meanwhile, nothing is left.
   *
   * @throws what a request fails with; the signal's reason.
   */
  async quiet(signal: AbortSignal): Promise<boolean> {
    const n = this.nodes.length;
    const offsets = offsetsOf(this.mode, n);
    for (let round = 0; round < QUIET_ROUNDS_MAX; round++) {
      const before = this.traffic();
      await Promise.all(
        this.nodes.flatMap((node, position) =>
          offsets.map((offset) => node.request(this.nodes[(position + offset) % n].address, PROBE, { signal }))
        ),
      );
      const after = this.traffic();
      if (before.reads === after.reads && before.writes === after.writes) return true;
    }
    return false;
  }

  /** Stops every validator. Those that take longer than `withinMs` are not waited for. Idempotent. */
  stop(withinMs = STOP_SOON_MS): Promise<NetworkStop> {
    return this.#stopped ??= this.#stop(withinMs);
  }

  /** Stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(withinMs: number): Promise<NetworkStop> {
    const startMs = this.#clock.now();
    using limit = deadline(this.#clock, withinMs, "Stopping the network");
    const running = this.nodes.filter((node) => node.started);
    const results = await Promise.allSettled(running.map((node) => abortable(node.stop(), limit.signal)));
    const errors = results.flatMap((result) => result.status === "rejected" ? [asError(result.reason)] : []);
    const routines = this.nodes.reduce((sum, node) => sum + node.routines.count, 0);
    return { ms: this.#clock.now() - startMs, routines, errors };
  }
}

/** The ring offsets to which a node sends, whoever broadcasts. */
function offsetsOf(mode: TreeMode, n: number): number[] {
  return mode === "exact" ? exactOffsets(n) : classicOffsets(n);
}
