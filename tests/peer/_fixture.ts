import { assertEquals } from "@std/assert";
import { seededRandom } from "../../src/base/random.ts";
import type { Admission, DialCandidate } from "../../src/peer/decisions.ts";
import type { NodeAddress } from "../../src/identity/node_address.ts";
import { PeerManager } from "../../src/peer/peer_manager.ts";
import type { PeerManagerOptions } from "../../src/peer/peer_manager_options.ts";
import { ManualClock, peerId } from "./_clock.ts";

/** This node in the tests. */
export const SELF = peerId(0xfff);

/** The place of the n-th peer; `place` tells several apart. */
export function at(n: number, place = 1): NodeAddress {
  return { protocol: "tcp", id: peerId(n), host: `10.0.0.${place}`, port: 1000 + n };
}

/** A manager in hand-moved time. */
export function fixture(options: PeerManagerOptions = {}, self = SELF): { manager: PeerManager; clock: ManualClock } {
  const clock = options.clock as ManualClock ?? new ManualClock();
  return { manager: PeerManager.open(self, { clock, random: seededRandom(1), ...options }), clock };
}

/** The number of an admitted connection. */
export function admitted(admission: Admission): number {
  if (!admission.admitted) throw admission.error;
  return admission.connection;
}

/** Why a connection was refused. */
export function refusal(admission: Admission): string {
  assertEquals(admission.admitted, false);
  return admission.admitted ? "" : admission.error.code;
}

/** Every dial that may start now, by peer. */
export function dials(manager: PeerManager): string[] {
  const ids: string[] = [];
  for (let next = manager.dialNext(); next !== undefined; next = manager.dialNext()) ids.push(next.address.id);
  return ids;
}

/** Dials the next peer all the way to ready. */
export function connectNext(manager: PeerManager): { candidate: DialCandidate; connection: number } {
  const candidate = manager.dialNext()!;
  const connection = admitted(manager.dialed(candidate.address.id));
  manager.ready(candidate.address.id, connection);
  return { candidate, connection };
}

/** Accepts a peer all the way to ready. */
export function acceptReady(manager: PeerManager, n: number): number {
  const connection = admitted(manager.accepted(peerId(n)));
  manager.ready(peerId(n), connection);
  return connection;
}

/** Every eviction that is due. */
export function evictions(manager: PeerManager): { id: string; reason: string }[] {
  const found: { id: string; reason: string }[] = [];
  for (let next = manager.evictNext(); next !== undefined; next = manager.evictNext()) {
    found.push({ id: next.id, reason: next.reason });
  }
  return found;
}
