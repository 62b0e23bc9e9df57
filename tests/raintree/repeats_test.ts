import { assertEquals } from "@std/assert";
import { Repeats } from "../../src/raintree/repeats.ts";

Deno.test("Repeats.add() complains about every 32nd time of one broadcast, of each peer for itself", () => {
  const complaints: string[] = [];
  const repeats = new Repeats((peer) => complaints.push(peer));
  for (let i = 0; i < 31; i++) for (const peer of ["a", "b"]) repeats.add(peer, 1n);
  for (let nonce = 2n; nonce < 400n; nonce++) repeats.add("c", nonce);
  assertEquals(complaints, []);
  repeats.add("a", 1n);
  assertEquals(complaints, ["a"]);
  for (let i = 0; i < 64; i++) repeats.add("a", 1n);
  assertEquals(complaints, ["a", "a", "a"]);
});

Deno.test("Repeats remembers a bounded number of peers and broadcasts", () => {
  const repeats = new Repeats(() => {});
  for (let peer = 0; peer < 300; peer++) for (let nonce = 1n; nonce <= 600n; nonce++) repeats.add(`${peer}`, nonce);
  assertEquals(repeats.size, 128 * 512);
});
