import { dropOldest } from "../base/drop_oldest.ts";
import type { Address } from "../identity/address.ts";

/** Broadcasts remembered; of more, the oldest can no longer be asked for by those who were handed them. */
const BROADCASTS_MAX = 1024;

/** Hand-overs of one broadcast remembered. */
const PEERS_MAX = 64;

/** What was handed over without the payload, and to whom: they may find that they lack it. */
export class BareDuties {
  readonly #numbers = new Map<bigint, Map<Address, number>>();

  /** A peer was handed the duty for a broadcast under a number. */
  note(nonce: bigint, peer: Address, seq: number): void {
    let numbers = this.#numbers.get(nonce);
    if (numbers === undefined) {
      if (this.#numbers.size === BROADCASTS_MAX) dropOldest(this.#numbers);
      this.#numbers.set(nonce, numbers = new Map());
    }
    if (numbers.size < PEERS_MAX) numbers.set(peer, seq);
  }

  /** The number under which the peer was handed the broadcast; `undefined` if it was not. Once. */
  take(nonce: bigint, peer: Address): number | undefined {
    const numbers = this.#numbers.get(nonce);
    const seq = numbers?.get(peer);
    if (seq !== undefined) numbers!.delete(peer);
    return seq;
  }
}
