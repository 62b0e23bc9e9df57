import { P2pError } from "../base/errors.ts";
import type { CurrentHeightProvider, PeerstoreProvider, ProviderOptions } from "./peerstore_provider.ts";
import type { StakedPeer } from "./staked_peer.ts";

/** A chain in memory that the application, a test or a simulation moves on: both providers in one. */
export class StaticProvider implements PeerstoreProvider, CurrentHeightProvider {
  /** Sets by the height from which they hold, ascending. */
  readonly #sets: { height: number; peers: readonly StakedPeer[] }[] = [];
  #height = 0;

  /** A chain at height 0 whose first set of peers is `peers`. */
  constructor(peers: Iterable<StakedPeer>) {
    this.set(0, peers);
  }

  /** Makes `peers` the staked set from `height` on, until the next set. @throws {P2pError} `peerstore_duplicate` if an address comes twice */
  set(height: number, peers: Iterable<StakedPeer>): void {
    assertHeight(height);
    const sorted = sortByAddress(peers);
    const at = this.#sets.findIndex((set) => set.height >= height);
    if (at < 0) this.#sets.push({ height, peers: sorted });
    else this.#sets.splice(at, this.#sets[at].height === height ? 1 : 0, { height, peers: sorted });
  }

  /** Moves the chain to `height`. */
  setHeight(height: number): void {
    assertHeight(height);
    this.#height = height;
  }

  /** The set with the greatest height up to `height`. */
  getStakedPeerstoreAtHeight(height: number, { signal }: ProviderOptions = {}): Promise<readonly StakedPeer[]> {
    return Promise.resolve().then(() => {
      signal?.throwIfAborted();
      assertHeight(height);
      return this.#sets.findLast((set) => set.height <= height)!.peers;
    });
  }

  /** Where the chain was moved. */
  getCurrentHeight(): Promise<number> {
    return Promise.resolve(this.#height);
  }
}

/** Sorts a set of staked peers by address. @throws {P2pError} `peerstore_duplicate` if an address comes twice */
export function sortByAddress(peers: Iterable<StakedPeer>): readonly StakedPeer[] {
  const sorted = [...peers].sort((a, b) => a.address < b.address ? -1 : a.address > b.address ? 1 : 0);
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i].address !== sorted[i - 1].address) continue;
    throw new P2pError("peerstore_duplicate", `Address ${sorted[i].address} is staked twice`);
  }
  return Object.freeze(sorted);
}

/** Refuses what is no height. @throws {P2pError} `height_unknown` unless it is a whole number from 0 */
export function assertHeight(height: number): void {
  if (Number.isSafeInteger(height) && height >= 0) return;
  throw new P2pError("height_unknown", `There is no height ${height}: heights are whole numbers from 0`);
}
