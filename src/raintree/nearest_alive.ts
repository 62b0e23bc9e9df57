import type { Address } from "../identity/address.ts";
import type { Ring } from "./ring.ts";

/** Dead peers in a row that are passed over. */
const STEPS_MAX = 32;

/** Which way round the ring: towards larger addresses, or towards smaller ones. */
export type RingSide = 1 | -1;

/**
 * The offset, from the node at index `self`, of the nearest peer on one side that is not known to be dead and stands farther than offset `beyond`
 * on that side; 0 where all near ones are dead or it would go round.
 */
export function nearestAlive(
  ring: Ring,
  self: number,
  side: RingSide,
  isDead: (peer: Address) => boolean,
  beyond = 0,
): number {
  const first = Math.abs(beyond) + 1;
  for (let step = first; step < ring.size && step < first + STEPS_MAX; step++) {
    if (!isDead(ring.at(self, side * step))) return side * step;
  }
  return 0;
}
