/** What the module says of one of its channels. */
interface ModuleChannel {
  /** Channel ID. */
  readonly id: number;
  /** For people. */
  readonly name: string;
  /** Share and rank among the channels. */
  readonly priority: number;
  /** Bytes that may wait for one peer, and as many again for one that is being dialled: two of the largest messages. */
  readonly sendCapacity: number;
  /** Pocket V1's protocol for the same messages, one a stream. */
  readonly v1?: string;
}

const SEND_CAPACITY = 8 * 1024 * 1024;

/** The channels of the module itself; applications take IDs from 16 on. */
export const CHANNELS: Readonly<Record<"raintree" | "direct" | "request" | "control", ModuleChannel>> = {
  /** Broadcasts and messages among the staked: `RainTreeMessage`. */
  raintree: { id: 1, name: "raintree", priority: 4, sendCapacity: SEND_CAPACITY, v1: "pokt/raintree/v1.0.0" },
  /** Messages to and from those who are not staked: `BackgroundMessage`. */
  direct: { id: 2, name: "direct", priority: 2, sendCapacity: SEND_CAPACITY, v1: "pokt/background/v1.0.0" },
  /** Requests and their answers. */
  request: { id: 3, name: "request", priority: 2, sendCapacity: SEND_CAPACITY },
  /** What makes broadcasts reliable: acknowledgements, repair digests, receipts. Small, and late it is of no use. */
  control: { id: 4, name: "raintree_control", priority: 8, sendCapacity: SEND_CAPACITY },
};
