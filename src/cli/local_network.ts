import { abortable, type Clock, deadline, sleep, systemClock } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import { below, type Random, systemRandom } from "../base/random.ts";
import { NodeKey } from "../identity/node_key.ts";
import type { TreeMode } from "../raintree/tree.ts";
import type { OpenLink } from "./group_link.ts";
import { assertLoopback } from "./loopback.ts";
import { assertOpenFiles } from "./open_files.ts";
import { assertRun, ProcessLink } from "./process_link.ts";
import { RemoteGroup } from "./remote_group.ts";
import type { GroupEvents, GroupSetup, Traffic, ValidatorGroup, ValidatorLook } from "./validator_group.ts";
import { offsetsOf, ValidatorsHere } from "./validators_here.ts";
import { assertThreads, WorkerLink } from "./worker_link.ts";

/** What becomes of a validator in the middle of the run. */
export type Fate = "live" | "killed" | "stalled";

/** Options of {@link LocalNetwork.start}. */
export interface LocalNetworkOptions {
  /** How many validators, from 1. */
  validators: number;
  /** How broadcasts spread. @default {"exact"} */
  mode?: TreeMode;
  /** Bytes of each payload. */
  payloadBytes: number;
  /** How many of them {@link LocalNetwork.strike} kills; drawn by lot. @default {0} */
  killed?: number;
  /** How many of them it freezes; drawn by lot. @default {0} */
  stalled?: number;
  /** Whether each is a process of its own. @default {false} */
  processes?: boolean;
  /** Ends the start; everything opened is closed again. */
  signal: AbortSignal;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Draws the lots. @default {systemRandom} */
  random?: Random;
  /** Told how many validators listen so far. */
  onProgress?: (started: number) => void;
  /** Told what other processes write to standard error. */
  stderr?: (text: string) => void;
}

/** How everything came to an end. */
export interface NetworkStop {
  /** Milliseconds it took. */
  readonly ms: number;
  /** Routines that still run: a leak. */
  readonly routines: number;
  /** What failed as it stopped. */
  readonly errors: readonly Error[];
}

/** Between two looks at what tells no event: sockets that retire, counters. */
const LOOK_MS = 2;

/** How long a last look at validators in other places may take. */
const LAST_LOOK_MS = 5_000;

/** How long an interrupted network may take to stop: somebody waits. */
const STOP_SOON_MS = 1_800;

/** Rounds of {@link LocalNetwork.quiet}; traffic that has not died down by then is surplus whatever comes after. */
const QUIET_ROUNDS_MAX = 8;

/** Pipes and sockets that this process holds for each process it starts. */
const FILES_PER_PROCESS = 4;

/**
 * A network of validators on this machine, over real TCP sockets on 127.0.0.1. Those that are to be killed or frozen run in a thread of their own each kind,
 * or every validator in a process of its own; the others run here.
 */
export class LocalNetwork implements AsyncDisposable {
  /** Addresses in ring order: the index is the position. */
  readonly addresses: readonly string[];
  /** How broadcasts spread. */
  readonly mode: TreeMode;
  /** What becomes of each, by position. */
  readonly fates: readonly Fate[];
  /** Whether each is a process of its own. */
  readonly processes: boolean;
  /** Where they run. */
  readonly groups: readonly ValidatorGroup[];
  /** Told of each payload that reaches the application at a position: the number of its broadcast, -1 if it is corrupted. */
  onDelivered: (position: number, number: number) => void = () => {};
  readonly #clock: Clock;
  readonly #lost = new AbortController();
  readonly #groupAt: ValidatorGroup[] = [];
  /** What was seen of each last, by position. */
  readonly #looks: ValidatorLook[];
  /** Those with these fates do not answer now. */
  readonly #silent = new Set<Fate>();
  #stopped: Promise<NetworkStop> | undefined;

