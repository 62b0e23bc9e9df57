import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import { addressFromBytes, addressToBytes } from "../../src/identity/address.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { addresses } from "./networks.ts";

const seed = 0x417;

function code(fn: () => unknown): string {
  return assertThrows(fn, P2pError).code;
}

Deno.test("Ring.of() sorts by bytes and finds every address again", () => {
  for (const count of [0, 1, 2, 3, 27, 1000]) {
    const given = addresses(count, seed + count);
    const ring = Ring.of(given, { height: 7 });
    assertEquals([...ring], given.toSorted());
    assertEquals([ring.size, ring.height], [count, 7]);
    given.toSorted().forEach((address, i) => {
      assertEquals(ring.indexOf(address), i);
      assertEquals(ring.bytesAt(i), addressToBytes(address));
    });
    assertEquals(ring.indexOf("00".repeat(20)), -1);
    assertEquals(ring.has("ff".repeat(20)), false);
  }
});

Deno.test("Ring.of() sorts addresses that differ only at their ends", () => {
  // A prefix decides most places; here it never does. Some share 6, some 7, some 19 bytes.
  const address = fc.tuple(
    fc.constantFrom(6, 7, 19),
    fc.integer({ min: 0, max: 255 }),
    fc.integer({ min: 0, max: 255 }),
  )
    .map(([at, value, last]) => {
      const bytes = new Uint8Array(20).fill(0xa5);
      bytes[at] = value;
      bytes[19] = last;
      return addressFromBytes(bytes);
    });
  fc.assert(
    fc.property(fc.uniqueArray(address, { maxLength: 200 }), (given) => {
      assertEquals([...Ring.of(given)], given.toSorted());
    }),
    { seed },
  );
});

Deno.test("Ring.of() takes a million addresses", () => {
  // Counting up makes them different; multiplying by an odd number spreads them over the ring.
  const given = Array.from({ length: 1_000_000 }, (_, i) => {
    const head = (Math.imul(i, 0x9e3779b1) >>> 0).toString(16).padStart(8, "0");
    return head + "0".repeat(32);
  });
  const ring = Ring.of(given);
  assertEquals(ring.size, 1_000_000);
  let previous = "";
  let ordered = true;
  for (const address of ring) {
    ordered &&= previous < address;
    previous = address;
  }
  assertEquals(ordered, true);
  for (let i = 0; i < given.length; i += 99_991) assertEquals(ring.at(ring.indexOf(given[i])), given[i]);
});

Deno.test("Ring refuses duplicates, malformed and unknown addresses", () => {
  const given = addresses(9, seed);
  const ring = Ring.of(given);
  const stranger = "0123456789abcdef0123456789abcdef01234567";
  assertEquals(code(() => Ring.of([...given, given[4]])), "ring_duplicate_address");
  assertEquals(code(() => Ring.of([...given, "abc"])), "ring_bad_address");
  assertEquals(code(() => Ring.of([stranger.toUpperCase()])), "ring_bad_address");
  assertEquals(code(() => Ring.of([stranger.replace("a", "g")])), "ring_bad_address");
  assertEquals(code(() => ring.with({ add: [given[0]] })), "ring_duplicate_address");
  assertEquals(code(() => ring.with({ add: [stranger, stranger] })), "ring_duplicate_address");
  assertEquals(code(() => ring.with({ add: ["xyz"] })), "ring_bad_address");
  assertEquals(code(() => ring.with({ remove: [stranger] })), "ring_unknown_address");
  assertEquals([...ring], given.toSorted());
});

Deno.test("Ring.at() counts around the ring, both ways", () => {
  const ring = Ring.of(addresses(9, seed));
  const sorted = [...ring];
  for (let self = 0; self < 9; self++) {
    for (let offset = -20; offset <= 20; offset++) {
      assertEquals(ring.at(self, offset), sorted[(self + offset + 90) % 9]);
    }
  }
});

Deno.test("Ring.with() equals the ring of the changed list and leaves the old one alone", () => {
  const pool = addresses(60, seed);
  const membership = fc.array(fc.constantFrom("stays", "leaves", "joins", "rejoins", "absent"), {
    minLength: pool.length,
    maxLength: pool.length,
  });
  fc.assert(
    fc.property(membership, (fate) => {
      const those = (...fates: string[]) => pool.filter((_, i) => fates.includes(fate[i]));
      const before = Ring.of(those("stays", "leaves", "rejoins"), { height: 4 });
      const sorted = [...before];
      const after = before.with({ add: those("joins", "rejoins"), remove: those("leaves", "rejoins"), height: 5 });
      const wanted = Ring.of(those("stays", "joins", "rejoins"));
      assertEquals([...after], [...wanted]);
      for (let i = 0; i < after.size; i++) assertEquals(after.bytesAt(i), wanted.bytesAt(i));
      assertEquals([before.height, after.height, before.with({}).height], [4, 5, 4]);
      assertEquals([...before], sorted);
    }),
    { seed },
  );
});

Deno.test("Ring.segmentSize() counts from a node to a bound, whether or not the bound is in the ring", () => {
  const pool = addresses(40, seed).toSorted();
  const ring = Ring.of(pool.filter((_, i) => i % 2 === 1));
  for (let self = 0; self < ring.size; self++) {
    for (const until of pool) {
      // Walk the ring by hand: the node itself, then everyone before the bound.
      const turned = (address: string) =>
        (pool.indexOf(address) - pool.indexOf(ring.at(self)) + pool.length) % pool.length;
      const end = turned(until) === 0 ? pool.length : turned(until);
      const wanted = [...ring].filter((address) => turned(address) < end).length;
      assertEquals(ring.segmentSize(self, addressToBytes(until)), wanted, `from ${self} to ${until}`);
    }
  }
});
