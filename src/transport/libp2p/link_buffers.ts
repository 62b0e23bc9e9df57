import { ByteWriter } from "../../codec/byte_writer.ts";

/** Write buffers above this are given up after use. */
const KEPT_BYTES = 256 * 1024;

/** What one read takes at most. */
const READ_BYTES = 256 * 1024;

/** Spare buffers of a kind. Who passes a broadcast on writes to two or three peers at once; new memory for each of these writes takes a tenth of the whole work. */
const SPARES_MAX = 4;

/**
 * The large buffers of one node, shared by all its links: what an idle connection does not need, it does not hold. Composing
 * and sealing happen without a pause in between, so one buffer for plaintext serves all; the other two belong to a link while
 * the system writes from them or reads into them. A few of each kind are kept.
 */
export class LinkBuffers {
  readonly #plain = new ByteWriter();
  readonly #sealed: ByteWriter[] = [];
  readonly #read: Uint8Array[] = [];

  /** The empty buffer for plaintext; valid until the caller's next pause. */
  plain(): ByteWriter {
    this.#plain.clear(KEPT_BYTES);
    return this.#plain;
  }

  /** Hands out an empty buffer for sealed bytes, to be given back. */
  takeSealed(): ByteWriter {
    return this.#sealed.pop() ?? new ByteWriter();
  }

  /** Takes a buffer for sealed bytes back. */
  giveSealed(buffer: ByteWriter): void {
    if (this.#sealed.length === SPARES_MAX) return;
    buffer.clear(KEPT_BYTES);
    this.#sealed.push(buffer);
  }

  /** Hands out a large buffer to read into, to be given back. */
  takeRead(): Uint8Array {
    return this.#read.pop() ?? new Uint8Array(READ_BYTES);
  }

  /** Takes a large read buffer back. */
  giveRead(buffer: Uint8Array): void {
    if (this.#read.length < SPARES_MAX) this.#read.push(buffer);
  }
}
