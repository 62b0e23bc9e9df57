import type { P2pError } from "../base/errors.ts";
import type { Address } from "../identity/address.ts";
import type { NodeAddress } from "../identity/node_address.ts";
import type { LinkTally } from "./links.ts";

/** How `PeerManager.add` takes a peer in. */
export interface AddOptions {
  /** `true`: the operator named it, so that it is never given up, evicted or forgotten; `false` takes that back. @default {as it was} */
  persistent?: boolean;
  /** The source is authoritative (the staked set): every other endpoint of the peer is dropped. @default {false} */
  replace?: boolean;
}

/** What a handshake with an accepted peer told beside its identity. */
export interface AcceptedPeer {
  /** Its Ed25519 public key, 32 bytes. */
  publicKey?: Uint8Array;
  /** Where it says it may be dialled; those of other identities are ignored. */
  endpoints?: readonly NodeAddress[];
}

/** Whom to dial. */
export interface DialCandidate {
  /** Where, and who must answer. */
  readonly address: NodeAddress;
  /** Why: `requested` somebody waits, `wanted` by a router, `persistent`, or `known` to fill up. */
  readonly candidate: "requested" | "wanted" | "persistent" | "known";
}

/** What happens to a connection after its handshake. */
export type Admission =
  | {
    /** It stays. */
    readonly admitted: true;
    /** Its number, to be named in every later call about it. */
    readonly connection: number;
    /** The number of the peer's older connection, which has lost the tie-break and must be closed; the manager has forgotten it. */
    readonly replaces: number | undefined;
  }
  | {
    /** It must be closed. */
    readonly admitted: false;
    /** Why: `peer_self`, `peer_banned`, `peer_duplicate` (lost the tie-break), `peers_full`. */
    readonly error: P2pError;
  };

/** A connection to close. */
export interface Eviction {
  /** With whom. */
  readonly id: Address;
  /** Which. */
  readonly connection: number;
  /** Why: `capacity`, `idle`, or what was said of the peer. */
  readonly reason: string;
}

/** Numbers of peers, read when asked for; those that only grow count since the start. */
export interface PeerCounts extends LinkTally {
  /** Peers in the book. */
  readonly known: number;
  /** Dials under way. */
  readonly dialing: number;
  /** Dials that ended in a handshake. */
  readonly dialed: number;
  /** Dials that did not. */
  readonly dialFailed: number;
  /** Inbound connections admitted. */
  readonly accepted: number;
  /** Connections refused after their handshake. */
  readonly refused: number;
  /** Connections closed on the manager's word. */
  readonly evicted: number;
}
