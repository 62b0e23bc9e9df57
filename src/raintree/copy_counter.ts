import type { Random } from "../base/random.ts";
import { NonceDeduper } from "./dedup.ts";

/** Counts the copies of each of the last broadcasts: bounded, the oldest is forgotten first. Classic mode needs it, exact mode does not. */
export class CopyCounter {
  /** Not a `Map`: which nonces collide there, anybody can compute. */
  readonly #copies: NonceDeduper;

  /** Remembers this many nonces. `random` keys the table. @default {systemRandom} */
  constructor(maxNonces: number, random?: Random) {
    this.#copies = new NonceDeduper({ maxNonces, random });
  }

  /** Counts one more copy of `nonce` and returns how many that makes. */
  count(nonce: bigint): number {
    const copies = this.#copies.raise(nonce, 0) + 1;
    this.#copies.raise(nonce, copies);
    return copies;
  }
}
