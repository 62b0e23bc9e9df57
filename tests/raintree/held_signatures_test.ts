import { assertEquals } from "@std/assert";
import { seededRandom } from "../../src/base/random.ts";
import { HeldSignatures } from "../../src/raintree/held_signatures.ts";

Deno.test("HeldSignatures gives back every byte of each once, and keeps two of one key", () => {
  const random = seededRandom(4);
  const one = { address: random.fill(new Uint8Array(20)), signature: random.fill(new Uint8Array(96)) };
  const forged = { ...one, signature: one.signature.with(95, one.signature[95] ^ 1) };
  const every = { address: new Uint8Array(20), signature: Uint8Array.from({ length: 96 }, (_, i) => 255 - i) };
  const held = new HeldSignatures();
  assertEquals([one, forged, one, every, forged].map((each) => held.add(each)), [true, true, false, true, false]);
  assertEquals([held.size, ...held], [3, one, forged, every]);
});
