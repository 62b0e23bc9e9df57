import type { Clock } from "./clock.ts";

/** Rate of a {@link TokenBucket}. */
export interface TokenRate {
  /** What may be taken at once. */
  readonly burst: number;
  /** What comes back per second, up to `burst`. */
  readonly perSecond: number;
}

/** An allowance that comes back with time: some at once, and so many per second in the long run. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #rate: TokenRate;
  #tokens: number;
  #atMs: number;

  /** A full one. */
  constructor(clock: Clock, rate: TokenRate) {
    this.#clock = clock;
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#atMs = clock.now();
  }

  /** Takes one, if there is one. */
  take(): boolean {
    const { burst, perSecond } = this.#rate;
    const now = this.#clock.now();
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#atMs) / 1000) * perSecond);
    this.#atMs = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
