import { dropOldest } from "../base/drop_oldest.ts";
import { ProtocolError } from "../base/errors.ts";
import type { Address } from "../identity/address.ts";

/** Peers remembered; the one that began to repeat itself the longest ago goes first. */
const PEERS_MAX = 128;
/** Broadcasts remembered of one peer, likewise: who repeats more of them in turns gains nothing, as none is passed on again. */
const BROADCASTS_MAX = 512;
/**
 * What honest peers may send again: one copy for each level and each copy they got themselves (classic mode), one after each silence, one that is repaired, and
 * whatever the network doubles. That is less than ten in rings of thousands.
 */
const PATIENCE = 32;

/** Counts how often each peer sends one and the same broadcast again, and complains of every 32nd time: a replay of what was captured ends with a ban. */
export class Repeats {
  readonly #complain: (peer: Address, error: Error) => void;
  readonly #peers = new Map<Address, Map<bigint, number>>();

  /** `complain` takes the peer and what it did. */
  constructor(complain: (peer: Address, error: Error) => void) {
    this.#complain = complain;
  }

  /** How many counts are held: what a test of "bounded" looks at. */
  get size(): number {
    let size = 0;
    for (const counts of this.#peers.values()) size += counts.size;
    return size;
  }

  /** The peer sent again what is known here. */
  add(peer: Address, nonce: bigint): void {
    let counts = this.#peers.get(peer);
    if (counts === undefined) {
      if (this.#peers.size === PEERS_MAX) dropOldest(this.#peers);
      this.#peers.set(peer, counts = new Map());
    }
    const count = (counts.get(nonce) ?? 0) + 1;
    if (count === 1 && counts.size === BROADCASTS_MAX) dropOldest(counts);
    counts.set(nonce, count);
    if (count % PATIENCE !== 0) return;
    this.#complain(
      peer,
      new ProtocolError("raintree_repeated", `Peer ${peer} sent one broadcast again ${count} times`),
    );
  }
}
