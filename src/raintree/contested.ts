import { dropOldest } from "../base/drop_oldest.ts";

/** Contested broadcasts remembered; of more, the oldest is offered no more. */
const CONTESTED_MAX = 8192;
/** Contested broadcasts offered in one round; the others wait for the next. */
const BATCH = 512;

/** The broadcasts that there is reason to think others lack, by their numbers among the recent ones: each is due for so many rounds, once in its life. */
export class Contested {
  readonly #rounds: number;
  /** Rounds left. With 0 it stays, so that nothing is contested twice. */
  readonly #left = new Map<number, number>();
  #open = 0;

  /** Nothing is contested; whatever will be is due for `rounds` rounds. */
  constructor(rounds: number) {
    this.#rounds = rounds;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#left.size;
  }

  /** How many have a round left. */
  get open(): number {
    return this.#open;
  }

  /** Contests a broadcast, unless it was before. Returns whether it is due now. */
  add(sequence: number): boolean {
    if (this.#rounds === 0 || this.#left.has(sequence)) return false;
    if (this.#left.size === CONTESTED_MAX) {
      const [[, left]] = this.#left;
      if (left > 0) this.#open--;
      dropOldest(this.#left);
    }
    this.#left.set(sequence, this.#rounds);
    this.#open++;
    return true;
  }

  /** Calls `offer` for those that are due, oldest first, and tells of each whether this is its first round. */
  round(offer: (sequence: number, first: boolean) => void): void {
    let batch = BATCH;
    for (const [sequence, left] of this.#left) {
      if (left === 0) continue;
      if (batch-- === 0) break;
      this.#left.set(sequence, left - 1);
      if (left === 1) this.#open--;
      offer(sequence, left === this.#rounds);
    }
  }

  /** Forgets those below number `oldest` that are not due any more: nobody can contest them again. */
  forgetBelow(oldest: number): void {
    for (const [sequence, left] of this.#left) if (sequence < oldest && left === 0) this.#left.delete(sequence);
  }

  /** Nothing is contested. */
  clear(): void {
    this.#left.clear();
    this.#open = 0;
  }
}
