import type { Cancel, Clock } from "../base/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/**
 * A clock that stands still until told to move. Timers fire in the order of their times, those of one instant in the order in which they
 * were set; between two timers every promise that can settle does.
 */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers = new Set<Timer>();

  /** Starts at `nowMs`. @default {0} */
  constructor(nowMs = 0) {
    this.#now = nowMs;
  }

  /** Virtual milliseconds. */
  now(): number {
    return this.#now;
  }

  /** The same: this world began at the epoch. */
  wall(): number {
    return this.#now;
  }

  /** Sets a timer in virtual time. */
  after(ms: number, fire: () => void): Cancel {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that are set: what a test of "leaves nothing running" looks at. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time on by `ms`, firing what falls due, and lets promises settle after each timer. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.at > until) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.fire();
      await settle();
    }
    this.#now = until;
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    return next;
  }
}

/** Resolves when every promise that can settle without time passing has done so: a turn of the event loop comes after all microtasks. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
