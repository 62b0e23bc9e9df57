import { varintLength, writeVarint } from "./varint.ts";

/** Bytes that grow at the end; doubles when full. Reused from turn to turn, so what {@link bytes} shows lives until the next {@link clear}. */
export class ByteWriter {
  #buffer: Uint8Array;
  #length = 0;

  /** Starts in `memory`, or in memory of its own of that many bytes. @default {1024} */
  constructor(memory: number | Uint8Array = 1024) {
    this.#buffer = typeof memory === "number" ? new Uint8Array(memory) : memory;
  }

  /** Bytes written since the last {@link clear}. */
  get length(): number {
    return this.#length;
  }

  /** A view of what was written; valid until something is written or cleared. */
  bytes(from = 0): Uint8Array {
    return this.#buffer.subarray(from, this.#length);
  }

  /** Forgets everything written, and the memory too where that grew beyond `keep` bytes. @default {1048576} */
  clear(keep = 1 << 20): void {
    this.#length = 0;
    if (this.#buffer.length > keep) this.#buffer = new Uint8Array(keep);
  }

  /** Makes room for `count` bytes, to be filled by the caller at the returned offset of {@link buffer}. */
  reserve(count: number): number {
    const offset = this.#length;
    const needed = offset + count;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, offset));
      this.#buffer = grown;
    }
    this.#length = needed;
    return offset;
  }

  /** The memory behind {@link reserve}; changes whenever it grows. */
  get buffer(): Uint8Array {
    return this.#buffer;
  }

  /** Appends one byte. */
  byte(value: number): void {
    const offset = this.reserve(1);
    this.#buffer[offset] = value;
  }

  /** Appends an unsigned varint. */
  varint(value: number): void {
    const offset = this.reserve(varintLength(value));
    writeVarint(this.#buffer, offset, value);
  }

  /** Appends a copy of `bytes`. */
  push(bytes: Uint8Array): void {
    const offset = this.reserve(bytes.length);
    this.#buffer.set(bytes, offset);
  }

  /** Takes back everything from `length` on. */
  truncate(length: number): void {
    this.#length = length;
  }
}
