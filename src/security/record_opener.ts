import { ByteWriter } from "../codec/byte_writer.ts";
import type { CipherState } from "./cipher_state.ts";
import { LENGTH_BYTES } from "./record_sealer.ts";

/** Memory for a record cut off by the end of a chunk that an idle connection keeps. */
const KEPT_BYTES = 1024;

/**
 * Cuts a byte stream into the records of a {@link RecordSealer} and opens them. A record within one chunk is opened where it
 * lies; one that spans chunks is copied once. Holds at most one record (65,537 bytes), memory growing with what arrived.
 */
export class RecordOpener {
  readonly #cipher: CipherState;
  readonly #partial = new ByteWriter(0);

  /** `cipher` is used by nobody else. */
  constructor(cipher: CipherState) {
    this.#cipher = cipher;
  }

  /**
   * Takes the next bytes of the stream and calls `deliver` with the plaintext of each record that is complete, in order. The chunk
   * may be overwritten afterwards; what was delivered belongs to the receiver. Empty records are not delivered.
   *
   * @throws {ProtocolError} `noise_bad_record` for a record that is not authentic; the stream is then beyond repair.
   */
  push(chunk: Uint8Array, deliver: (plaintext: Uint8Array) => void): void {
    let at = 0;
    const partial = this.#partial;
    if (partial.length > 0) {
      at += this.#fill(chunk, at, LENGTH_BYTES);
      if (partial.length < LENGTH_BYTES) return;
      const end = recordEnd(partial.buffer, 0);
      at += this.#fill(chunk, at, end);
      if (partial.length < end) return;
      const record = partial.bytes(LENGTH_BYTES);
      // The memory behind the view stays as it is until the next write.
      partial.truncate(0);
      this.#open(record, deliver);
    }
    while (at + LENGTH_BYTES <= chunk.length) {
      const end = recordEnd(chunk, at);
      if (end > chunk.length) break;
      const start = at + LENGTH_BYTES;
      at = end;
      this.#open(chunk.subarray(start, end), deliver);
    }
    if (at < chunk.length) partial.push(chunk.subarray(at));
    else partial.clear(KEPT_BYTES);
  }

  /** Moves bytes of `chunk` to the partial record until that has `wanted`, and returns how many it moved. */
  #fill(chunk: Uint8Array, at: number, wanted: number): number {
    const count = Math.max(0, Math.min(wanted - this.#partial.length, chunk.length - at));
    this.#partial.push(chunk.subarray(at, at + count));
    return count;
  }

  #open(record: Uint8Array, deliver: (plaintext: Uint8Array) => void): void {
    const plaintext = this.#cipher.decrypt(record);
    if (plaintext.length > 0) deliver(plaintext);
  }
}

/** Where the record starting at `at` ends. */
function recordEnd(bytes: Uint8Array, at: number): number {
  return at + LENGTH_BYTES + ((bytes[at] << 8) | bytes[at + 1]);
}
