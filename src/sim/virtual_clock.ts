import { setImmediate } from "node:timers";
import type { Cancel, Clock } from "../base/clock.ts";
import { Heap } from "../peer/heap.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/**
 * A clock that stands still until told to move. Timers fire in the order of their times, those of one instant in the order in which they
 * were set; between two timers every promise that can settle does.
 *
 * Setting, cancelling and firing a timer takes O(log n) of the timers set, so a thousand nodes may share one clock.
 */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers = new Heap<Timer>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));

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
    this.#timers.put(timer);
    return () => this.#timers.remove(timer);
  }

  /** Timers that are set: what a test of "leaves nothing running" looks at. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time on by `ms`, firing what falls due, and lets promises settle after each timer. Rejects with what a timer throws. */
  advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    return this.runUntil(() => false, until);
  }

  /**
   * Moves time on, timer by timer, until `reached` holds or, failing that, to `limit` (virtual milliseconds). Stops at the instant of the
   * timer that brought it about. Rejects with what a timer throws.
   */
  runUntil(reached: () => boolean, limit: number): Promise<void> {
    return new Promise((resolve, reject) => {
      // One turn of the event loop a timer, and no promise: this is what a simulation of a million messages spends between them.
      const step = () => {
        try {
          if (reached()) return resolve();
          const next = this.#timers.peek();
          if (next === undefined || next.at > limit) {
            this.#now = Math.max(this.#now, limit);
            return resolve();
          }
          this.#timers.remove(next);
          this.#now = Math.max(this.#now, next.at);
          next.fire();
        } catch (error) {
          return reject(error);
        }
        setImmediate(step);
      };
      setImmediate(step);
    });
  }
}

/**
 * Resolves when every promise that can settle without time passing has done so: a turn of the event loop comes after all microtasks. An
 * immediate is a turn of 3 µs; a timeout of 0 is one of 2 ms.
 */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
