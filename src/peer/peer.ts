import type { Direction } from "../transport/transport.ts";
import type { PeerEndpoint, PeerRecord } from "./peer_record.ts";

/** The connection with a peer, from the end of its handshake until it is gone. */
export interface Link {
  /** Whose. */
  readonly peer: Peer;
  /** Its number; never given twice. */
  readonly connection: number;
  /** Who opened it. */
  readonly direction: Direction;
  /** When its handshake ended, in `Clock.now()`. */
  readonly sinceMs: number;
  /** Whether messages flow. */
  ready: boolean;
  /** When it last carried something that matters, in `Clock.now()`. */
  usedMs: number;
  /** Why it is to be closed; absent while it may stay. */
  eviction: LinkEviction | undefined;
}

/** Why a connection is to be closed. */
export interface LinkEviction {
  /** In words. */
  readonly reason: string;
  /** Only to make room: off again if the peer becomes wanted before the router has taken it up. */
  readonly forRoom: boolean;
}

/** A peer as the manager works with it: what is stored, and what a restart may forget. Times are of `Clock.now()`. */
export interface Peer {
  /** What is stored. */
  readonly record: PeerRecord;
  /** Whether the routers want it connected. */
  wanted: boolean;
  /** Whether somebody waits for a connection with it. */
  requested: boolean;
  /** The endpoint being dialled. */
  dialing: PeerEndpoint | undefined;
  /** The connection with it, once its handshake is done. */
  link: Link | undefined;
  /** Connections in a row that did not last. */
  flaps: number;
  /** Not dialled before this time, whatever the endpoint. */
  restUntilMs: number;
  /** When dialling it last failed. */
  failedAtMs: number;
  /** Endpoints that failed, and when each may be tried again. */
  readonly retryAtMs: Map<PeerEndpoint, number>;
  /** When it may be dialled; `Infinity`: not as things stand. Set by `PeerBook.place`. */
  dueMs: number;
  /** How dear it is, `worthOf`. Set by `PeerBook.place`. */
  worth: number;
}

/** Whether a peer is kept connected, never given up and never forgotten. */
export function isPinned(peer: Peer): boolean {
  return peer.wanted || peer.record.persistent;
}

/** Names of what {@link tierOf} tells. */
export const CANDIDATES = ["known", "persistent", "wanted", "requested"] as const;

/** Who is dialled first: what somebody waits for, what the routers want, what the operator named, the rest. */
export function tierOf(peer: Peer): number {
  if (peer.requested) return 3;
  if (peer.wanted) return 2;
  return peer.record.persistent ? 1 : 0;
}

/** A peer at rest. */
export function newPeer(record: PeerRecord, wanted: boolean): Peer {
  return {
    record,
    wanted,
    requested: false,
    dialing: undefined,
    link: undefined,
    flaps: 0,
    restUntilMs: 0,
    failedAtMs: -Infinity,
    retryAtMs: new Map(),
    dueMs: Infinity,
    worth: 0,
  };
}

/** Lets no dial of the endpoint happen before `untilMs`; forgets what it knew of endpoints that the peer has no more. */
export function delayEndpoint(peer: Peer, endpoint: PeerEndpoint, untilMs: number): void {
  for (const known of peer.retryAtMs.keys()) {
    if (!peer.record.endpoints.includes(known)) peer.retryAtMs.delete(known);
  }
  if (peer.record.endpoints.includes(endpoint)) peer.retryAtMs.set(endpoint, untilMs);
}
