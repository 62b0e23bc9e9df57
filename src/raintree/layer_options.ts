/** Which layers stand on the bare tree, and how they are set. docs/adr/0008-which-layers-are-on.md has the measurements behind the defaults. */
export interface LayerOptions {
  /** Targets acknowledge what they are handed; what a silent one was handed goes to the next node of its segment. @default {true} */
  acks?: boolean;
  /** How often one hand-over may move on to the next node; the published rule is 1. @default {8} */
  adjustLimit?: number;
  /** Whether the replacement of a silent target has to acknowledge too; by the published rule it need not. @default {true} */
  replacementsAck?: boolean;
  /** The originator also sends the message to this share of all staked peers itself, 0 to 1. @default {0} */
  redundancy?: number;
  /** Each node asks its ring neighbours whether they got what it got. (`IGYW`) @default {false} */
  igyw?: boolean;
  /** Each node tells a few others what it got; who lacks it asks for it. @default {true} */
  repair?: boolean;
  /** Silent peers are suspected, then taken for dead and passed over until they are heard of again. @default {true} */
  failureDetector?: boolean;
  /** How much of what was broadcast is kept for those who lack it, bytes; what came within the last second, or two while something is missing, up to four times as much. @default {4194304} */
  recentBytes?: number;
  /** How long it is kept, milliseconds. @default {60000} */
  recentMs?: number;
}
