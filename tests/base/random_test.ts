import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { below, seededRandom, systemRandom } from "../../src/base/random.ts";

/** xoshiro128** and splitmix32 once more, on big integers, straight from the published definition (Blackman and Vigna). */
function reference(seed: number): () => bigint {
  const mask = 0xffffffffn;
  let mix = BigInt(seed >>> 0);
  const splitmix = () => {
    mix = (mix + 0x9e3779b9n) & mask;
    let z = ((mix ^ (mix >> 16n)) * 0x21f0aaadn) & mask;
    z = ((z ^ (z >> 15n)) * 0x735a2d97n) & mask;
    return z ^ (z >> 15n);
  };
  const s = [splitmix(), splitmix(), splitmix(), splitmix()];
  const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & mask;
  return () => {
    const result = (rotate((s[1] * 5n) & mask, 7n) * 9n) & mask;
    const t = (s[1] << 9n) & mask;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11n);
    return result;
  };
}

Deno.test("seededRandom() is xoshiro128** seeded by splitmix32", () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), (seed) => {
      const random = seededRandom(seed);
      const expected = reference(seed);
      for (let i = 0; i < 20; i++) assertEquals(random.next(), Number(expected()) / 2 ** 32);
    }),
    { seed: 41, numRuns: 50 },
  );
});

Deno.test("seededRandom() gives equal sequences for equal seeds and others for others", () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return [random.next(), ...random.fill(new Uint8Array(16)), random.next()];
  };
  assertEquals(draw(7), draw(7));
  assertNotEquals(draw(7), draw(8));
});

Deno.test("below() stays in its range and reaches all of it", () => {
  const random = seededRandom(42);
  const seen = new Array(7).fill(0);
  for (let i = 0; i < 7000; i++) seen[below(random, 7)]++;
  assertEquals(seen.length, 7);
  for (const count of seen) assert(count > 850 && count < 1150, `${seen}`);
});

Deno.test("systemRandom fills any length and draws from [0, 1)", () => {
  const large = systemRandom.fill(new Uint8Array(200_000));
  for (const part of [large.subarray(0, 64), large.subarray(65_530, 65_600), large.subarray(199_900)]) {
    assert(part.some((byte) => byte !== 0));
  }
  for (let i = 0; i < 100; i++) {
    const value = systemRandom.next();
    assert(value >= 0 && value < 1);
  }
});
