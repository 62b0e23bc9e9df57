import { assertEquals, assertStrictEquals } from "@std/assert";
import { compact } from "../../src/codec/compact.ts";

Deno.test("compact() copies a small part of a large buffer, and nothing else", () => {
  const record = new Uint8Array(65_519).fill(7);
  const small = compact(record.subarray(100, 1_100));
  assertEquals([small.length, small.buffer.byteLength, small[0]], [1_000, 1_000, 7]);
  const most = record.subarray(0, 40_000);
  assertStrictEquals(compact(most), most);
  const own = new Uint8Array(10);
  assertStrictEquals(compact(own), own);
  const inSmall = new Uint8Array(1_024).subarray(0, 10);
  assertStrictEquals(compact(inSmall), inSmall);
});
