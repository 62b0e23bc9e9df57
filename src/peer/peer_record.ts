import type { Address } from "../identity/address.ts";
import type { NodeAddress } from "../identity/node_address.ts";
import { SCORE_MAX, type Scored } from "./scores.ts";

/** Endpoints kept per peer. A further one replaces the one that failed most and never worked; if all worked, it is not kept. */
export const ENDPOINTS_MAX: number = 8;

/** One place where a peer may be reached, and how dialling it went. */
export interface PeerEndpoint {
  /** Where, and who must answer. */
  readonly address: NodeAddress;
  /** The same as a node address URL. */
  readonly url: string;
  /** The last time it answered, in milliseconds since the Unix epoch; absent while it never did. */
  lastSuccessMs?: number;
  /** The last time it did not, likewise. */
  lastFailureMs?: number;
  /** Why not. */
  lastError?: string;
  /** Failures since the last success. */
  failures: number;
}

/** A ban and its end. */
export interface PeerBan {
  /** When it ends, in milliseconds since the Unix epoch. */
  readonly untilMs: number;
  /** Why. */
  readonly reason: string;
}

/** Everything that is remembered of a peer over a restart. */
export interface PeerRecord extends Scored {
  /** Who it is. */
  readonly id: Address;
  /** Where it may be reached, at most {@link ENDPOINTS_MAX}. */
  endpoints: PeerEndpoint[];
  /** Named by the operator: never given up, never evicted for capacity, never forgotten. */
  persistent: boolean;
  /** Neither dialled nor accepted before it ends; absent if not banned. */
  ban?: PeerBan;
  /** Why it is of no use to this node (another network), until a handshake with it succeeds; absent if it is. */
  inactive?: string;
  /** The last time a connection with it became ready, in milliseconds since the Unix epoch. */
  lastConnectedMs?: number;
  /** Its Ed25519 public key, 32 bytes, once a handshake proved it. */
  publicKey?: Uint8Array;
}

/** A peer of which nothing is known yet. */
export function newPeerRecord(id: Address): PeerRecord {
  return { id, endpoints: [], persistent: false, score: 0, changes: [] };
}

/** A copy that shares nothing that changes. */
export function copyPeerRecord(record: PeerRecord): PeerRecord {
  return {
    ...record,
    endpoints: record.endpoints.map((endpoint) => ({ ...endpoint })),
    changes: [...record.changes],
  };
}

/** The score that counts: the highest for a persistent peer. */
export function scoreOf(record: PeerRecord): number {
  return record.persistent ? SCORE_MAX : record.score;
}

/**
 * How much is lost by forgetting a peer; the least worthy is forgotten when the book is full. A peer once reached is worth more
 * than hearsay, so that nobody can flush the book with invented peers; banned ones are worth least, so that bans cannot fill it.
 */
export function worthOf(record: PeerRecord): number {
  let verified = false;
  let failures = Infinity;
  for (const endpoint of record.endpoints) {
    verified ||= endpoint.lastSuccessMs !== undefined;
    failures = Math.min(failures, endpoint.failures);
  }
  let worth = record.score - 5 * Math.min(failures, 10);
  if (verified) worth += 60;
  if (record.inactive !== undefined) worth -= 200;
  if (record.ban !== undefined) worth -= 1000;
  return worth;
}

/** Adds an endpoint if there is room for it or one to replace; says whether the record changed. */
export function addEndpoint(record: PeerRecord, address: NodeAddress, url: string): boolean {
  const { endpoints } = record;
  if (endpoints.some((endpoint) => endpoint.url === url)) return false;
  if (endpoints.length >= ENDPOINTS_MAX) {
    let worst = -1;
    for (let i = 0; i < endpoints.length; i++) {
      // Hearsay never displaces what worked once, nor what has not been tried.
      if (endpoints[i].lastSuccessMs !== undefined || endpoints[i].failures === 0) continue;
      if (worst < 0 || endpoints[i].failures > endpoints[worst].failures) worst = i;
    }
    if (worst < 0) return false;
    endpoints.splice(worst, 1);
  }
  endpoints.push({ address, url, failures: 0 });
  return true;
}

/** Drops every endpoint but this one; says whether there were others. */
export function keepOnlyEndpoint(record: PeerRecord, url: string): boolean {
  const before = record.endpoints.length;
  record.endpoints = record.endpoints.filter((endpoint) => endpoint.url === url);
  return record.endpoints.length < before;
}

/** Notes that the endpoint answered. `wall` is the time since the Unix epoch. */
export function endpointAnswered(endpoint: PeerEndpoint, wall: number): void {
  endpoint.failures = 0;
  endpoint.lastSuccessMs = wall;
}

/** Notes that the endpoint did not answer, and why. */
export function endpointFailed(endpoint: PeerEndpoint, error: Error, wall: number): void {
  endpoint.failures++;
  endpoint.lastFailureMs = wall;
  endpoint.lastError = error.message.slice(0, 200);
}

/** Bans the peer; of two bans the one that ends later counts. */
export function extendBan(record: PeerRecord, ban: PeerBan): void {
  if (ban.untilMs > (record.ban?.untilMs ?? 0)) record.ban = ban;
}
