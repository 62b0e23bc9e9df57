import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { readVarint, VARINT_BYTES_MAX, varintLength, writeVarint } from "../../src/codec/varint.ts";

Deno.test("readVarint() reads what writeVarint() wrote, at any offset", () => {
  fc.assert(
    fc.property(fc.oneof(fc.nat(), fc.maxSafeNat()), fc.nat(20), (value, offset) => {
      const bytes = new Uint8Array(offset + varintLength(value) + 3);
      const end = writeVarint(bytes, offset, value);
      assertEquals(end, offset + varintLength(value));
      assertEquals(readVarint(bytes, offset), { value, end });
    }),
    { seed: 11 },
  );
});

Deno.test("writeVarint() writes the published examples", () => {
  // Protocol Buffers "Encoding", multiformats/unsigned-varint, and the edges of each length.
  const table: [number, string][] = [
    [0, "00"],
    [1, "01"],
    [127, "7f"],
    [128, "8001"],
    [150, "9601"],
    [255, "ff01"],
    [300, "ac02"],
    [16383, "ff7f"],
    [16384, "808001"],
    [2 ** 32, "8080808010"],
    [Number.MAX_SAFE_INTEGER, "ffffffffffffff0f"],
  ];
  for (const [value, hex] of table) {
    const bytes = new Uint8Array(varintLength(value));
    writeVarint(bytes, 0, value);
    assertEquals(bytes.toHex(), hex);
  }
});

Deno.test("readVarint() waits for more while the bytes end inside a varint", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const bytes = new Uint8Array(varintLength(value));
      writeVarint(bytes, 0, value);
      for (let length = 0; length < bytes.length; length++) {
        assertEquals(readVarint(bytes.subarray(0, length), 0), undefined);
      }
    }),
    { seed: 12 },
  );
});

Deno.test("readVarint() refuses varints above ten bytes and values from 2^53", () => {
  const code = (hex: string) => assertThrows(() => readVarint(Uint8Array.fromHex(hex), 0), ProtocolError).code;
  assertEquals(code("80".repeat(10)), "varint_too_long");
  assertEquals(code("ff".repeat(10) + "00"), "varint_too_long");
  assertEquals(code("8080808080808010"), "varint_too_large"); // 2^53
  assertEquals(code("ff".repeat(9) + "01"), "varint_too_large"); // 2^64 - 1
  assertEquals(readVarint(Uint8Array.fromHex("80".repeat(9) + "00"), 0), { value: 0, end: VARINT_BYTES_MAX });
});

Deno.test("readVarint() reads, waits or throws its errors on random bytes", () => {
  const random = seededRandom(13);
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.fill(new Uint8Array(Math.floor(random.next() * 14)));
    for (let i = 0; i < bytes.length; i++) if (random.next() < 0.6) bytes[i] |= 0x80;
    try {
      const read = readVarint(bytes, 0);
      if (read === undefined) continue;
      assert(Number.isSafeInteger(read.value) && read.value >= 0 && read.end <= bytes.length);
    } catch (error) {
      assert(error instanceof ProtocolError && /^varint_too_(long|large)$/.test(error.code), `seed 13, ${round}`);
    }
  }
});
