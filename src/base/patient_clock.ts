import type { Cancel, Clock } from "./clock.ts";

/** The longest that time runs without a look at whether this process keeps up, milliseconds. */
const TICK_MS = 25;

/** How late a look may be before time slows down: a share of the tick. */
const SLACK = 1.2;

interface Timer {
  readonly atMs: number;
  readonly fire: () => void;
}

/**
 * Time for waiting on others: it slows down while this process is held up itself, by load or by being paused. A process that does not get to read what
 * arrived has no reason to think that nothing did. If the work of 25 ms takes four times as long, time runs at a sixteenth of its speed.
 *
 * While a timer is set, `now()` is up to 25 ms behind and costs nothing; otherwise it is the inner clock's.
 */
export class PatientClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<Timer>();
  #nowMs = 0;
  /** When `#nowMs` was true, by the inner clock. */
  #innerMs: number;
  #armedMs = 0;
  #cancel: Cancel | undefined;

  /** Follows `clock`. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#innerMs = clock.now();
  }

  /** Milliseconds; only differences mean something. */
  now(): number {
    if (this.#cancel === undefined) this.#follow();
    return this.#nowMs;
  }

  /** See {@link Clock}. */
  wall(): number {
    return this.#clock.wall();
  }

  /** Calls `fire` once, when `ms` milliseconds of this clock have passed. */
  after(ms: number, fire: () => void): Cancel {
    this.#follow();
    const timer = { atMs: this.#nowMs + ms, fire };
    this.#timers.add(timer);
    this.#arm();
    return () => {
      this.#timers.delete(timer);
      if (this.#timers.size > 0) return;
      this.#follow();
      this.#cancel?.();
      this.#cancel = undefined;
    };
  }

  /** Catches up with the inner clock: with all of the time while nothing was waited for, otherwise with what was to pass. */
  #follow(): void {
    const innerMs = this.#clock.now();
    const elapsedMs = innerMs - this.#innerMs;
    this.#innerMs = innerMs;
    const late = this.#cancel !== undefined && elapsedMs > SLACK * this.#armedMs;
    this.#nowMs += late ? this.#armedMs * this.#armedMs / elapsedMs : elapsedMs;
  }

  #arm(): void {
    this.#cancel?.();
    let nextMs = TICK_MS;
    for (const { atMs } of this.#timers) nextMs = Math.min(nextMs, atMs - this.#nowMs);
    this.#armedMs = Math.max(1, nextMs);
    this.#cancel = this.#clock.after(this.#armedMs, () => this.#tick());
  }

  #tick(): void {
    this.#follow();
    const due = [...this.#timers].filter(({ atMs }) => atMs <= this.#nowMs).sort((a, b) => a.atMs - b.atMs);
    try {
      for (const timer of due) if (this.#timers.delete(timer)) timer.fire();
    } finally {
      // Also if one throws: the others must not wait for ever.
      this.#cancel?.();
      this.#cancel = undefined;
      if (this.#timers.size > 0) this.#arm();
    }
  }
}
