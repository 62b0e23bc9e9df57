/** What the module says of one of its channels. */
interface ModuleChannel {
  /** Channel ID. */
  readonly id: number;
  /** For people. */
  readonly name: string;
  /** Share and rank among the channels. */
  readonly priority: number;
  /** Pocket V1's protocol for the same messages, one a stream. */
  readonly v1?: string;
}

/** The channels of the module itself; applications take IDs from 16 on. */
export const CHANNELS: Readonly<Record<"raintree" | "direct" | "request", ModuleChannel>> = {
  /** Broadcasts and messages among the staked: `RainTreeMessage`. */
  raintree: { id: 1, name: "raintree", priority: 4, v1: "pokt/raintree/v1.0.0" },
  /** Messages to and from those who are not staked: `BackgroundMessage`. */
  direct: { id: 2, name: "direct", priority: 2, v1: "pokt/background/v1.0.0" },
  /** Requests and their answers. */
  request: { id: 3, name: "request", priority: 2 },
};
