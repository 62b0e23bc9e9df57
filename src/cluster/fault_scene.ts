import { type Clock, sleep } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Backend } from "../localnet/backend.ts";
import type { Fault, FaultParameters } from "../localnet/manifest.ts";
import { PAYLOAD_BYTES } from "./assertion_payload.ts";
import { type Absence, againMs, type Ledger } from "./broadcast_ledger.ts";
import type { NetworkWatch, WatchedNode } from "./network_watch.ts";
import { SteadyBroadcasts } from "./steady_broadcasts.ts";

/** How much longer than it may take is waited for somebody to get broadcasts again, so that the report can tell how long it took. */
const PATIENCE = 3;

const LOOK_MS = 100;

/** What a {@link FaultScene} is made of. */
export interface FaultSceneOptions {
  /** Where the network runs. */
  backend: Backend;
  /** Who sees what arrives. */
  watch: NetworkWatch;
  /** How long what takes. */
  parameters: FaultParameters;
  /** How long a node, or all, may take to be there again, milliseconds. */
  readyWithinMs: number;
  /** Names of the validators before the fault. */
  names: readonly string[];
  /** Time. */
  clock: Clock;
  /** Who is hit. */
  random: Random;
  /** Gives up. */
  signal: AbortSignal;
}

/** A network under broadcasts, to which one fault is done: what the cases (fault_cases.ts) act with, and what they note. */
export class FaultScene {
  /** How long what takes. */
  readonly parameters: FaultParameters;
  /** Names of the validators before the fault. */
  readonly names: readonly string[];
  /** What is broadcast meanwhile: not begun here. */
  readonly broadcasts: SteadyBroadcasts;
  /** Who was away, and when. */
  readonly absences: Absence[] = [];
  /** What was not as it has to be. */
  readonly wrong: string[] = [];
  /** When the fault was done, milliseconds; 0 before. */
  faultMs = 0;
  /** When it was over: whoever was hit was let go on or is to be started. */
  overMs = 0;
  readonly #options: FaultSceneOptions;

  /** Does nothing yet. */
  constructor(options: FaultSceneOptions) {
    this.#options = options;
    this.parameters = options.parameters;
    this.names = options.names;
    const { watch, clock, random, parameters: { ratePerSecond } } = options;
    const senders = () => watch.clients((name) => this.mayBeAsked(name));
    this.broadcasts = new SteadyBroadcasts({ ratePerSecond, payloadBytes: PAYLOAD_BYTES, senders, clock, random });
  }

  /** What is judged of it. */
  get ledger(): Ledger {
    const { watch } = this.#options;
    return {
      nodes: [...watch.nodes.keys()],
      accepted: this.broadcasts.accepted,
      absences: this.absences,
      seenMs: (node, nonce) => watch.seenMs(node, nonce),
    };
  }

  /** Whether a node may be asked to broadcast: one that is killed or stopped would only keep us waiting. One that ends in order says itself that it does. */
  mayBeAsked(name: string): boolean {
    return !this.absences.some(({ node, how, returnedMs }) =>
      node === name && (how === "killed" || how === "stopped") && returnedMs === undefined
    );
  }

  /** `count` validators by chance. */
  pick(count: number): string[] {
    const left = [...this.names];
    const { random } = this.#options;
    return Array.from({ length: count }, () => left.splice(Math.floor(random.next() * left.length), 1)[0]);
  }

  /** Now. */
  now(): number {
    return this.#options.clock.now();
  }

  /** Waits. */
  async hold(ms: number): Promise<void> {
    await sleep(this.#options.clock, ms, this.#options.signal);
  }

  /** Does something to the network. */
  async do(fault: Partial<Fault> & Pick<Fault, "fault">): Promise<void> {
    await this.#options.backend.fault({ nodes: [], groups: [], validators: 0, ...fault }, this.#options.signal);
  }

  /** Starts what does not run. */
  async up(): Promise<void> {
    await this.#options.backend.up(this.#options.signal);
  }

  /** What was seen of a node. */
  watched(name: string): WatchedNode | undefined {
    return this.#options.watch.nodes.get(name);
  }

  /** The validators that are of the network now. */
  present(): WatchedNode[] {
    return this.#options.watch.present;
  }

  /** Notes that somebody is away from now on. */
  away(node: string, how: Absence["how"], fromMs: number = this.now()): Absence {
    const absence: Absence = { node, how, fromMs };
    this.absences.push(absence);
    return absence;
  }

  /** Until a node has answered in a run that began after the fault. Notes when that was. */
  async returned(absence: Absence): Promise<void> {
    const run = await this.until(`${absence.node} does not come back`, () => {
      const last = this.watched(absence.node)?.runs.at(-1);
      return last !== undefined && last.firstMs > absence.fromMs ? last : undefined;
    });
    absence.returnedMs = run?.firstMs;
  }

  /** Until a node that is back gets broadcasts again, of one of `origins`; more time than is allowed is wrong. */
  async again(absence: Absence, origins: readonly string[] = this.ledger.nodes): Promise<void> {
    const { node, returnedMs } = absence;
    if (returnedMs === undefined) return; // noted already
    const { withinMs } = this.parameters;
    absence.againMs = await this.until(
      `${node} is back and does not get broadcasts`,
      () => againMs(absence, origins, this.ledger),
      PATIENCE * withinMs,
    );
    const tookMs = Math.round((absence.againMs ?? NaN) - returnedMs);
    if (tookMs > withinMs) {
      this.wrong.push(`${node} took ${tookMs} ms to get broadcasts again, it may take ${withinMs}`);
    }
  }

  /** Until something is there; `undefined`, and wrong, where it is not in time: in that which all may take to be ready, where nothing else is said. */
  async until<T>(
    otherwise: string,
    look: () => T | undefined,
    patienceMs: number = this.#options.readyWithinMs,
  ): Promise<T | undefined> {
    const untilMs = this.now() + patienceMs;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.now() >= untilMs) {
        this.wrong.push(`${otherwise} in ${patienceMs} ms`);
        return undefined;
      }
      await this.hold(LOOK_MS);
    }
  }
}
