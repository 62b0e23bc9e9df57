import { ByteWriter } from "../../codec/byte_writer.ts";

/** Write buffers above this are given up after use. */
const KEPT_BYTES = 512 * 1024;

/** What one read takes at most. */
const READ_BYTES = 256 * 1024;

/**
 * The large buffers of one node, shared by all its links: what an idle connection does not need, it does not hold. Composing
 * and sealing happen without a pause in between, so one buffer for plaintext serves all; the other two belong to a link while
 * the system writes from them or reads into them. One of each kind is kept.
 */
export class LinkBuffers {
  readonly #plain = new ByteWriter();
  #sealed: ByteWriter | undefined;
  #read: Uint8Array | undefined;

  /** The empty buffer for plaintext; valid until the caller's next pause. */
  plain(): ByteWriter {
    this.#plain.clear(KEPT_BYTES);
    return this.#plain;
  }

  /** Hands out an empty buffer for sealed bytes, to be given back. */
  takeSealed(): ByteWriter {
    const buffer = this.#sealed ?? new ByteWriter();
    this.#sealed = undefined;
    return buffer;
  }

  /** Takes a buffer for sealed bytes back. */
  giveSealed(buffer: ByteWriter): void {
    buffer.clear(KEPT_BYTES);
    this.#sealed = buffer;
  }

  /** Hands out a large buffer to read into, to be given back. */
  takeRead(): Uint8Array {
    const buffer = this.#read ?? new Uint8Array(READ_BYTES);
    this.#read = undefined;
    return buffer;
  }

  /** Takes a large read buffer back. */
  giveRead(buffer: Uint8Array): void {
    this.#read = buffer;
  }
}
