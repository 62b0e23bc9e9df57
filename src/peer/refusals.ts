import { P2pError } from "../base/errors.ts";
import type { Address } from "../identity/address.ts";
import type { Direction } from "../transport/transport.ts";
import type { Peer } from "./peer.ts";
import type { PeerRecord } from "./peer_record.ts";

/** The refusal of a connection with this node itself. */
export function peerSelf(id: Address): P2pError {
  return new P2pError("peer_self", `Peer ${id} is this node itself`);
}

/** The refusal of a banned peer. `wall` is the time since the Unix epoch. */
export function peerBanned({ id, ban }: PeerRecord, wall: number): P2pError {
  const seconds = Math.ceil((ban!.untilMs - wall) / 1000);
  return new P2pError("peer_banned", `Peer ${id} is banned for another ${seconds} s: ${ban!.reason}`);
}

/** The refusal of a second connection that lost the tie-break. */
export function peerDuplicate(id: Address, old: Direction): P2pError {
  return new P2pError("peer_duplicate", `Peer ${id} is connected ${old} already`);
}

/** The refusal of a newcomer for whom nobody gives way. */
export function peersFull(id: Address, limits: { maxConnected: number; maxInbound: number }): P2pError {
  return new P2pError(
    "peers_full",
    `No room for peer ${id}: at most ${limits.maxConnected} connections, ${limits.maxInbound} of them inbound`,
  );
}

/** Refuses to dial on request what cannot be dialled. @throws {P2pError} `peer_unknown`, `peer_banned`, `peer_unreachable` */
export function assertDialable(id: Address, peer: Peer | undefined, wall: number): asserts peer is Peer {
  if (peer === undefined) {
    throw new P2pError("peer_unknown", `Peer ${id} is not known`, {
      hint:
        "Add its address with addPeer(), or name it in persistent_peers, the genesis file or the peerstore provider",
    });
  }
  if (peer.record.ban !== undefined) throw peerBanned(peer.record, wall);
  if (peer.record.endpoints.length > 0) return;
  throw new P2pError("peer_unreachable", `No endpoint of peer ${id} is known`, {
    hint: "It can be reached once it connects by itself or its address is added",
  });
}

/** The answer to the outcome of a dial that nobody asked for. */
export function peerNotDialing(id: Address, status: string): P2pError {
  return new P2pError("peer_not_dialing", `Peer ${id} is ${status}, not being dialled`);
}
