/** The channels of the module itself; applications take IDs from 16 on. */
export const CHANNELS = {
  /** Broadcasts and messages among the staked. */
  raintree: { id: 1, name: "raintree", priority: 4 },
  /** Messages to and from those who are not staked. */
  direct: { id: 2, name: "direct", priority: 2 },
  /** Requests and their answers. */
  request: { id: 3, name: "request", priority: 2 },
} as const;
