import type { Address } from "../identity/address.ts";
import { isPinned, type Peer } from "./peer.ts";
import { type PeerBan, scoreOf } from "./peer_record.ts";
import type { ScoreChange } from "./scores.ts";

/** Where a peer stands: `connected` has done its handshake, `ready` carries messages, `evicting` is being closed. */
export type PeerStatus =
  | "unknown"
  | "idle"
  | "dialing"
  | "connected"
  | "ready"
  | "evicting"
  | "banned"
  | "inactive";

/** How dialling one endpoint went. */
export interface EndpointExplanation {
  /** The node address URL. */
  readonly url: string;
  /** Failures since the last success. */
  readonly failures: number;
  /** Why the last dial failed. */
  readonly lastError?: string;
  /** The last success, in milliseconds since the Unix epoch. */
  readonly lastSuccessMs?: number;
  /** Milliseconds until it may be dialled again. */
  readonly retryInMs: number;
}

/** Why a peer is treated as it is, for people and for the admin API. */
export interface PeerExplanation {
  /** Which peer. */
  readonly id: Address;
  /** Where it stands. */
  readonly status: PeerStatus;
  /** The same in a sentence, with the reason and what comes next. */
  readonly why: string;
  /** The score that counts. */
  readonly score: number;
  /** The last reasons why it moved, oldest first. */
  readonly changes: readonly ScoreChange[];
  /** Whether the operator named it. */
  readonly persistent: boolean;
  /** Whether the routers want it connected. */
  readonly wanted: boolean;
  /** The ban and its end. */
  readonly ban?: PeerBan;
  /** Where it may be reached. */
  readonly endpoints: readonly EndpointExplanation[];
}

/** Where the peer stands. */
export function statusOf(peer: Peer | undefined): PeerStatus {
  if (peer === undefined) return "unknown";
  if (peer.link?.eviction !== undefined) return "evicting";
  if (peer.link !== undefined) return peer.link.ready ? "ready" : "connected";
  if (peer.record.ban !== undefined) return "banned";
  if (peer.dialing !== undefined) return "dialing";
  return peer.record.inactive === undefined ? "idle" : "inactive";
}

/** Everything that decides over the peer. `now` and `wall` are the clock's two times. */
export function explainPeer(peer: Peer, now: number, wall: number): PeerExplanation {
  const { record } = peer;
  return {
    id: record.id,
    status: statusOf(peer),
    why: why(peer, now, wall),
    score: scoreOf(record),
    changes: [...record.changes],
    persistent: record.persistent,
    wanted: peer.wanted,
    ban: record.ban,
    endpoints: record.endpoints.map((endpoint) => ({
      url: endpoint.url,
      failures: endpoint.failures,
      lastError: endpoint.lastError,
      lastSuccessMs: endpoint.lastSuccessMs,
      retryInMs: Math.max(0, (peer.retryAtMs.get(endpoint) ?? 0) - now),
    })),
  };
}

function why(peer: Peer, now: number, wall: number): string {
  const { record, link } = peer;
  switch (statusOf(peer)) {
    case "evicting":
      return `Its connection is being closed: ${link!.eviction!.reason}`;
    case "ready":
    case "connected":
      return `Connected ${link!.direction} for ${Math.round(now - link!.sinceMs)} ms`;
    case "banned":
      return `Banned for another ${Math.max(0, Math.round(record.ban!.untilMs - wall))} ms: ${record.ban!.reason}`;
    case "dialing":
      return `Dialling ${peer.dialing!.url}`;
    case "inactive":
      return `Of no use: ${record.inactive}${isPinned(peer) ? "; still tried now and then" : ""}`;
  }
  if (record.endpoints.length === 0) return "No endpoint of it is known; it may connect by itself";
  if (peer.dueMs > now) return `Dialled again in ${Math.round(peer.dueMs - now)} ms at the earliest`;
  return isPinned(peer) || peer.requested
    ? "Dialled as soon as there is room"
    : "Dialled when connections are missing or worse than it";
}
