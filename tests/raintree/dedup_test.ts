import { assertEquals, assertThrows } from "@std/assert";
import { below, seededRandom } from "../../src/base/random.ts";
import { NonceDeduper } from "../../src/raintree/dedup.ts";
import { randomNonce } from "../../src/raintree/envelope.ts";
import { NONCE_BYTES, packNonces } from "../../src/raintree/packed_nonces.ts";

const seed = 0xded;

Deno.test("NonceDeduper.seen() tells a nonce that came before", () => {
  const deduper = new NonceDeduper({ random: seededRandom(seed) });
  for (const nonce of [1n, 2n, 1n << 32n, (1n << 64n) - 1n, 0xffff_ffffn]) {
    assertEquals(deduper.seen(nonce), false, `nonce ${nonce}`);
    assertEquals(deduper.seen(nonce), true, `nonce ${nonce}`);
  }
  assertEquals(deduper.size, 5);
});

Deno.test("NonceDeduper forgets the oldest first, and a nonce seen again is not younger for it", () => {
  const deduper = new NonceDeduper({ maxNonces: 3, random: seededRandom(seed) });
  for (const nonce of [1n, 2n, 3n]) deduper.seen(nonce);
  assertEquals(deduper.seen(1n), true);
  assertEquals(deduper.seen(4n), false); // 1 goes
  assertEquals(deduper.size, 3);
  assertEquals([2n, 3n, 4n].map((nonce) => deduper.seen(nonce)), [true, true, true]);
  assertEquals(deduper.seen(1n), false); // 2 goes
  assertEquals(deduper.seen(2n), false);
});

Deno.test("NonceDeduper does as a list of the last maxNonces does", () => {
  const random = seededRandom(seed);
  for (const maxNonces of [1, 2, 7, 64, 700]) {
    const deduper = new NonceDeduper({ maxNonces, random });
    const order: bigint[] = [];
    const held = new Set<bigint>();
    for (let i = 0; i < 20_000; i++) {
      // Few values, so that many come again, some just before and some just after they are forgotten.
      const nonce = BigInt(1 + below(random, 2 * maxNonces)) << BigInt(below(random, 2) * 32);
      assertEquals(deduper.seen(nonce), held.has(nonce), `seed ${seed}, max ${maxNonces}, step ${i}`);
      if (held.has(nonce)) continue;
      held.add(nonce);
      if (order.push(nonce) > maxNonces) held.delete(order.shift()!);
    }
    assertEquals(deduper.size, maxNonces);
  }
});

Deno.test("NonceDeduper remembers its 100,000 by default", () => {
  const random = seededRandom(seed);
  const deduper = new NonceDeduper({ random });
  const nonces = Array.from({ length: 150_000 }, () => randomNonce(random));
  assertEquals(nonces.filter((nonce) => deduper.seen(nonce)).length, 0);
  assertEquals(deduper.size, 100_000);
  assertEquals(nonces.slice(50_000).filter((nonce) => deduper.seen(nonce)).length, 100_000);
  assertEquals(deduper.seen(nonces[0]), false);
});

Deno.test("NonceDeduper.has() tells what was seen for a duty, and remembers nothing by being asked", () => {
  const deduper = new NonceDeduper({ maxNonces: 2, random: seededRandom(seed) });
  deduper.seen(1n, 2);
  deduper.raise(2n, 5);
  assertEquals([deduper.has(1n), deduper.has(1n, 2), deduper.has(1n, 3)], [false, true, true]);
  assertEquals([deduper.has(2n), deduper.has(3n)], [false, false]);
  assertEquals(deduper.size, 2);
  assertEquals(deduper.seen(1n, 2), true);
});

Deno.test("NonceDeduper.eachUnseen() does as has() does, in whatever order the nonces stand", () => {
  const random = seededRandom(seed);
  const deduper = new NonceDeduper({ maxNonces: 300, random });
  const row: bigint[] = [];
  for (let step = 0; step < 2000; step++) {
    const nonce = randomNonce(random);
    // Some are only noted, some came once and are forgotten, some never came.
    if (step % 7 === 0) deduper.note(nonce, step);
    else if (step % 5 !== 0) deduper.seen(nonce, step % 3 === 0 ? 2 : 1);
    row.splice(Math.max(0, row.length - below(random, 6)), 0, nonce);
    if (row.length > 400) row.splice(below(random, row.length), 1);
    if (step % 50 !== 0) continue;
    for (const mark of [1, 2]) {
      const unseen: number[] = [];
      deduper.eachUnseen(packNonces(row), (at) => unseen.push(at / NONCE_BYTES), mark);
      assertEquals(unseen, [...row.keys()].filter((i) => !deduper.has(row[i], mark)), `seed ${seed}, step ${step}`);
    }
  }
});

Deno.test("NonceDeduper.eachUnseen() tells nonces apart that share a half with one that was seen", () => {
  const random = seededRandom(seed);
  const deduper = new NonceDeduper({ maxNonces: 50, random });
  // Round the table and a half.
  const seen = Array.from({ length: 75 }, () => randomNonce(random));
  for (const nonce of seen) deduper.seen(nonce);
  const near = seen.flatMap((nonce) => [nonce, nonce ^ (1n << 40n), nonce ^ 1n]);
  const unseen: bigint[] = [];
  deduper.eachUnseen(packNonces(near), (at) => unseen.push(near[at / NONCE_BYTES]));
  assertEquals(unseen, near.filter((nonce) => !seen.slice(25).includes(nonce)));
});

Deno.test("NonceDeduper refuses a size it cannot have", () => {
  for (const maxNonces of [0, -1, 1.5, NaN, 2 ** 40]) assertThrows(() => new NonceDeduper({ maxNonces }), RangeError);
});

Deno.test("NonceDeduper.note() keeps a number beside a nonce, also while the table grows, until the nonce is forgotten", () => {
  const nonces = new NonceDeduper({ maxNonces: 1000, random: seededRandom(4) });
  for (let i = 1; i <= 3000; i++) {
    assertEquals(nonces.noted(BigInt(i)), 0);
    nonces.note(BigInt(i), 2 ** 32 - i);
  }
  for (let i = 1; i <= 3000; i++) assertEquals(nonces.noted(BigInt(i)), i <= 2000 ? 0 : 2 ** 32 - i, `nonce ${i}`);
  nonces.note(3000n, 7);
  assertEquals([nonces.noted(3000n), nonces.has(3000n), nonces.size], [7, false, 1000]);
});
