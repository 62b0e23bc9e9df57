import type { Random } from "../base/random.ts";

/** The bounds of a wait that doubles. */
export interface BackoffBounds {
  /** The shortest wait, in milliseconds. */
  minMs: number;
  /** The longest wait, in milliseconds, at least `minMs`. */
  maxMs: number;
}

/**
 * How long to wait after the `failures`-th failure in a row (1 is the first): a random time in the upper half of
 * `minMs * 2^failures`, never outside the bounds. The jitter keeps nodes that lost a peer together from returning together.
 */
export function backoffMs(failures: number, { minMs, maxMs }: BackoffBounds, random: Random): number {
  // 2^40 minimal waits are past any bound, and the cap keeps the power finite.
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(Math.max(failures, 1), 40));
  return Math.max(minMs, ceiling * (0.5 + 0.5 * random.next()));
}
