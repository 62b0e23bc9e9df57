import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Routines } from "../base/routines.ts";
import type { Fetch } from "../discovery/bootstrap.ts";
import type { CurrentHeightProvider, PeerstoreProvider } from "../peer/peerstore_provider.ts";
import type { BroadcastTrace } from "../raintree/broadcast_trace.ts";
import type { MemoryNetwork } from "../transport/memory/memory_transport.ts";
import type { Transport } from "../transport/transport.ts";
import type { Bus } from "./bus.ts";

/** What an application injects beside the configuration. */
export interface P2PModuleOptions {
  /** Where events go. @default {a LocalBus, which P2PModule.subscribe subscribes to} */
  bus?: Bus;
  /** Who is staked at a height. @default {the configuration's genesis file; nobody without one} */
  peerstore?: PeerstoreProvider;
  /** The height of the chain. @default {always 0} */
  heights?: CurrentHeightProvider;
  /** The network of nodes in this process, for `connection_type: memory`: a `MemoryNetwork` of `@raintree/p2p/testing`. */
  memory?: MemoryNetwork;
  /** Makes the node's transport, in place of the one that `connection_type` names but with its protocol: a simulated network, for one. */
  transport?: (routines: Routines) => Transport;
  /** How bootstrap nodes are asked. @default {globalThis.fetch} */
  fetch?: Fetch;
  /** Who wants to know the way of each message through this node. @default {nobody} */
  trace?: BroadcastTrace;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Randomness of nonces, jitter and back-off. @default {systemRandom} */
  random?: Random;
  /** Whether illegal socket transitions throw (development) or are counted (production). @default {false} */
  strict?: boolean;
}

/** Options of `P2PModule.start`. */
export interface StartOptions {
  /** Gives up: nothing is left open, and the start rejects with its reason. */
  signal?: AbortSignal;
}

/** The parts of {@link P2PModuleOptions} with every default filled in. */
export type P2PModuleParts =
  & Required<Pick<P2PModuleOptions, "bus" | "fetch" | "clock" | "random" | "strict">>
  & P2PModuleOptions;

/** Options of sending. */
export interface MessageOptions {
  /** Under which number logs, and {@link BroadcastTrace}, know the message: 64 bits, not 0. A number that was used before is dropped as a copy. @default {a random one} */
  nonce?: bigint;
}

/** Who is to be told of a broadcast's arrival, see `P2PModule.broadcast`. */
export interface ReceiptRequest extends MessageOptions {
  /** `true`: each node answers for those it passed the message to. `"signed"`: everybody signs. */
  receipt: true | "signed";
  /** When to stop waiting, milliseconds from now, at most 60,000. @default {5000} */
  deadlineMs?: number;
}
