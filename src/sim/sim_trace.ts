import { createHash } from "node:crypto";

/** What a trace records, a byte each. */
export const TraceKind = {
  /** Bytes reached a node. */
  bytes: 1,
  /** The end of a connection reached a node. */
  end: 2,
  /** A connection broke at a node. */
  reset: 3,
  /** A dial reached a node. */
  dial: 4,
  /** A dial was refused. */
  refused: 5,
  /** A fault began or ended. */
  fault: 6,
} as const;

/** Bytes before those of an event: kind, time, two nodes, length. */
const HEAD_BYTES = 1 + 8 + 4 + 4 + 4;

/** Gathered before they are hashed: one call of the hash a message would cost more than hashing. */
const BATCH_BYTES = 64 * 1024;

/** Everything that happened on a simulated network, as one SHA-256: equal digests are equal runs, byte for byte and instant for instant. */
export class SimTrace {
  readonly #hash = createHash("sha256");
  readonly #batch = new Uint8Array(BATCH_BYTES);
  readonly #view = new DataView(this.#batch.buffer);
  #length = 0;
  #events = 0;

  /** Events so far. */
  get events(): number {
    return this.#events;
  }

  /** Records one event: what, when (virtual milliseconds), from and to whom (numbers of nodes), and the bytes. */
  add(kind: number, atMs: number, from: number, to: number, bytes: Uint8Array = NOTHING): void {
    this.#events++;
    if (this.#length + HEAD_BYTES > BATCH_BYTES) this.#flush();
    const view = this.#view;
    const at = this.#length;
    view.setUint8(at, kind);
    view.setFloat64(at + 1, atMs);
    view.setUint32(at + 9, from);
    view.setUint32(at + 13, to);
    view.setUint32(at + 17, bytes.length);
    this.#length += HEAD_BYTES;
    if (this.#length + bytes.length <= BATCH_BYTES) {
      this.#batch.set(bytes, this.#length);
      this.#length += bytes.length;
    } else {
      this.#flush();
      this.#hash.update(bytes);
    }
  }

  /** SHA-256 of everything so far, 64 hex digits. The trace goes on. */
  digest(): string {
    this.#flush();
    return this.#hash.copy().digest("hex");
  }

  #flush(): void {
    this.#hash.update(this.#batch.subarray(0, this.#length));
    this.#length = 0;
  }
}

const NOTHING = new Uint8Array(0);
