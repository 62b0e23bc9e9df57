import { exactPattern, keptShare, levelTargets, maxLevels, splitSegment, type TreeMode } from "../raintree/tree.ts";

/**
 * The level of each ring offset that a node of a ring of `n` ever sends to, over all originators: the highest at which it does.
 * Exact mode knows no levels; there, a head that answers for a segment of `s` nodes is at level `ceil(log3(s))`.
 */
export function offsetLevels(mode: TreeMode, n: number): ReadonlyMap<number, number> {
  const levels = new Map<number, number>();
  const note = (offset: number, level: number) => {
    if (offset > 0 && level > (levels.get(offset) ?? 0)) levels.set(offset, level);
  };
  if (mode === "classic") {
    for (let level = maxLevels(n); level >= 1; level--) {
      for (const offset of levelTargets(n, level)) note(offset, level);
    }
    return levels;
  }
  for (const whole of exactPattern(n).sizes) {
    // One step of the head at a time: what it hands over of a segment, before it goes on with the rest.
    for (let size = whole; size > 1; size = keptShare(size)) {
      const kept = keptShare(size);
      splitSegment(size, (offset) => offset >= kept && note(offset, maxLevels(size)));
    }
  }
  return levels;
}
