import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import { addressOf } from "../../src/identity/address.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import vectors from "../vectors/identity.json" with { type: "json" };
import rfc8032 from "../vectors/ed25519.json" with { type: "json" };

Deno.test("NodeKey agrees with RFC 8032 on keys and signatures", () => {
  for (const vector of rfc8032.signatures) {
    const key = NodeKey.fromSeed(Uint8Array.fromHex(vector.seed));
    const message = Uint8Array.fromHex(vector.message);
    assertEquals(key.publicKey.toHex(), vector.publicKey);
    assertEquals(key.sign(message).toHex(), vector.signature);
    assert(NodeKey.verify(key.publicKey, message, Uint8Array.fromHex(vector.signature)));
  }
});

Deno.test("NodeKey has the published address", () => {
  for (const { privateHex, address } of rfc8032.addresses) {
    assertEquals(NodeKey.fromPrivateHex(privateHex).address, address);
  }
});

Deno.test("NodeKey.fromPrivateHex() reads seeds and Pocket's seed with public key", () => {
  const hex = vectors.ed25519.privateHex;
  const whole = NodeKey.fromPrivateHex(` ${hex.toUpperCase()}\n`);
  const half = NodeKey.fromPrivateHex(hex.slice(0, 64));
  assertEquals(whole.privateHex(), hex);
  assertEquals(half.privateHex(), hex);
  assertEquals(half.address, addressOf(whole.publicKey));
});

Deno.test("NodeKey.fromPrivateHex() refuses other text without repeating it", () => {
  const hex = vectors.ed25519.privateHex;
  for (const text of ["", "secret", hex.slice(0, 63), hex.slice(0, 126), hex.replace("7", "g"), hex + hex]) {
    const error = assertThrows(() => NodeKey.fromPrivateHex(text), P2pError);
    assertEquals(error.code, "key_malformed");
    assert(text === "" || !error.message.includes(text));
  }
  const mismatch = hex.slice(0, 64) + hex.slice(0, 64);
  assertEquals(assertThrows(() => NodeKey.fromPrivateHex(mismatch), P2pError).code, "key_mismatch");
  assertEquals(assertThrows(() => NodeKey.fromSeed(new Uint8Array(31)), P2pError).code, "key_malformed");
});

Deno.test("NodeKey.verify() accepts a signature over these bytes with this key only", () => {
  const bytes = fc.uint8Array({ maxLength: 64 });
  fc.assert(
    fc.property(bytes, bytes, fc.nat(63), fc.nat(7), (message, other, at, bit) => {
      const key = NodeKey.generate();
      const signature = key.sign(message);
      assertEquals(signature.length, 64);
      assert(NodeKey.verify(key.publicKey, message, signature));
      assertEquals(NodeKey.verify(key.publicKey, other, signature), message.toHex() === other.toHex());
      assertFalse(NodeKey.verify(NodeKey.generate().publicKey, message, signature));
      signature[at] ^= 1 << bit;
      assertFalse(NodeKey.verify(key.publicKey, message, signature));
    }),
    { seed: 1, numRuns: 30 },
  );
});

Deno.test("NodeKey.verify() is false for bytes that are no key or no signature", () => {
  const key = NodeKey.generate();
  const message = new Uint8Array(3);
  const signature = key.sign(message);
  assertFalse(NodeKey.verify(key.publicKey.subarray(1), message, signature));
  assertFalse(NodeKey.verify(key.publicKey, message, signature.subarray(1)));
  assertFalse(NodeKey.verify(new Uint8Array(32).fill(1), message, signature)); // no point of the curve
});

Deno.test("NodeKey.verify() is false for points of small order, which accept signatures that anyone can make", () => {
  // With the neutral element as key, R = neutral element and S = 0 satisfies the equation for every message.
  const neutral = Uint8Array.of(1, ...new Uint8Array(31));
  const forged = Uint8Array.of(...neutral, ...new Uint8Array(32));
  for (let i = 0; i < 16; i++) assertFalse(NodeKey.verify(neutral, Uint8Array.of(i), forged));
  const zero = new Uint8Array(32);
  for (let i = 0; i < 16; i++) assertFalse(NodeKey.verify(zero, Uint8Array.of(i), new Uint8Array(64)));
});

Deno.test("NodeKey shows its address and never its secret", () => {
  const key = NodeKey.fromPrivateHex(vectors.ed25519.privateHex);
  const seed = vectors.ed25519.privateHex.slice(0, 64);
  assertEquals(Deno.inspect(key), `NodeKey { ${key.address} }`);
  const decimal = JSON.stringify([...Uint8Array.fromHex(seed)]).slice(1, -1);
  for (const shown of [Deno.inspect(key, { showHidden: true }), JSON.stringify(key), String(key)]) {
    assertFalse(shown.includes(seed));
    assertFalse(shown.includes(decimal));
  }
});
