import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/base/errors.ts";
import { X25519Key } from "../../src/security/x25519.ts";
import vectors from "../vectors/x25519.json" with { type: "json" };

const hex = (text: string) => Uint8Array.fromHex(text);

Deno.test("X25519Key agrees with RFC 7748", () => {
  const alice = X25519Key.fromPrivate(hex(vectors.alice.privateKey));
  const bob = X25519Key.fromPrivate(hex(vectors.bob.privateKey));
  assertEquals(alice.publicKey.toHex(), vectors.alice.publicKey);
  assertEquals(bob.publicKey.toHex(), vectors.bob.publicKey);
  assertEquals(alice.agree(bob.publicKey).toHex(), vectors.shared);
  assertEquals(bob.agree(alice.publicKey).toHex(), vectors.shared);
});

Deno.test("X25519Key.generate() makes keys that agree", () => {
  const [left, right] = [X25519Key.generate(), X25519Key.generate()];
  assertEquals(left.agree(right.publicKey).toHex(), right.agree(left.publicKey).toHex());
});

Deno.test("X25519Key.agree() refuses keys of small order", () => {
  const key = X25519Key.generate();
  for (const weak of vectors.weak) {
    assertEquals(assertThrows(() => key.agree(hex(weak)), ProtocolError).code, "noise_weak_key", weak);
  }
});

Deno.test("X25519Key.fromPrivate() refuses another length", () => {
  assertThrows(() => X25519Key.fromPrivate(new Uint8Array(31)), RangeError);
});

Deno.test("X25519Key does not show its private half", () => {
  const shown = Deno.inspect(X25519Key.fromPrivate(hex(vectors.alice.privateKey)), { showHidden: true });
  assertFalse(shown.includes(vectors.alice.privateKey));
  assertFalse(shown.includes("119, 7, 109"));
});
