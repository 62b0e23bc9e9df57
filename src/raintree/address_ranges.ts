import { type Address, ADDRESS_BYTES } from "../identity/address.ts";
import type { AddressRange } from "./control_message.ts";
import type { Ring } from "./ring.ts";

/**
 * The order in which a node meets addresses when it walks the ring once, beginning behind itself. Its own address is the last: it only ever bounds a
 * range. Lists of ranges below are sorted in this order, and no two of a list overlap.
 */
export class RingOrder {
  readonly #origin: Uint8Array;

  /** The order as seen by the node with this address (20 bytes). */
  constructor(origin: Uint8Array) {
    this.#origin = origin;
  }

  /** Below 0 if `a` comes before `b`, above 0 if it comes after, 0 if they are one address. */
  compare(a: Uint8Array, b: Uint8Array): number {
    return this.#lap(a) - this.#lap(b) || compareBytes(a, b);
  }

  #lap(address: Uint8Array): number {
    const side = compareBytes(address, this.#origin);
    return side > 0 ? 0 : side < 0 ? 1 : 2;
  }
}

/** Whether `ranges`, which may come from anybody, are a sorted list of ranges that lie within `whole`. */
export function areRangesWithin(order: RingOrder, whole: AddressRange, ranges: readonly AddressRange[]): boolean {
  let end = whole.from;
  for (const { from, until } of ranges) {
    if (order.compare(from, end) < 0 || order.compare(from, until) >= 0) return false;
    end = until;
  }
  return ranges.length === 0 || order.compare(end, whole.until) <= 0;
}

/** What of `whole` lies in none of the ranges. */
export function complement(order: RingOrder, whole: AddressRange, ranges: readonly AddressRange[]): AddressRange[] {
  const gaps: AddressRange[] = [];
  let { from } = whole;
  for (const range of ranges) {
    if (order.compare(range.from, whole.until) >= 0) break;
    if (order.compare(from, range.from) < 0) gaps.push({ from, until: range.from });
    if (order.compare(from, range.until) < 0) from = range.until;
  }
  if (order.compare(from, whole.until) < 0) gaps.push({ from, until: whole.until });
  return gaps;
}

/** What lies in a range of either list; ranges that touch become one. */
export function union(
  order: RingOrder,
  a: readonly AddressRange[],
  b: readonly AddressRange[],
): AddressRange[] {
  const sorted = [...a, ...b].sort((x, y) => order.compare(x.from, y.from));
  const joined: AddressRange[] = [];
  for (const range of sorted) {
    const last = joined.at(-1);
    if (last === undefined || order.compare(range.from, last.until) > 0) joined.push({ ...range });
    else if (order.compare(range.until, last.until) > 0) last.until = range.until;
  }
  return joined;
}

/** At most `max` ranges that hold what `ranges` hold, and what lies between two that had to be joined. */
export function coarsened(ranges: readonly AddressRange[], max: number): readonly AddressRange[] {
  if (ranges.length <= max) return ranges;
  const together = Math.ceil(ranges.length / max);
  const joined: AddressRange[] = [];
  for (let i = 0; i < ranges.length; i += together) {
    joined.push({ from: ranges[i].from, until: ranges[Math.min(i + together, ranges.length) - 1].until });
  }
  return joined;
}

/** The peers of `ring` that lie in the ranges, in the order of the node at `index`. */
export function addressesIn(ring: Ring, index: number, ranges: readonly AddressRange[]): Address[] {
  const found: Address[] = [];
  for (const { from, until } of ranges) {
    const end = ring.segmentSize(index, until);
    for (let offset = ring.segmentSize(index, from); offset < end; offset++) found.push(ring.at(index, offset));
  }
  return found;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < ADDRESS_BYTES; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}
