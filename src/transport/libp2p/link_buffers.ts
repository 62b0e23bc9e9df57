import { ByteWriter } from "../../codec/byte_writer.ts";

/** Buffers above this are given up after use. */
const KEPT_BYTES = 512 * 1024;

/** Idle buffers that are kept. */
const KEPT_MAX = 2;

/**
 * The write buffers of one node, shared by all its links: what an idle connection does not need, it does not hold. Composing
 * and sealing happen without a pause in between, so one buffer for plaintext serves all; sealed bytes belong to a link while
 * the system writes them.
 */
export class LinkBuffers {
  readonly #plain = new ByteWriter();
  readonly #idle: ByteWriter[] = [];

  /** The empty buffer for plaintext; valid until the caller's next pause. */
  plain(): ByteWriter {
    this.#plain.clear(KEPT_BYTES);
    return this.#plain;
  }

  /** Hands out an empty buffer for sealed bytes, to be given back. */
  take(): ByteWriter {
    return this.#idle.pop() ?? new ByteWriter();
  }

  /** Takes a buffer back. */
  give(buffer: ByteWriter): void {
    if (this.#idle.length >= KEPT_MAX) return;
    buffer.clear(KEPT_BYTES);
    this.#idle.push(buffer);
  }
}
