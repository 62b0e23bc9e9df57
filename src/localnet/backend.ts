import type { Address } from "../identity/address.ts";
import type { BackendName, Fault, FaultKind } from "./manifest.ts";

/** A node of a network that runs, and where it is asked. */
export interface LocalNode {
  /** Its name in the manifest. */
  readonly name: string;
  /** Who it is. */
  readonly address: Address;
  /** What it is; full nodes come later. */
  readonly role: "validator";
  /** Its admin API: `http://127.0.0.1:12345`. */
  readonly adminUrl: string;
  /** How that is asked where it takes more than an address: through the API server of a cluster. @default {fetch} */
  readonly ask?: (url: string, init: RequestInit) => Promise<Response>;
}

/** What one node tells of itself. The field names are a contract (docs/localnet.md). */
export interface NodeStatus {
  /** Its name in the manifest. */
  readonly name: string;
  /** Who it is. */
  readonly address: Address;
  /** What it is. */
  readonly role: "validator";
  /** Whether it is ready. */
  readonly ready: boolean;
  /** The height of its view; `null` where it does not answer or is not started. */
  readonly height: number | null;
  /** Peers connected; 0 where it does not answer. */
  readonly peers: number;
}

/** A network as it is now. The field names are a contract (docs/localnet.md). */
export interface NetworkStatus {
  /** Name of the network. */
  readonly name: string;
  /** Where it runs. */
  readonly backend: BackendName;
  /** Whether it is up and every node is ready. */
  readonly ready: boolean;
  /** Every node, in the manifest's order; none while it is down. */
  readonly nodes: readonly NodeStatus[];
}

/** Who may be asked, and with which token. */
export interface Access {
  /** Every node, in the manifest's order. */
  readonly nodes: readonly LocalNode[];
  /** Bearer token of the admin APIs. */
  readonly token: string;
}

/** Where a network runs. One suite of tests holds for all of them (tests/localnet/conformance.ts). */
export interface Backend {
  /** Which. */
  readonly name: BackendName;
  /** The faults that it can do. */
  readonly faults: ReadonlySet<FaultKind>;
  /** Whether a node that is killed comes back by itself. */
  readonly restartsKilled: boolean;
  /** Whether it can give the ways between nodes delay and loss. */
  readonly shapesLinks: boolean;
  /**
   * Starts what does not run yet, and resolves when every node is ready. One that is up stays as it is. What a failed or given up call has started
   * is ended again.
   *
   * @throws {P2pError} `localnet_unsupported`, `localnet_differs`, `localnet_late`, `node_died`, `port_in_use`, `state_unwritable`; the signal's reason.
   */
  up(signal: AbortSignal): Promise<void>;
  /** Who may be asked; `undefined` while the network is down. */
  access(): Promise<Access | undefined>;
  /** What the nodes tell of themselves. Never throws because a node does not answer. */
  status(): Promise<NetworkStatus>;
  /**
   * Does something to the network; resolves when it is done, which is not when the network has dealt with it. What has been done already is no error.
   *
   * @throws {P2pError} `localnet_down`, `localnet_unsupported`, `fault_malformed`
   */
  fault(fault: Fault, signal: AbortSignal): Promise<void>;
  /** The last `lines` lines that a node logged. @throws {P2pError} `localnet_down`, `node_unknown` */
  logs(node: string, lines: number): Promise<readonly string[]>;
  /** Ends every node, and removes what {@link up} made. Resolves to how many nodes ran. One that is down stays so. */
  down(): Promise<number>;
}
