import { dropOldest } from "../base/drop_oldest.ts";

/** Counts the copies of each of the last broadcasts: bounded, the oldest is forgotten first. Classic mode needs it, exact mode does not. */
export class CopyCounter {
  readonly #copies = new Map<bigint, number>();
  readonly #maxNonces: number;

  /** Remembers this many nonces. */
  constructor(maxNonces: number) {
    this.#maxNonces = maxNonces;
  }

  /** Counts one more copy of `nonce` and returns how many that makes. */
  count(nonce: bigint): number {
    const copies = (this.#copies.get(nonce) ?? 0) + 1;
    if (copies === 1 && this.#copies.size === this.#maxNonces) dropOldest(this.#copies);
    this.#copies.set(nonce, copies);
    return copies;
  }
}
