import { dropOldest } from "../base/drop_oldest.ts";
import type { Address } from "../identity/address.ts";

/** Peers remembered; who gave cause the longest ago goes first. */
const PEERS_MAX = 4096;
/** What an honest peer may bring about with an older view, a restart or a message that came twice. */
const PATIENCE = 32;

/**
 * Counts what peers do that only a broken or hostile one does often, and complains about every 32nd time: an honest peer whose view of
 * the stake is a block behind is not banned for it, and a flood is.
 */
export class Grievances {
  readonly #complain: (peer: Address, error: Error) => void;
  readonly #counts = new Map<Address, number>();

  /** `complain` takes the peer and what it did. */
  constructor(complain: (peer: Address, error: Error) => void) {
    this.#complain = complain;
  }

  /** A peer did it `times` times; `error` says what. Complains once at most. */
  add(peer: Address, times: number, error: () => Error): void {
    const count = (this.#counts.get(peer) ?? 0) + times;
    this.#counts.delete(peer);
    if (this.#counts.size === PEERS_MAX) dropOldest(this.#counts);
    this.#counts.set(peer, count % PATIENCE);
    if (count >= PATIENCE) this.#complain(peer, error());
  }
}
