import type { Clock } from "../../src/base/clock.ts";

/** Time moved by hand, in one synchronous step: the state machine has no timers and no promises to wait for. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  now(): number {
    return this.#now;
  }
  wall(): number {
    return this.#now + 1_700_000_000_000;
  }
  after(): never {
    throw new Error("The peer manager has no timers of its own");
  }
  pass(ms: number): void {
    this.#now += ms;
  }
}

/** The n-th address of the tests, in order. */
export function peerId(n: number): string {
  return n.toString(16).padStart(40, "0");
}
