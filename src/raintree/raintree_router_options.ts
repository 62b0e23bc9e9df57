import type { Address } from "../identity/address.ts";
import type { Channel } from "../router/channel.ts";
import type { BroadcastTrace } from "./broadcast_trace.ts";
import type { NonceDeduper } from "./dedup.ts";
import type { PocketEnvelope } from "./envelope.ts";
import type { LayerOptions } from "./layer_options.ts";
import type { ReliabilityOptions } from "./reliability.ts";
import type { Ring } from "./ring.ts";
import type { TreeMode } from "./tree.ts";

/** Options of a `RainTreeRouter`. */
export interface RainTreeRouterOptions {
  /** This node. */
  self: Address;
  /** The staked peers to begin with; this node need not be among them. */
  ring: Ring;
  /** What carries the messages. */
  channel: Channel<Uint8Array>;
  /** Whether a peer knows only Pocket V1, and so no segments. @default {nobody does} */
  isV1?: (peer: Address) => boolean;
  /** How broadcasts of this node spread. Messages of either kind are passed on as they came. @default {"exact"} */
  mode?: TreeMode;
  /** What was received, shared with whoever receives payloads on other ways too: the marks are theirs, the values say how many peers RainTree has answered for. */
  nonces: NonceDeduper;
  /** Second copies of how many classic broadcasts are counted. @default {100000} */
  maxNonces?: number;
  /** A payload arrived, perhaps again. Returns whether it was new. */
  onPayload(envelope: PocketEnvelope, from: Address): boolean;
  /** A peer sent what is not a valid message. */
  onMisbehaviour(from: Address, error: Error): void;
  /** A message could not be handed to a target. */
  onUnsent(to: Address, error: Error): void;
  /** What stands on the bare tree; absent, a message that is lost stays lost. */
  layers?: RainTreeLayers;
  /** Who wants to know the way of each message. @default {nobody, at the price of a comparison} */
  trace?: BroadcastTrace;
}

/** What the layers of a `RainTreeRouter` need beside it. */
export type RainTreeLayers =
  & LayerOptions
  & Pick<ReliabilityOptions, "clock" | "random" | "control" | "connected" | "onSilence" | "network" | "key">;
