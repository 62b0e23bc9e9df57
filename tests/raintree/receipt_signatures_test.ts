import { assert, assertEquals } from "@std/assert";
import { NodeKey } from "../../src/identity/node_key.ts";
import { receiptText, SignatureQueue, signerOf, signReceipt } from "../../src/raintree/receipt_signatures.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const key = NodeKey.fromSeed(new Uint8Array(32).fill(7));

Deno.test("receiptText() is the domain, the network, the nonce and the payload's digest", () => {
  const text = receiptText("main", 0x0102030405060708n, bytes("abc"));
  const digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assertEquals(text.toHex(), bytes("raintree receipt v1\0main").toHex() + "0102030405060708" + digest);
});

Deno.test("signReceipt() makes 96 bytes that anybody can verify", () => {
  const text = receiptText("main", 1n, bytes("abc"));
  const signature = signReceipt(key, text);
  assertEquals([signature.length, signerOf(signature)], [96, key.publicKey]);
  assert(NodeKey.verify(signerOf(signature), text, signature.subarray(32)));
});

Deno.test("SignatureQueue tells valid from forged, a batch in each turn, and forgets what it is told to drop", async () => {
  const clock = new VirtualClock();
  const queue = new SignatureQueue(clock);
  const [text, other] = [1n, 2n].map((nonce) => receiptText("main", nonce, bytes("abc")));
  const valid = signReceipt(key, text);
  const seen: boolean[] = [];
  for (let i = 0; i < 72; i++) queue.add(i % 2 === 0 ? text : other, valid, (is) => seen.push(is));
  assertEquals([seen.length, clock.pending], [0, 1]);
  await clock.runUntil(() => seen.length > 0, 1);
  assertEquals(seen, Array.from({ length: 64 }, (_, i) => i % 2 === 0));
  queue.drop(other);
  await clock.advance(1);
  assertEquals([seen.length, seen.slice(64), clock.pending], [68, [true, true, true, true], 0]);
  queue.add(text, valid, () => seen.push(true));
  queue.close();
  queue.close();
  await clock.advance(1);
  assertEquals([seen.length, clock.pending], [68, 0]);
});
