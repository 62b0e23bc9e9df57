import type { Clock } from "../base/clock.ts";
import type { Fate } from "./local_network.ts";

/** Options of {@link Deliveries}. */
export interface DeliveriesOptions {
  /** Who is to broadcast, by position, in order. */
  originators: readonly number[];
  /** By ring offset from the originator, whether a fault-free broadcast arrives there. */
  reached: readonly boolean[];
  /** What becomes of each validator, by position. Only the live ones count as expected. */
  fates: readonly Fate[];
  /** Time. */
  clock: Clock;
}

/** One broadcast. */
interface Made {
  readonly startMs: number;
  lastMs: number;
  /** Live validators that it has still to reach. */
  missing: number;
  /** Validators of any fate that it has still to reach. */
  left: number;
  readonly complete: PromiseWithResolvers<void>;
}

/** Who received what, over all broadcasts, so that what comes late is noticed as well. */
export class Deliveries {
  /** Broadcasts that are to reach a live validator, each once. */
  readonly expected: number;
  /** Of these, how many have. */
  delivered = 0;
  /** Broadcasts that are to reach a stalled validator, now or when it goes on. */
  readonly expectedStalled: number;
  /** Of these, how many have. */
  deliveredStalled = 0;
  /** Deliveries where none, or no second one, was expected. */
  surplus = 0;
  /** Payloads with other bytes than were sent. */
  corrupted = 0;
  readonly #options: DeliveriesOptions;
  readonly #faulty: boolean;
  readonly #made: Made[] = [];
  /** A byte per broadcast and position: whether it was delivered. */
  readonly #seen: Uint8Array;
  readonly #recovered = Promise.withResolvers<void>();
  #onNext = () => {};

  /** Nothing is made yet. */
  constructor(options: DeliveriesOptions) {
    const { originators, fates } = options;
    this.#options = options;
    this.#faulty = fates.some((fate) => fate !== "live");
    this.#seen = new Uint8Array(originators.length * fates.length);
    this.expected = this.#count("live");
    this.expectedStalled = this.#count("stalled");
    if (this.expectedStalled === 0) this.#recovered.resolve();
  }

  /** Broadcasts made that have not reached everyone they are to reach, live or not. */
  get underWay(): number {
    return this.#made.filter(({ left }) => left > 0).length;
  }

  /** Resolves when the stalled validators have everything. */
  get recovered(): Promise<void> {
    return this.#recovered.promise;
  }

  /** Milliseconds from each complete broadcast to its last delivery at a live validator. */
  timesToAllMs(): number[] {
    return this.#made.flatMap(({ missing, startMs, lastMs }) => missing === 0 ? [lastMs - startMs] : []);
  }

  /** The next broadcast is made now. Resolves when it has reached every live validator that it is to reach. */
  begin(): Promise<void> {
    const number = this.#made.length;
    const startMs = this.#options.clock.now();
    const missing = this.#toReach(number, "live");
    const complete = Promise.withResolvers<void>();
    if (missing === 0) complete.resolve();
    const left = missing + this.#toReach(number, "killed") + this.#toReach(number, "stalled");
    this.#made.push({ startMs, lastMs: startMs, missing, left, complete });
    return complete.promise;
  }

  /** Calls `act` once, in the turn of the next delivery, wherever it is. */
  atNext(act: () => void): void {
    this.#onNext = act;
  }

  /** Does now what {@link atNext} is to do. */
  callNext(): void {
    const act = this.#onNext;
    this.#onNext = () => {};
    act();
  }

  /** The payload of the broadcast `number` reached the application at `position`; of none, if it is corrupted. */
  note(position: number, number: number): void {
    const made = this.#made[number];
    if (made === undefined) {
      this.corrupted++;
      return;
    }
    const { fates, clock } = this.#options;
    const at = number * fates.length + position;
    if (this.#seen[at] !== 0 || !this.#mayReach(number, position)) {
      this.surplus++;
      return;
    }
    this.#seen[at] = 1;
    if (this.#reaches(number, position)) {
      made.left--;
      if (fates[position] === "live") {
        this.delivered++;
        made.lastMs = clock.now();
        if (--made.missing === 0) made.complete.resolve();
      } else if (fates[position] === "stalled" && ++this.deliveredStalled === this.expectedStalled) {
        this.#recovered.resolve();
      }
    }
    this.callNext();
  }

  /** How many broadcasts a validator has still to get, of all that are to be made. */
  missedAt(position: number): number {
    const { originators, fates } = this.#options;
    return originators.reduce(
      (sum, _, number) =>
        sum + Number(this.#reaches(number, position) && this.#seen[number * fates.length + position] === 0),
      0,
    );
  }

  /** Whether a fault-free network delivers a broadcast there. */
  #reaches(number: number, position: number): boolean {
    const { reached } = this.#options;
    const offset = this.#offset(number, position);
    return offset > 0 && reached[offset];
  }

  /** Under faults repairs also fill the holes that the published formula leaves; nobody's own broadcast comes back to him. */
  #mayReach(number: number, position: number): boolean {
    return this.#faulty ? this.#offset(number, position) > 0 : this.#reaches(number, position);
  }

  #offset(number: number, position: number): number {
    const n = this.#options.fates.length;
    return (position - this.#options.originators[number] + n) % n;
  }

  #toReach(number: number, fate: Fate): number {
    const { fates } = this.#options;
    return fates.reduce((sum, is, position) => sum + Number(is === fate && this.#reaches(number, position)), 0);
  }

  #count(fate: Fate): number {
    return this.#options.originators.reduce((sum, _, number) => sum + this.#toReach(number, fate), 0);
  }
}
