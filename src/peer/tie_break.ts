import type { Address } from "../identity/address.ts";
import type { Direction } from "../transport/transport.ts";

/** Two connections with one peer, as one end sees them. */
export interface TieBreak {
  /** This node. */
  self: Address;
  /** The peer. */
  remote: Address;
  /** Who opened the connection that stands. */
  old: Direction;
  /** Who opened the one that has just finished its handshake. */
  new: Direction;
  /** How long the old one has stood, in milliseconds. */
  oldAgeMs: number;
  /** An old connection younger than this may have been dialled at the same time as the new one. */
  simultaneousMs: number;
}

/**
 * Which of two connections with one peer stays. Both ends reach the same verdict without talking about it:
 *
 * - dialled by different ends at the same time: the one that the lower address dialled;
 * - dialled by the same end, or while the old one has long stood: the new one. A node never dials a peer that it believes
 *   connected, so the dialler has lost the old connection and this end has not noticed yet (a crash, a dead network path).
 */
export function tieBreak(tie: TieBreak): "old" | "new" {
  if (tie.old === tie.new || tie.oldAgeMs >= tie.simultaneousMs) return "new";
  const lowerDialledNew = (tie.new === "outbound") === (tie.self < tie.remote);
  return lowerDialledNew ? "new" : "old";
}
