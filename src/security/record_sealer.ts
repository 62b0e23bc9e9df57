import type { ByteWriter } from "../codec/byte_writer.ts";
import { type CipherState, TAG_BYTES } from "./cipher_state.ts";

/** Bytes of the big-endian length before every Noise message, handshake and record alike. */
export const LENGTH_BYTES = 2;

/** The longest Noise message, tag included. */
export const MESSAGE_BYTES_MAX = 65_535;

/** The most plaintext one record carries. */
export const RECORD_PLAINTEXT_BYTES_MAX = MESSAGE_BYTES_MAX - TAG_BYTES;

const RECORD_OVERHEAD_BYTES = LENGTH_BYTES + TAG_BYTES;

/** Seals plaintext of any length into records: length (2 bytes, big-endian), ciphertext, tag. */
export class RecordSealer {
  readonly #cipher: CipherState;

  /** `cipher` is used by nobody else. */
  constructor(cipher: CipherState) {
    this.#cipher = cipher;
  }

  /** Appends the records of `plaintext` to `out`, as few as hold it; none for an empty one. */
  seal(plaintext: Uint8Array, out: ByteWriter): void {
    const records = Math.ceil(plaintext.length / RECORD_PLAINTEXT_BYTES_MAX);
    let offset = out.reserve(plaintext.length + records * RECORD_OVERHEAD_BYTES);
    const buffer = out.buffer;
    for (let at = 0; at < plaintext.length; at += RECORD_PLAINTEXT_BYTES_MAX) {
      const part = plaintext.subarray(at, at + RECORD_PLAINTEXT_BYTES_MAX);
      const length = part.length + TAG_BYTES;
      buffer[offset] = length >> 8;
      buffer[offset + 1] = length & 0xff;
      this.#cipher.encrypt(buffer, offset + LENGTH_BYTES, part);
      offset += LENGTH_BYTES + length;
    }
  }
}
