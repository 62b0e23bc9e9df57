import type { Address } from "../identity/address.ts";

/** What a node says of itself in the handshake, after its key is proven (spec/module.md section 3). */
export interface NodeInfo {
  /** Version of `/raintree/channel`; peers of another are refused with `handshake_wrong_version`. */
  readonly version: number;
  /** The chain; peers of another are refused with `handshake_wrong_network`. */
  readonly network: string;
  /** The node's address, equal to the proven one. */
  readonly address: Address;
  /** Node address URLs at which it may be dialled; empty for a client that does not listen. */
  readonly listen: readonly string[];
  /** The channels it receives on. */
  readonly channels: readonly ChannelInfo[];
}

/** A channel that a node receives on. */
export interface ChannelInfo {
  /** Channel ID, 1 to 16383. */
  readonly id: number;
  /** Bytes its peer may send before they are consumed and given back as credit. */
  readonly capacity: number;
}
