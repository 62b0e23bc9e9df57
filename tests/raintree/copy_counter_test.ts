import { assertEquals } from "@std/assert";
import { CopyCounter } from "../../src/raintree/copy_counter.ts";

Deno.test("CopyCounter.count() counts the copies of each nonce", () => {
  const counter = new CopyCounter(10);
  assertEquals([counter.count(1n), counter.count(1n), counter.count(2n), counter.count(1n)], [1, 2, 1, 3]);
});

Deno.test("CopyCounter forgets the oldest nonce when it is full", () => {
  const counter = new CopyCounter(3);
  for (const nonce of [1n, 2n, 3n]) counter.count(nonce);
  assertEquals([counter.count(2n), counter.count(4n), counter.count(2n), counter.count(3n)], [2, 1, 3, 2]);
  assertEquals(counter.count(1n), 1);
});
