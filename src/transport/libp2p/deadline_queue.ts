import type { Cancel, Clock } from "../../base/clock.ts";

/**
 * Things that must be over a fixed time after they began. One timer serves all of them, armed only while it has something
 * to wait for, so that adding and removing costs a map entry and no timer each.
 */
export class DeadlineQueue<T> {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #expired: (item: T) => void;
  // In order of expiry, because the time allowed is the same for all and a Map keeps the order of insertion.
  readonly #items = new Map<T, number>();
  #timer: Cancel | undefined;

  /** `expired` is called once for each item that is still there `ms` milliseconds after {@link add}. */
  constructor(clock: Clock, ms: number, expired: (item: T) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#expired = expired;
  }

  /** Items that wait. */
  get size(): number {
    return this.#items.size;
  }

  /** Starts the time of `item`, anew if it was there. */
  add(item: T): void {
    this.#items.delete(item);
    this.#items.set(item, this.#clock.now() + this.#ms);
    if (this.#timer === undefined) this.#arm(this.#ms);
  }

  /** `item` is over in time. The timer stays armed for the next one; {@link clear} disarms it. */
  delete(item: T): void {
    this.#items.delete(item);
  }

  /** Forgets everything and leaves no timer. */
  clear(): void {
    this.#items.clear();
    this.#timer?.();
    this.#timer = undefined;
  }

  #arm(ms: number): void {
    this.#timer = this.#clock.after(ms, () => {
      this.#timer = undefined;
      const now = this.#clock.now();
      for (const [item, at] of this.#items) {
        // A timer may fire a fraction of a millisecond early.
        if (at - now > 1) {
          if (this.#timer === undefined) this.#arm(at - now);
          return;
        }
        this.#items.delete(item);
        this.#expired(item);
      }
    });
  }
}
