/** The rule by which a broadcast spreads: `exact` hands over segments (ours, the default), `classic` hands over levels (Pocket V1). */
export type TreeMode = "exact" | "classic";

const LEVEL_SHRINKAGE = 2 / 3;

/** The published rounding of log3(N): seven decimals, so that float noise does not add a level at powers of three. */
const LEVEL_PRECISION = 1e7;

/**
 * Classic: how many levels a ring of `n` nodes has, 0 where `n <= 1`.
 *
 * `ceil(round(log3(n), 1e-7))`, as Pocket's P2P specification publishes it.
 */
export function maxLevels(n: number): number {
  if (n <= 1) return 0;
  return Math.ceil(Math.round((Math.log(n) / Math.log(3)) * LEVEL_PRECISION) / LEVEL_PRECISION);
}

/**
 * Classic: the ring offsets, counted from the sender, of the two targets at `level` in a ring of `n` nodes.
 * Offset 0 is the sender itself: nothing goes over the network (a demotion).
 *
 * `Math.pow` and both truncations are part of the published formula: another order of rounding gives another tree.
 */
export function levelTargets(n: number, level: number): [left: number, right: number] {
  const size = Math.trunc(n * Math.pow(LEVEL_SHRINKAGE, maxLevels(n) - level));
  return [Math.trunc(size / 3), Math.trunc((2 * size) / 3)];
}

/** Exact: how many nodes of a segment of `size` its head keeps, itself included; the rest it hands over. */
export function keptShare(size: number): number {
  return Math.ceil(size / 3);
}

/** Exact: how many of the `rest` nodes handed over go to the first of the two new heads; the second gets what remains, perhaps nobody. */
export function firstShare(rest: number): number {
  return Math.ceil(rest / 2);
}

/** Receives one hand-over: the new head stands `offset` places after the sender and answers for `size` nodes, itself included. */
export type VisitSegment = (offset: number, size: number) => void;

/**
 * Exact: every hand-over of a head that answers for a segment of `size` nodes (itself included), in the order of sending.
 * It keeps the first third, hands over the second and the last, and does the same with what it kept.
 */
export function splitSegment(size: number, visit: VisitSegment): void {
  while (size > 1) {
    const keep = keptShare(size);
    const first = firstShare(size - keep);
    const second = size - keep - first;
    visit(keep, first);
    if (second > 0) visit(keep + first, second);
    size = keep;
  }
}

/** Exact: hops until the last node of a segment of `size` has the message; at most `ceil(log3(size))`. */
export function segmentDepth(size: number): number {
  // The largest part handed over is the first of the first split, and depth grows with size.
  let depth = 0;
  while (size > 1) {
    size = firstShare(size - keptShare(size));
    depth++;
  }
  return depth;
}

/** Exact: what the nodes of a ring do as long as nobody fails and all have the same view. */
export interface ExactPattern {
  /** The ring offsets a node ever sends to, over all originators, ascending: 4 at 9 nodes, 20 at 1,000. It keeps connections to these. */
  readonly offsets: readonly number[];
  /** The sizes of the segments that are ever handed over. */
  readonly sizes: ReadonlySet<number>;
}

/** Exact: the pattern of a ring of `n` nodes. Heads of equal segments do the same, and there are few sizes: this takes microseconds at a million nodes. */
export function exactPattern(n: number): ExactPattern {
  const offsets = new Set<number>();
  const sizes = new Set<number>([n]);
  const open = [n];
  for (let size = open.pop(); size !== undefined; size = open.pop()) {
    splitSegment(size, (offset, part) => {
      offsets.add(offset);
      if (sizes.has(part)) return;
      sizes.add(part);
      open.push(part);
    });
  }
  return { offsets: [...offsets].sort((a, b) => a - b), sizes };
}

/** Exact: the offsets of {@link exactPattern}. */
export function exactOffsets(n: number): number[] {
  return [...exactPattern(n).offsets];
}

/** Classic: the ring offsets a node ever sends to, over all originators of a ring of `n` nodes, ascending: twice the levels at most. */
export function classicOffsets(n: number): number[] {
  const offsets = new Set<number>();
  for (let level = maxLevels(n); level >= 1; level--) {
    for (const offset of levelTargets(n, level)) if (offset > 0) offsets.add(offset);
  }
  return [...offsets].sort((a, b) => a - b);
}
