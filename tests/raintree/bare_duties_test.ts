import { assertEquals } from "@std/assert";
import { BareDuties } from "../../src/raintree/bare_duties.ts";

Deno.test("BareDuties knows who was handed what, once, and forgets the oldest broadcasts", () => {
  const duties = new BareDuties();
  duties.note(1n, "anna", 7);
  duties.note(1n, "bert", 8);
  assertEquals([duties.take(1n, "carl"), duties.take(2n, "anna")], [undefined, undefined]);
  assertEquals([duties.take(1n, "anna"), duties.take(1n, "anna"), duties.take(1n, "bert")], [7, undefined, 8]);
  for (let nonce = 2n; nonce <= 1100n; nonce++) duties.note(nonce, "anna", Number(nonce));
  assertEquals([duties.take(2n, "anna"), duties.take(1100n, "anna")], [undefined, 1100]);
});
