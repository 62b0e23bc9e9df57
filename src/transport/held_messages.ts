import { P2pError } from "../base/errors.ts";

/** Messages of one peer that wait at once; a further one is refused, which resets its stream. */
const MESSAGES_MAX = 256;

/** What they may hold together, unless it is a single one; that is room for one message of the greatest length. */
const BYTES_MAX = 4 * 1024 * 1024;

interface Held {
  readonly channel: number;
  readonly message: Uint8Array;
  readonly taken: PromiseWithResolvers<void>;
}

/**
 * Messages of a Pocket V1 peer that came whole and cannot be handed over yet: it is not known what the peer speaks, or its credit is used up.
 * First in, first out within a channel. When full, new ones are refused.
 */
export class HeldMessages {
  #waiting: Held[] = [];
  #bytes = 0;
  #ended: P2pError | undefined;

  /** Whether a message of `channel` waits, so that a new one has to stand behind it. */
  has(channel: number): boolean {
    return this.#waiting.some((held) => held.channel === channel);
  }

  /**
   * Lets a message wait. Resolves when it was taken.
   *
   * @throws {P2pError} `messages_no_room` when full; the reason of {@link end}.
   */
  hold(channel: number, message: Uint8Array): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const full = this.#waiting.length >= MESSAGES_MAX || this.#bytes + message.length > BYTES_MAX;
    if (this.#waiting.length > 0 && full) {
      const what = `${this.#waiting.length} messages of the peer with ${this.#bytes} bytes wait already`;
      return Promise.reject(new P2pError("messages_no_room", what));
    }
    const taken = Promise.withResolvers<void>();
    this.#waiting.push({ channel, message, taken });
    this.#bytes += message.length;
    return taken.promise;
  }

  /** Offers what waits to `take`, which says whether it took it. Behind a message that was not taken, those of its channel wait on. */
  offer(take: (channel: number, message: Uint8Array) => boolean): void {
    const refused = new Set<number>();
    for (let at = 0; at < this.#waiting.length;) {
      const { channel, message, taken } = this.#waiting[at];
      if (refused.has(channel) || !take(channel, message)) {
        refused.add(channel);
        at++;
      } else {
        this.#waiting.splice(at, 1);
        this.#bytes -= message.length;
        taken.resolve();
      }
    }
  }

  /** Drops what waits and takes in nothing more: whoever holds, or tries to, is told `reason`. Idempotent. */
  end(reason: P2pError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    for (const { taken } of waiting) taken.reject(reason);
  }
}
