import type { Address } from "../identity/address.ts";
import type { NodeAddress } from "../identity/node_address.ts";

/** A staked actor as the chain names it at one height. */
export interface StakedPeer {
  /** Who. */
  readonly address: Address;
  /** Where; its ID is {@link address}. */
  readonly nodeAddress: NodeAddress;
  /** Its Ed25519 public key, 32 bytes, where the source tells it. */
  readonly publicKey?: Uint8Array;
  /** Its stake, in the smallest unit of the chain. */
  readonly stake: bigint;
}
