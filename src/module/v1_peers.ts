import { dropOldest } from "../base/drop_oldest.ts";
import type { Address } from "../identity/address.ts";
import { POCKET_V1_VERSION } from "../transport/node_info.ts";

/** Peers remembered; beyond it the one met longest ago is forgotten, and treated as one of ours until it is met again. */
const PEERS_MAX = 100_000;

/** Who was found to speak only Pocket V1 when last met. Kept while they are not connected: a broadcast has to know before it is sent. */
export class V1Peers {
  readonly #met = new Set<Address>();

  /** A peer of this version of the channel protocol connected. */
  meet(peer: Address, version: number): void {
    this.#met.delete(peer);
    if (version !== POCKET_V1_VERSION) return;
    this.#met.add(peer);
    if (this.#met.size > PEERS_MAX) dropOldest(this.#met);
  }

  /** Whether the peer speaks only Pocket V1, as far as is known. */
  has(peer: Address): boolean {
    return this.#met.has(peer);
  }
}
