import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import { BASE58_LENGTH_MAX, decodeBase58, encodeBase58 } from "../../src/codec/base58.ts";
import { decodeBase32 } from "../../src/codec/base32.ts";
import vectors from "../vectors/identity.json" with { type: "json" };

Deno.test("encodeBase58() and decodeBase58() agree with the published vectors", () => {
  for (const { hex, text } of vectors.base58) {
    assertEquals(encodeBase58(Uint8Array.fromHex(hex)), text);
    assertEquals(decodeBase58(text).toHex(), hex);
  }
});

Deno.test("decodeBase58() reads what encodeBase58() wrote, leading zeros included", () => {
  const bytes = fc.tuple(fc.nat(4), fc.uint8Array({ maxLength: 48 }))
    .map(([zeros, rest]) => Uint8Array.of(...new Uint8Array(zeros), ...rest));
  fc.assert(fc.property(bytes, (bytes) => assertEquals(decodeBase58(encodeBase58(bytes)), bytes)), { seed: 1 });
});

Deno.test("decodeBase58() refuses foreign characters and text without end", () => {
  for (const text of ["0", "O", "I", "l", "a b", "ä", "1".repeat(BASE58_LENGTH_MAX + 1)]) {
    assertEquals(assertThrows(() => decodeBase58(text), P2pError).code, "base58_malformed", text);
  }
});

Deno.test("decodeBase32() agrees with RFC 4648 section 10 and refuses what does not end on a byte", () => {
  const encoded = {
    "": "",
    f: "my",
    fo: "mzxq",
    foo: "mzxw6",
    foob: "mzxw6yq",
    fooba: "mzxw6ytb",
    foobar: "mzxw6ytboi",
  };
  for (const [text, base32] of Object.entries(encoded)) {
    assertEquals(new TextDecoder().decode(decodeBase32(base32)), text);
  }
  for (const text of ["m", "mz", "mzx", "MY", "m1", "my======", "mzxw6yt"]) {
    assertEquals(assertThrows(() => decodeBase32(text), P2pError).code, "base32_malformed", text);
  }
});
