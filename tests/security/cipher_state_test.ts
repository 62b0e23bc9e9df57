import { createDecipheriv } from "node:crypto";
import { assertEquals } from "@std/assert";
import { CipherState, TAG_BYTES } from "../../src/security/cipher_state.ts";

Deno.test("CipherState.encrypt() carries its nonce over from one byte to the next", () => {
  const key = new Uint8Array(32).fill(7);
  const plaintext = new Uint8Array([1, 2, 3]);
  for (const start of [0n, 0xfffen, 0xffff_fffen]) {
    const cipher = new CipherState(key, start);
    for (let i = 0; i < 300; i++) {
      const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
      cipher.encrypt(sealed, 0, plaintext);
      const nonce = new Uint8Array(12);
      new DataView(nonce.buffer).setBigUint64(4, start + BigInt(i), true);
      const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAuthTag(sealed.subarray(plaintext.length));
      const opened = decipher.update(sealed.subarray(0, plaintext.length));
      decipher.final();
      assertEquals([...opened], [...plaintext]);
    }
  }
});
