import type { Address } from "../identity/address.ts";
import type { Ring } from "./ring.ts";
import { exactPattern } from "./tree.ts";

/** Whom the exact tree ever has `self` send to, and who ever sends to it; empty where it is not in the ring. */
export function treeNeighbours(ring: Ring, self: Address): Set<Address> {
  const neighbours = new Set<Address>();
  const index = ring.indexOf(self);
  if (index < 0) return neighbours;
  for (const offset of exactPattern(ring.size).offsets) {
    neighbours.add(ring.at(index, offset)).add(ring.at(index, -offset));
  }
  neighbours.delete(self);
  return neighbours;
}
