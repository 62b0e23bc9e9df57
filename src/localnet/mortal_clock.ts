import type { Cancel, Clock } from "../base/clock.ts";

/** A node's clock that dies with it: a process that is killed leaves no timer behind, a module that is cannot cancel its own. */
export class MortalClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<Cancel>();
  #ended = false;

  /** Goes as `clock` does. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  wall(): number {
    return this.#clock.wall();
  }

  after(ms: number, fire: () => void): Cancel {
    if (this.#ended) return () => {};
    const timer = this.#clock.after(ms, () => {
      this.#timers.delete(cancel);
      fire();
    });
    const cancel = () => {
      this.#timers.delete(cancel);
      timer();
    };
    this.#timers.add(cancel);
    return cancel;
  }

  /** Cancels every timer; none is set any more. */
  end(): void {
    this.#ended = true;
    for (const cancel of [...this.#timers]) cancel();
  }
}
