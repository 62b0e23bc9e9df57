/**
 * RainTree, the structured broadcast: the ring of peers, the arithmetic of the tree, and what travels along it.
 *
 * @module
 */
export { P2pError, type P2pErrorOptions, ProtocolError } from "../base/errors.ts";
export type { Random } from "../base/random.ts";
export { Slab } from "../codec/slab.ts";
export { TextMemo } from "../codec/text_memo.ts";
export type { Address } from "../identity/address.ts";
export * from "./control_message.ts";
export * from "./dedup.ts";
export * from "./envelope.ts";
export * from "./expectations.ts";
export {
  decodeRainTreeMessage,
  encodeRainTreeMessage,
  RAINTREE_DATA_BYTES_MAX,
  RAINTREE_HEAD_BYTES_MAX,
  type RainTreeDecodeOptions,
  type RainTreeHead,
  type RainTreeMessage,
} from "./message.ts";
export * from "./ring.ts";
export * from "./simulate.ts";
export * from "./targets.ts";
export * from "./tree.ts";
