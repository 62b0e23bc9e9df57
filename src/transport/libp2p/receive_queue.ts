import { concat } from "../../codec/concat.ts";

/** Blocks into which small chunks are gathered are at most this long. */
const BLOCK_BYTES_MAX = 16 * 1024;

/** Chunks up to this length are gathered. */
const SMALL_BYTES = 4 * 1024;

/**
 * Received bytes that nobody has read yet. The stream's window bounds how many there are; this bounds what they hold on
 * to: small chunks are copied together, and a chunk that is a small part of a large record is copied out of it, so that
 * a remote cannot pin far more memory than its window allows.
 */
export class ReceiveQueue {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  // The block behind the last chunk, if that is being filled.
  #block: Uint8Array | undefined;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends `chunk`, which must not be empty. */
  push(chunk: Uint8Array): void {
    if (chunk.length <= SMALL_BYTES) this.#gather(chunk);
    else {
      this.#block = undefined;
      this.#chunks.push(chunk.length * 2 < chunk.buffer.byteLength ? chunk.slice() : chunk);
    }
    this.#bytes += chunk.length;
  }

  /** The oldest chunk; `undefined` if there is none. */
  shift(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return undefined;
    this.#bytes -= chunk.length;
    if (this.#chunks.length === 0) this.#block = undefined;
    return chunk;
  }

  /** Everything as one array; empty if there is nothing. */
  takeAll(): Uint8Array {
    const whole = this.#chunks.length === 1 ? this.#chunks[0] : concat(this.#chunks);
    this.clear();
    return whole;
  }

  /** Forgets everything. */
  clear(): void {
    this.#chunks.length = 0;
    this.#block = undefined;
    this.#bytes = 0;
  }

  #gather(chunk: Uint8Array): void {
    const last = this.#chunks.length - 1;
    if (this.#block !== undefined) {
      const used = this.#chunks[last].length;
      if (used + chunk.length <= this.#block.length) {
        this.#block.set(chunk, used);
        this.#chunks[last] = this.#block.subarray(0, used + chunk.length);
        return;
      }
    }
    // Blocks grow with what waits, so that a single small chunk costs no more than itself.
    this.#block = new Uint8Array(Math.max(chunk.length, Math.min(this.#bytes, BLOCK_BYTES_MAX)));
    this.#block.set(chunk);
    this.#chunks.push(this.#block.subarray(0, chunk.length));
  }
}
