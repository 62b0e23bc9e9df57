import type { Ring } from "./ring.ts";
import { firstShare, keptShare, levelTargets } from "./tree.ts";

/** Receives one exact target: the ring index to send to, and the 20-byte address that bounds what it then answers for. */
export type VisitHandover = (target: number, until: Uint8Array) => void;

/**
 * Exact: whom the node at index `self` sends to when it answers for every peer after itself and before `until`, in the order
 * of sending. The originator passes its own address as `until`.
 *
 * Bounds are addresses and the last one is passed on as it came, so a bound that this ring does not hold does not stretch the
 * segment, and a peer that only the last to answer for it knows is still reached: that is the node before it in the ring, whoever
 * broadcasts. Makes no closure and no list: give it one long-lived `visit`, and the size of the segment where it is known.
 */
export function visitHandovers(
  ring: Ring,
  self: number,
  until: Uint8Array,
  visit: VisitHandover,
  size: number = ring.segmentSize(self, until),
): void {
  let bound = until;
  while (size > 1) {
    const keep = keptShare(size);
    const first = firstShare(size - keep);
    const second = size - keep - first;
    const firstHead = ring.indexAt(self, keep);
    if (second > 0) {
      const secondHead = ring.indexAt(self, keep + first);
      visit(firstHead, ring.bytesAt(secondHead));
      visit(secondHead, bound);
    } else {
      visit(firstHead, bound);
    }
    bound = ring.bytesAt(firstHead);
    size = keep;
  }
}

/**
 * Exact, where something went wrong before: whom the node at index `self` sends to when its segment has a size that no faultless broadcast brings. It
 * hands over to all of the `offsets` (ascending) that lie in the segment, each up to the next: those are the nodes it is connected with, and nobody has to be
 * dialled; at powers of three it is the same as {@link visitHandovers}.
 */
export function visitWarmHandovers(
  ring: Ring,
  self: number,
  until: Uint8Array,
  offsets: readonly number[],
  visit: VisitHandover,
  size: number = ring.segmentSize(self, until),
): void {
  let bound = until;
  for (let i = offsets.length - 1; i >= 0; i--) {
    if (offsets[i] >= size) continue;
    const target = ring.indexAt(self, offsets[i]);
    visit(target, bound);
    bound = ring.bytesAt(target);
  }
}

/** Receives one classic target: the ring index to send to, and the level of the message. */
export type VisitLevelTarget = (target: number, level: number) => void;

/**
 * Classic: whom the node at index `self` of a ring of `n` sends to when it runs `level` and, demoting itself, every level below,
 * in the order of sending. The originator passes `maxLevels(n)`, a node that received level L passes L - 1. At level 0 nobody.
 */
export function visitLevelTargets(n: number, self: number, level: number, visit: VisitLevelTarget): void {
  for (; level >= 1; level--) {
    const [left, right] = levelTargets(n, level);
    if (left > 0) visit((self + left) % n, level);
    if (right > 0) visit((self + right) % n, level);
  }
}
