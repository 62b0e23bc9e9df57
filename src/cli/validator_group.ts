import type { P2PConfig } from "../module/config.ts";
import type { TreeMode } from "../raintree/tree.ts";

/** A validator that is to run, and where it stands in the ring. */
export interface GroupMember {
  /** Its position. */
  readonly position: number;
  /** Its private key in hex: made for this run, worth nothing after it. */
  readonly key: string;
}

/** What a group is made of. Plain data, as all that groups are told and tell: it passes between threads and processes. */
export interface GroupSetup {
  /** The validators, in ring order. */
  readonly members: readonly GroupMember[];
  /** How broadcasts spread. */
  readonly mode: TreeMode;
  /** Whether repairs are on. */
  readonly repair: boolean;
  /** Bytes of each payload. */
  readonly payloadBytes: number;
  /** Least severe message that a group logs which is not in the thread of the command. */
  readonly logLevel: P2PConfig["log_level"];
}

/** A peer that a node is not connected with. */
export interface MissingPeer {
  /** Where it stands in the ring. */
  readonly position: number;
  /** Why the last dial to it failed; absent if none has. */
  readonly lastError?: string;
}

/** What a validator shows of itself. */
export interface ValidatorLook {
  /** Where it stands in the ring. */
  readonly position: number;
  /** RainTree messages read from the network. */
  readonly reads: number;
  /** RainTree messages written to the network. */
  readonly writes: number;
  /** Messages refused as malformed. */
  readonly rejected: number;
  /** Messages that a queue dropped. */
  readonly dropped: number;
  /** Peers connected. */
  readonly peers: number;
  /** Peers that the tree has it connected with. */
  readonly expectedPeers: number;
  /** Those of them that it is not connected with. */
  readonly missing: readonly MissingPeer[];
  /** Routines that run. */
  readonly routines: number;
}

/** RainTree messages read and written, of all validators of a group. */
export interface Traffic {
  /** Read from the network. */
  readonly reads: number;
  /** Written to the network. */
  readonly writes: number;
}

/** What was left when a group had stopped. */
export interface GroupStop {
  /** Routines that still run: a leak. */
  readonly routines: number;
  /** What failed. */
  readonly errors: readonly string[];
}

/** What a group tells of its own accord. */
export interface GroupEvents {
  /** A validator listens. */
  started(): void;
  /** A payload reached the application of a validator: the number of its broadcast, -1 if it came with other bytes than were sent. */
  delivered(position: number, number: number): void;
}

/** Some of the validators of a network, all in one place: this thread, another one, a process of their own. */
export interface ValidatorGroup {
  /** Where its validators stand in the ring, ascending. */
  readonly positions: readonly number[];
  /** Opens them; resolves to their node addresses as URLs. */
  start(signal: AbortSignal): Promise<readonly string[]>;
  /** Tells them who is in the ring, by node address and in ring order; they connect. */
  stake(urls: readonly string[]): Promise<void>;
  /** How many of them, from the first on, are connected with their tree targets and nobody else, and run no routine beyond that. */
  settled(): number | Promise<number>;
  /** Has the one at `position` make the broadcast of a number. */
  broadcast(position: number, number: number): Promise<void>;
  /** What they have read and written so far. */
  traffic(): Traffic | Promise<Traffic>;
  /** Has each of them ask all its targets; resolves when all have answered. */
  probe(): Promise<void>;
  /** Looks at each. */
  look(): readonly ValidatorLook[] | Promise<readonly ValidatorLook[]>;
  /** Stops them. Those that take longer than `withinMs` are not waited for. */
  stop(withinMs: number): Promise<GroupStop>;
}
