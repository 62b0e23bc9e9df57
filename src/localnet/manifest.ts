import type { P2PConfig } from "../module/config.ts";
import type { TreeMode } from "../raintree/tree.ts";

/** Most validators of a network: each is a process, or a share of one. */
export const VALIDATORS_MAX = 1_000;

/** Where a network can run, in the order shown to people. */
export const BACKEND_NAMES = ["process", "memory", "kubernetes"] as const;

/** Where a network runs. */
export type BackendName = typeof BACKEND_NAMES[number];

/** What can be done to a running network, in the order shown to people. */
export const FAULT_KINDS = ["kill", "stop", "cont", "restart", "partition", "heal", "upgrade", "scale"] as const;

/** One of them. */
export type FaultKind = typeof FAULT_KINDS[number];

/** What can be asserted of one, in the order in which it is. */
export const ASSERTION_NAMES = ["ready", "broadcast-each", "broadcast-any", "requests", "load", "faults"] as const;

/** One of them. */
export type AssertionName = typeof ASSERTION_NAMES[number];

/** What assertion `faults` can do to a network while broadcasting, in the order in which it does. */
export const FAULT_CASES = ["kill", "stop", "restart", "third", "partition", "upgrade", "scale"] as const;

/** One of them. */
export type FaultCaseName = typeof FAULT_CASES[number];

/** One validator. */
export interface ManifestValidator {
  /** What it is called in files, tables and faults. */
  readonly name: string;
  /** Its private key in hex; empty: one is made. */
  readonly key: string;
  /** Its stake. */
  readonly stake: number;
  /** Where it stands, for the links; empty: nowhere in particular. */
  readonly zone: string;
}

/** What a way between two nodes does to what travels on it. */
export interface ManifestLink {
  /** One-way delay, milliseconds. */
  readonly latencyMs: number;
  /** The delay varies by as much around it, milliseconds. */
  readonly jitterMs: number;
  /** Share of packets lost (they are sent again). */
  readonly loss: number;
}

/** The links of a network. */
export interface ManifestLinks extends ManifestLink {
  /** Added to these between nodes of different zones. */
  readonly betweenZones: ManifestLink;
}

/** Which reliability layers are on. */
export interface ManifestLayers {
  /** See `acks` of a node's configuration. */
  readonly acks: boolean;
  /** See `redundancy` there. */
  readonly redundancy: number;
  /** See `igyw` there. */
  readonly igyw: boolean;
  /** See `repair` there. */
  readonly repair: boolean;
  /** See `failure_detector` there. */
  readonly failureDetector: boolean;
}

/** How broadcasts spread. */
export interface ManifestRainTree {
  /** Targets. */
  readonly mode: TreeMode;
  /** What makes up for failures. */
  readonly layers: ManifestLayers;
}

/** Something that is done to a network. */
export interface Fault {
  /** What. */
  readonly fault: FaultKind;
  /** To which validators, by name; of `upgrade`, `partition`, `heal` and `scale`: none. */
  readonly nodes: readonly string[];
  /** The parts of a partition; validators of no part are one more. */
  readonly groups: readonly (readonly string[])[];
  /** How many validators there are to be, for `scale`; otherwise 0. */
  readonly validators: number;
}

/** A fault of the timeline. */
export interface TimedFault extends Fault {
  /** When, milliseconds from the start of the timeline. */
  readonly atMs: number;
}

/** How hard assertion `load` works, and what it allows. */
export interface LoadParameters {
  /** Broadcasts a second, all nodes together. */
  readonly ratePerSecond: number;
  /** For how long, seconds. */
  readonly seconds: number;
  /** Bytes of each payload. */
  readonly payloadBytes: number;
  /** How long the last broadcasts may take to be everywhere, milliseconds. */
  readonly withinMs: number;
  /** How much the memory of a process may grow once it is warm, MiB. */
  readonly memoryGrowthMiB: number;
  /** How many messages a node may have queued for all its peers. */
  readonly queuedMessages: number;
}

/** What assertion `faults` does, and what it allows. */
export interface FaultParameters {
  /** What; empty: all that the back end can do. */
  readonly cases: readonly FaultCaseName[];
  /** Broadcasts a second meanwhile. */
  readonly ratePerSecond: number;
  /** How long a validator is stopped, and the network cut, milliseconds. */
  readonly stopMs: number;
  /** How long killed validators stay away before they are started again, milliseconds. */
  readonly downMs: number;
  /** How long a validator that is back may take to get broadcasts again, and the last broadcasts to be everywhere, milliseconds. */
  readonly withinMs: number;
  /** How many validators `scale` goes up to before it goes back; 0: half as many again, rounded down. */
  readonly scaleTo: number;
}

/** Parameters of the assertions that have some. */
export interface AssertionParameters {
  /** Of `load`. */
  readonly load: LoadParameters;
  /** Of `faults`. */
  readonly faults: FaultParameters;
}

/** A test network: `localnet.yaml`, checked and with its defaults (docs/localnet.md). */
export interface Manifest {
  /** Its name: that of its state folder, and the chain ID. */
  readonly name: string;
  /** Who is staked. */
  readonly validators: readonly ManifestValidator[];
  /** How many of them, the first ones, the others name as bootstrap nodes; everybody has the genesis file too. */
  readonly bootstrapNodes: number;
  /** How broadcasts spread. */
  readonly raintree: ManifestRainTree;
  /** What lies between the nodes. */
  readonly links: ManifestLinks;
  /** What is to happen, in order. */
  readonly faults: readonly TimedFault[];
  /** What is to hold. */
  readonly assertions: readonly AssertionName[];
  /** How the assertions do it. */
  readonly parameters: AssertionParameters;
  /** The first of the TCP ports, two for each validator; 0: free ones are looked for. */
  readonly firstPort: number;
  /** How long all may take to be ready, milliseconds. */
  readonly readyWithinMs: number;
  /** Least severe message that a node logs. */
  readonly logLevel: P2PConfig["log_level"];
}
