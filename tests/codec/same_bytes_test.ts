import { assertEquals } from "@std/assert";
import { sameBytes } from "../../src/codec/same_bytes.ts";

Deno.test("sameBytes() compares bytes, wherever they are", () => {
  const all = Uint8Array.of(1, 2, 3, 1, 2, 3, 1, 2);
  const first = all.subarray(0, 3);
  const others = [all.subarray(0, 3), all.subarray(3, 6), Uint8Array.of(1, 2, 3), all.subarray(1, 4), all.subarray(6)];
  assertEquals(others.map((other) => sameBytes(first, other)), [true, true, true, false, false]);
  assertEquals([sameBytes(first, all), sameBytes(new Uint8Array(), new Uint8Array())], [false, true]);
});
