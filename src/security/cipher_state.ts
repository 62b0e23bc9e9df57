import { createCipheriv, createDecipheriv } from "node:crypto";
import { P2pError, ProtocolError } from "../base/errors.ts";
import { free } from "../codec/free.ts";

/** Bytes of a ChaCha20-Poly1305 key. */
export const KEY_BYTES = 32;

/** Bytes that authentication adds to every ciphertext. */
export const TAG_BYTES = 16;

const CIPHER = "chacha20-poly1305";
const OPTIONS = { authTagLength: TAG_BYTES };
const NONCE_BYTES = 12;
const COUNTER_START = 4;

/**
 * One direction of a Noise session: ChaCha20-Poly1305 under one key, with a nonce that counts the messages. (Noise
 * specification, sections 5.1 and 12.3: four zero bytes, then the counter as 64 bits in little-endian order)
 */
export class CipherState {
  readonly #key: Uint8Array;
  /** The nonce of the next message. Counted in place: a new array for each record would be garbage on the hot path. */
  readonly #nonce = new Uint8Array(NONCE_BYTES);

  /** `key` has 32 bytes; `counter` is the number of messages that went before. @default {0n} */
  constructor(key: Uint8Array, counter = 0n) {
    if (key.length !== KEY_BYTES) throw new RangeError(`Cipher key has ${key.length} bytes, it takes ${KEY_BYTES}`);
    this.#key = key;
    new DataView(this.#nonce.buffer).setBigUint64(COUNTER_START, counter, true);
  }

  /**
   * Writes the ciphertext of `plaintext` and its tag to `into` at `offset`: {@link TAG_BYTES} more than the plaintext has.
   *
   * @throws {P2pError} `noise_exhausted` when the counter would repeat.
   */
  encrypt(into: Uint8Array, offset: number, plaintext: Uint8Array, associated?: Uint8Array): void {
    this.#refuseToWrap();
    const cipher = createCipheriv(CIPHER, this.#key, this.#nonce, OPTIONS);
    if (associated !== undefined) cipher.setAAD(associated, { plaintextLength: plaintext.length });
    const ciphertext = cipher.update(plaintext);
    into.set(ciphertext, offset);
    free(ciphertext);
    cipher.final();
    into.set(cipher.getAuthTag(), offset + plaintext.length);
    this.#count();
  }

  /**
   * The plaintext of `ciphertext` (tag at its end), in memory of its own; nothing is released before the tag is checked.
   *
   * @throws {ProtocolError} `noise_bad_record` when it is too short or was not made by {@link encrypt} under this key and counter.
   * @throws {P2pError} `noise_exhausted` when the counter would repeat.
   */
  decrypt(ciphertext: Uint8Array, associated?: Uint8Array): Uint8Array {
    const length = ciphertext.length - TAG_BYTES;
    if (length < 0) {
      throw new ProtocolError("noise_bad_record", `Record has ${ciphertext.length} bytes, the least is ${TAG_BYTES}`);
    }
    this.#refuseToWrap();
    const decipher = createDecipheriv(CIPHER, this.#key, this.#nonce, OPTIONS);
    if (associated !== undefined) decipher.setAAD(associated, { plaintextLength: length });
    decipher.setAuthTag(ciphertext.subarray(length));
    const plaintext = decipher.update(ciphertext.subarray(0, length));
    try {
      decipher.final();
    } catch (cause) {
      throw new ProtocolError("noise_bad_record", `Record of ${ciphertext.length} bytes is not authentic`, { cause });
    }
    this.#count();
    // A plain array: a Buffer's slice() means something else than what everyone above expects.
    return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  }

  #count(): void {
    for (let i = COUNTER_START; i < NONCE_BYTES; i++) {
      // The value of ++ is 256 where the byte wraps to 0, so the byte itself is looked at.
      this.#nonce[i]++;
      if (this.#nonce[i] !== 0) return;
    }
  }

  /** The largest counter is reserved, so reaching it ends the session. */
  #refuseToWrap(): void {
    if (this.#nonce[NONCE_BYTES - 1] !== 0xff) return;
    for (let i = COUNTER_START; i < NONCE_BYTES; i++) if (this.#nonce[i] !== 0xff) return;
    throw new P2pError("noise_exhausted", "Session has moved 2^64 - 1 records, its keys must not be used again");
  }
}
