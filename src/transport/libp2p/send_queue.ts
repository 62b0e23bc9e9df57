import { P2pError } from "../../base/errors.ts";
import type { ByteWriter } from "../../codec/byte_writer.ts";

/** Up to here {@link SendQueue.push} accepts at once. */
const ACCEPTED_BYTES_MAX = 256 * 1024;

/** A caller that does not wait is refused above this. */
const BYTES_MAX = 32 * 1024 * 1024;

const ACCEPTED: Promise<void> = Promise.resolve();

/** What was written to a stream and waits for the write routine: views, not copies. When full, the writer waits. */
export class SendQueue {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  #room: PromiseWithResolvers<void> | undefined;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends `bytes`. The promise is resolved already up to 256 KiB, otherwise it resolves when there is room. @throws {P2pError} `stream_write_overrun` above 32 MiB */
  push(bytes: Uint8Array): Promise<void> {
    if (this.#bytes > 0 && this.#bytes + bytes.length > BYTES_MAX) {
      const what = `Cannot write: ${this.#bytes} bytes wait, the limit is ${BYTES_MAX}`;
      return Promise.reject(new P2pError("stream_write_overrun", what, { hint: "Wait for write() to resolve" }));
    }
    if (bytes.length > 0) {
      this.#chunks.push(bytes);
      this.#bytes += bytes.length;
    }
    if (this.#bytes <= ACCEPTED_BYTES_MAX) return ACCEPTED;
    if (this.#room === undefined) {
      this.#room = Promise.withResolvers();
      // Whoever waits learns of the failure; that nobody does must not end the process.
      this.#room.promise.catch(() => {});
    }
    return this.#room.promise;
  }

  /** Moves up to `budget` bytes to `out`. */
  take(out: ByteWriter, budget: number): void {
    let taken = 0;
    for (; taken < this.#chunks.length && budget > 0; taken++) {
      const chunk = this.#chunks[taken];
      if (chunk.length > budget) {
        out.push(chunk.subarray(0, budget));
        this.#chunks[taken] = chunk.subarray(budget);
        this.#bytes -= budget;
        break;
      }
      out.push(chunk);
      budget -= chunk.length;
      this.#bytes -= chunk.length;
    }
    this.#chunks.splice(0, taken);
    if (this.#room !== undefined && this.#bytes <= ACCEPTED_BYTES_MAX / 2) {
      this.#room.resolve();
      this.#room = undefined;
    }
  }

  /** Forgets everything; whoever waits is told why. */
  abort(reason: P2pError): void {
    this.#chunks.length = 0;
    this.#bytes = 0;
    this.#room?.reject(reason);
    this.#room = undefined;
  }
}
