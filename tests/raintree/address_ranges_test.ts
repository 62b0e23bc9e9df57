import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  addressesIn,
  areRangesWithin,
  coarsened,
  complement,
  RingOrder,
  union,
} from "../../src/raintree/address_ranges.ts";
import type { AddressRange } from "../../src/raintree/control_message.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { addresses } from "./networks.ts";

const SIZE = 16;
const ring = Ring.of(addresses(SIZE, 9));

/** Ranges seen from the node at `home` that hold exactly the offsets whose bit is set; offset 0 is the node itself and never in them. */
function rangesOf(home: number, bits: number): AddressRange[] {
  const ranges: AddressRange[] = [];
  for (let offset = 1; offset < SIZE; offset++) {
    if ((bits >> offset & 1) === 0) continue;
    const [from, until] = [ring.bytesAt((home + offset) % SIZE), ring.bytesAt((home + offset + 1) % SIZE)];
    const last = ranges.at(-1);
    if (last !== undefined && (bits >> (offset - 1) & 1) === 1) last.until = until;
    else ranges.push({ from, until });
  }
  return ranges;
}

const bits = fc.nat(2 ** SIZE - 1).map((drawn) => drawn & ~1);
const home = fc.nat(SIZE - 1);
const wholeOf = (home: number) => ({ from: ring.bytesAt((home + 1) % SIZE), until: ring.bytesAt(home) });

Deno.test("union() and complement() do to ranges what they do to sets", () => {
  fc.assert(
    fc.property(home, bits, bits, (home, a, b) => {
      const order = new RingOrder(ring.bytesAt(home));
      const [x, y] = [rangesOf(home, a), rangesOf(home, b)];
      assertEquals(union(order, x, y), rangesOf(home, a | b));
      assertEquals(complement(order, wholeOf(home), x), rangesOf(home, ~a & (2 ** SIZE - 2)));
      assert(areRangesWithin(order, wholeOf(home), x));
    }),
    { seed: 21, numRuns: 300 },
  );
});

Deno.test("complement() keeps to the whole where ranges reach out of it", () => {
  fc.assert(
    fc.property(home, bits, fc.integer({ min: 1, max: SIZE - 1 }), fc.nat(SIZE), (home, a, first, length) => {
      const order = new RingOrder(ring.bytesAt(home));
      const end = Math.min(SIZE, first + length);
      const whole = { from: ring.bytesAt((home + first) % SIZE), until: ring.bytesAt((home + end) % SIZE) };
      const within = ((2 ** end - 1) & ~(2 ** first - 1)) >>> 0;
      const expected = length === 0 ? [] : rangesOf(home, ~a & within);
      assertEquals(complement(order, whole, rangesOf(home, a)), expected);
    }),
    { seed: 22, numRuns: 300 },
  );
});

Deno.test("addressesIn() names the peers of the ranges, in the order of the node that asks", () => {
  fc.assert(
    fc.property(home, bits, (home, a) => {
      const offsets = Array.from({ length: SIZE }, (_, i) => i).filter((offset) => (a >> offset & 1) === 1);
      assertEquals(addressesIn(ring, home, rangesOf(home, a)), offsets.map((offset) => ring.at(home, offset)));
    }),
    { seed: 23, numRuns: 200 },
  );
});

Deno.test("coarsened() names at least what was named, in no more ranges than allowed", () => {
  fc.assert(
    fc.property(home, bits, fc.integer({ min: 1, max: 9 }), (home, a, max) => {
      const order = new RingOrder(ring.bytesAt(home));
      const ranges = rangesOf(home, a);
      const coarse = coarsened(ranges, max);
      assert(coarse.length <= max);
      assert(areRangesWithin(order, wholeOf(home), coarse));
      assertEquals(union(order, coarse, ranges), union(order, coarse, []));
      if (ranges.length <= max) assertEquals(coarse, ranges);
    }),
    { seed: 24, numRuns: 300 },
  );
});

Deno.test("areRangesWithin() refuses what is empty, turned round, out of order, overlapping or outside", () => {
  const order = new RingOrder(ring.bytesAt(0));
  const range = (from: number, until: number) => ({ from: ring.bytesAt(from), until: ring.bytesAt(until % SIZE) });
  const within = (...ranges: AddressRange[]) => areRangesWithin(order, range(4, 9), ranges);
  assert(within());
  assert(within(range(4, 9)));
  assert(within(range(4, 5), range(5, 6), range(7, 9)));
  assert(!within(range(5, 5)));
  assert(!within(range(6, 5)));
  assert(!within(range(6, 7), range(5, 6)));
  assert(!within(range(4, 7), range(6, 8)));
  assert(!within(range(3, 5)));
  assert(!within(range(8, 10)));
  assert(!within(range(8, 16)));
  assert(!within(range(0, 5)));
});
