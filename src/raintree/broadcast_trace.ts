import type { Address } from "../identity/address.ts";
import type { RainTreeHead, RainTreeMessage } from "./message.ts";

/**
 * Is told the way that each message takes through this node, so that somebody can tell it later. Called in the middle of work, for every message: do
 * little, throw nothing, and keep no view of what is given (`until` and `data` lie in memory that is used again).
 */
export interface BroadcastTrace {
  /** A message came: by whom it was handed over, `undefined` where it begins here, and what stands around the payload. Copies and private messages too. */
  onArrival(nonce: bigint, from: Address | undefined, message: RainTreeMessage): void;
  /** A message is about to be queued for a peer. */
  onHandover(nonce: bigint, to: Address, head: RainTreeHead): void;
}
