import { type Clock, sleep } from "../base/clock.ts";
import { AdminError } from "./admin_error.ts";

/** Reads from when they come until they are delivered; one more is refused. Each may hold an answer, the largest of 0.7 MB, that its client does not fetch. */
const READS_MAX = 128;

/** What takes less is over before anybody else would have had a turn, milliseconds. */
const LONG_MS = 2;

/** The longest rest after one, milliseconds. */
const REST_MS_MAX = 250;

/**
 * Lets reads of the admin API through one after the other, with a rest after each that took long, as long as it took: whoever reads, and however many there
 * are, half of the time is left to the node.
 */
export class ReadGate {
  readonly #clock: Clock;
  readonly #closing: AbortSignal;
  #count = 0;
  #last: Promise<unknown> = Promise.resolve();
  #restUntilMs = -Infinity;

  /** From when `closing` aborts on, who waits is let down. */
  constructor(clock: Clock, closing: AbortSignal) {
    this.#clock = clock;
    this.#closing = closing;
  }

  /**
   * Reads when it is its turn. `delivered` resolves when nobody waits for the answer any more, and does not reject.
   *
   * @throws {AdminError} 503 `admin_busy`; the closing signal's reason, what `read` throws
   */
  async run<T>(read: () => T | Promise<T>, delivered: Promise<unknown>): Promise<T> {
    if (this.#count >= READS_MAX) {
      throw new AdminError(503, "admin_busy", `${READS_MAX} answers are being made or fetched already`, {
        hint: "Ask again later",
      });
    }
    this.#count++;
    const mine = this.#last.then(() => this.#read(read));
    this.#last = mine.then(() => {}, () => {});
    // Both: a client that is gone still has its place in the row.
    void this.#last.then(() => delivered).then(() => this.#count--);
    return await mine;
  }

  async #read<T>(read: () => T | Promise<T>): Promise<T> {
    const restMs = this.#restUntilMs - this.#clock.now();
    if (restMs > 0) await sleep(this.#clock, restMs, this.#closing);
    this.#closing.throwIfAborted();
    const startMs = this.#clock.now();
    try {
      return await read();
    } finally {
      const endMs = this.#clock.now();
      if (endMs - startMs >= LONG_MS) this.#restUntilMs = endMs + Math.min(endMs - startMs, REST_MS_MAX);
    }
  }
}