  private constructor(options: LocalNetworkOptions) {
    const { validators: n, mode = "exact", processes = false, clock = systemClock, onProgress = () => {} } = options;
    const keys = Array.from({ length: n }, () => NodeKey.generate()).sort((a, b) => a.address < b.address ? -1 : 1);
    this.addresses = keys.map(({ address }) => address);
    this.mode = mode;
    this.processes = processes;
    this.#clock = clock;
    this.fates = drawFates(options);
    let started = 0;
    const events: GroupEvents = {
      started: () => onProgress(++started),
      delivered: (position, number) => this.onDelivered(position, number),
    };
    const stderr = options.stderr ?? (() => {});
    const setup = (positions: number[]): GroupSetup => ({
      members: positions.map((position) => ({ position, key: keys[position].privateHex() })),
      mode,
      // Without faults the published table is to be seen, with the holes that repairs would fill.
      repair: mode === "exact" || this.faulty,
      payloadBytes: options.payloadBytes,
      // What gets lost with a validator that was killed on purpose is no news.
      logLevel: this.faulty ? "error" : "warning",
    });
    const remote = (positions: number[], open: OpenLink) => new RemoteGroup(setup(positions), events, open, clock);
    const positions = [...keys.keys()];
    const of = (fate: Fate) => positions.filter((position) => this.fates[position] === fate);
    this.groups = processes
      ? positions.map((position) => remote([position], (receive) => new ProcessLink(receive, { clock, stderr })))
      : [
        new ValidatorsHere(setup(of("live")), events, clock),
        ...[of("killed"), of("stalled")].filter(({ length }) => length > 0)
          .map((doomed) => remote(doomed, (receive) => new WorkerLink(receive))),
      ];
    for (const group of this.groups) {
      for (const position of group.positions) this.#groupAt[position] = group;
      if (group instanceof RemoteGroup) void group.died.then((error) => this.#lost.abort(error));
    }
    this.#looks = positions.map((position) => ({
      ...{ position, reads: 0, writes: 0, rejected: 0, dropped: 0, peers: 0, expectedPeers: 0, routines: 0 },
      missing: [],
    }));
  }

  /**
   * Starts all validators and tells them of each other; they are connecting when it resolves.
   *
   * @throws {P2pError} `net_forbidden`, `run_forbidden` and `read_forbidden` without the permission, `open_files_exhausted` where the system allows too few open files,
   * `validators_died` if a process or a thread ends meanwhile, what `P2PModule.start` throws, the signal's reason.
   */
  static async start(options: LocalNetworkOptions): Promise<LocalNetwork> {
    const { validators, mode = "exact", killed = 0, stalled = 0, processes = false, signal } = options;
    await assertLoopback();
    if (processes) await assertRun();
    else if (killed + stalled > 0) await assertThreads();
    // Both ends of every connection are ours, and each node dials its targets; processes have limits of their own.
    const sockets = 2 * offsetsOf(mode, validators).length + 1;
    await assertOpenFiles(processes ? Math.max(validators * FILES_PER_PROCESS, sockets) : validators * sockets);
    const network = new LocalNetwork(options);
    const end = AbortSignal.any([signal, network.lost]);
    try {
      const urls: string[] = [];
      await eachOf(network.groups, startsAtOnce(processes), async (group) => {
        const started = await group.start(end);
        group.positions.forEach((position, i) => urls[position] = started[i]);
      });
      await Promise.all(network.groups.map((group) => abortable(group.stake(urls), end)));
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  /** Whether some are killed or frozen. */
  get faulty(): boolean {
    return this.fates.some((fate) => fate !== "live");
  }

  /** Positions with a fate, ascending. */
  positionsOf(fate: Fate): number[] {
    return this.fates.flatMap((is, position) => is === fate ? [position] : []);
  }

  /** Aborts when a place with validators has ended that was not told to. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Resolves when every validator has all its connections and no other. `onProgress` is told how many have. @throws the signal's reason. */
  async settled(signal: AbortSignal, onProgress: (settled: number) => void = () => {}): Promise<void> {
    for (let settled = 0; settled < this.addresses.length;) {
      const counts = await abortable(Promise.all(this.groups.map((group) => group.settled())), signal);
      settled = counts.reduce((sum, count) => sum + count, 0);
      onProgress(settled);
      if (settled < this.addresses.length) await sleep(this.#clock, LOOK_MS, signal);
    }
  }

  /** Has the validator at `position` make the broadcast of a number; resolves when its targets' queues have taken it. */
  async broadcast(position: number, number: number): Promise<void> {
    await this.#groupAt[position].broadcast(position, number);
  }

  /** Resolves when RainTree has read so many messages in all. @throws the signal's reason. */
  async read(messages: number, signal: AbortSignal): Promise<void> {
    while ((await this.#traffic(signal)).reads < messages) await sleep(this.#clock, LOOK_MS, signal);
  }

  /**
   * Whether nothing is under way any more, without waiting for a time to pass: every node asks all its targets, and answers come back. Frames of a connection
   * arrive in order, and broadcasts leave before requests, so whatever was sent before is read by then. If nothing more was sent meanwhile, nothing is left.
   *
   * @throws what a request fails with; the signal's reason.
   */
  async quiet(signal: AbortSignal): Promise<boolean> {
    for (let round = 0; round < QUIET_ROUNDS_MAX; round++) {
      const before = await this.#traffic(signal);
      await abortable(Promise.all(this.groups.map((group) => group.probe())), signal);
      const after = await this.#traffic(signal);
      if (before.reads === after.reads && before.writes === after.writes) return true;
    }
    return false;
  }

  /** Looks at every validator, in ring order; of one that does not answer any more, what was seen last. */
  async look(): Promise<readonly ValidatorLook[]> {
    using limit = deadline(this.#clock, LAST_LOOK_MS, "Looking at the validators");
    const answering = this.groups.filter((group) => !this.#silent.has(this.fates[group.positions[0]]));
    await Promise.allSettled(
      answering.map(async (group) => {
        for (const look of await abortable(Promise.resolve(group.look()), limit.signal)) {
          this.#looks[look.position] = look;
        }
      }),
    );
    return [...this.#looks];
  }

  /** Kills and freezes those that are to be: now, nobody is told. */
  strike(): void {
    this.#silent.add("killed").add("stalled");
    this.#each("killed", (group) => group.kill());
    this.#each("stalled", (group) => group.freeze());
  }

  /** Lets the frozen ones go on. */
  thaw(): void {
    this.#silent.delete("stalled");
    this.#each("stalled", (group) => group.thaw());
  }

  /** Stops every validator. Those that take longer than `withinMs` are not waited for; processes and threads are ended then. Idempotent. */
  stop(withinMs = STOP_SOON_MS): Promise<NetworkStop> {
    return this.#stopped ??= this.#stop(withinMs);
  }

  /** Stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(withinMs: number): Promise<NetworkStop> {
    const startMs = this.#clock.now();
    const stops = await Promise.all(this.groups.map((group) => group.stop(withinMs)));
    const errors = stops.flatMap(({ errors }) => errors.map((error) => new P2pError("stop_failed", error)));
    return {
      ms: this.#clock.now() - startMs,
      routines: stops.reduce((sum, { routines }) => sum + routines, 0),
      errors,
    };
  }

  async #traffic(signal: AbortSignal): Promise<Traffic> {
    const all = await abortable(Promise.all(this.groups.map((group) => group.traffic())), signal);
    return all.reduce((sum, { reads, writes }) => ({ reads: sum.reads + reads, writes: sum.writes + writes }));
  }

  #each(fate: Fate, act: (group: RemoteGroup) => void): void {
    for (const group of this.groups) {
      if (group instanceof RemoteGroup && this.fates[group.positions[0]] === fate) act(group);
    }
  }
}

/** Draws who is killed and who is frozen. */
function drawFates({ validators, killed = 0, stalled = 0, random = systemRandom }: LocalNetworkOptions): Fate[] {
  const fates = new Array<Fate>(validators).fill("live");
  const left = [...fates.keys()];
  for (const [fate, count] of [["killed", killed], ["stalled", stalled]] as const) {
    for (let i = 0; i < count; i++) fates[left.splice(below(random, left.length), 1)[0]] = fate;
  }
  return fates;
}

/** Processes that start at once: more than there are processors only makes each of them slower. */
function startsAtOnce(processes: boolean): number {
  return processes ? navigator.hardwareConcurrency + 1 : Infinity;
}

/** Does `work` for each item, `atOnce` at a time. The first failure keeps further ones from being begun. */
async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      try {
        await work(item);
      } catch (error) {
        left.length = 0;
        throw asError(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
