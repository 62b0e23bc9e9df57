import { formatNodeAddress } from "../identity/node_address.ts";
import type { StakedPeer } from "./staked_peer.ts";

/** What changed from one staked set to the next. */
export interface PeerDelta {
  /** Staked now, not before. */
  readonly added: readonly StakedPeer[];
  /** Staked before, not now. */
  readonly removed: readonly StakedPeer[];
  /** Staked before and now, at another place; as they are now. */
  readonly moved: readonly StakedPeer[];
}

/** The difference of two staked sets in any order, each list in the order of its set. */
export function delta(old: Iterable<StakedPeer>, next: Iterable<StakedPeer>): PeerDelta {
  const before = new Map([...old].map((peer) => [peer.address, peer]));
  const added: StakedPeer[] = [];
  const moved: StakedPeer[] = [];
  for (const peer of next) {
    const known = before.get(peer.address);
    before.delete(peer.address);
    if (known === undefined) added.push(peer);
    else if (formatNodeAddress(known.nodeAddress) !== formatNodeAddress(peer.nodeAddress)) moved.push(peer);
  }
  return { added, removed: [...before.values()], moved };
}
