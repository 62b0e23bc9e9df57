import type { Clock } from "../base/clock.ts";
import type { Address } from "../identity/address.ts";
import { Heap } from "./heap.ts";
import { isPinned, newPeer, type Peer, tierOf } from "./peer.ts";
import { newPeerRecord, type PeerEndpoint, type PeerRecord, scoreOf, worthOf } from "./peer_record.ts";
import { applyReport, SCORE_MIN } from "./scores.ts";
import type { StoreWriter } from "./store_writer.ts";

/** How long a peer that wants us too may take to dial us before we dial it. */
const AWAIT_MS = 1_000;

/** The peers a node knows, at most `capacity`, indexed by who is dialled next and who is forgotten first. */
export class PeerBook {
  readonly #clock: Clock;
  readonly #writer: StoreWriter;
  readonly #capacity: number;
  readonly #requestSpacingMs: number;
  readonly #peers = new Map<Address, Peer>();
  readonly #wanted = new Set<Address>();
  /** Wanted peers that are expected to dial us, until then. */
  #awaited: ReadonlySet<Address> = new Set();
  #awaitUntilMs = 0;
  /** May be dialled once their time comes, by time. */
  readonly #waiting = new Heap<Peer>((a, b) => a.dueMs < b.dueMs);
  /** May be dialled now, best first. */
  readonly #due = new Heap<Peer>(dialledBefore);
  /** May be forgotten, least worthy first. */
  readonly #forgettable = new Heap<Peer>((a, b) => a.worth < b.worth);

  /** An empty book of `capacity` peers that keeps `writer` in step. A peer that failed is not dialled on request within `requestSpacingMs`. */
  constructor(capacity: number, requestSpacingMs: number, clock: Clock, writer: StoreWriter) {
    this.#capacity = capacity;
    this.#requestSpacingMs = requestSpacingMs;
    this.#clock = clock;
    this.#writer = writer;
  }

  /** How many peers are known. */
  get size(): number {
    return this.#peers.size;
  }

  /** The addresses that the routers want, known or not. */
  get wanted(): ReadonlySet<Address> {
    return this.#wanted;
  }

  /** The peer, if known. */
  get(id: Address): Peer | undefined {
    return this.#peers.get(id);
  }

  /** Every peer. */
  values(): IterableIterator<Peer> {
    return this.#peers.values();
  }

  /** Takes over stored peers. Those beyond the capacity are forgotten, the least worthy first. */
  load(records: Iterable<PeerRecord>): void {
    for (const record of records) this.#insert(record);
    while (this.#peers.size > this.#capacity && this.#forgetOne()) continue;
  }

  /**
   * The peer, made if unknown. When the book is full, an unknown peer takes the place of the least worthy one; if `hearsay`, only
   * of one that is worth less than a peer nobody has seen. `undefined` if there is no place.
   */
  obtain(id: Address, hearsay: boolean): Peer | undefined {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    if (this.#peers.size >= this.#capacity) {
      const least = this.#forgettable.peek();
      if (least === undefined || (hearsay && !this.#wanted.has(id) && least.worth >= 0)) return undefined;
      this.#forgetOne();
    }
    return this.#insert(newPeerRecord(id));
  }

  /** Changes what the routers want; what is newly wanted is dialled without delay, those `awaited` after a moment. */
  want(addresses: Iterable<Address>, awaited: Iterable<Address>): void {
    this.#awaited = new Set(awaited);
    this.#awaitUntilMs = this.#clock.now() + AWAIT_MS;
    const gone = new Set(this.#wanted);
    for (const id of addresses) {
      this.#wanted.add(id);
      const peer = this.#peers.get(id);
      if (gone.delete(id) || peer === undefined) continue;
      peer.wanted = true;
      this.hurry(peer);
    }
    for (const id of gone) {
      this.#wanted.delete(id);
      const peer = this.#peers.get(id);
      if (peer === undefined) continue;
      peer.wanted = false;
      this.place(peer);
    }
  }

  /** Forgets the back-off of a peer: it matters more than it did when it failed. */
  hurry(peer: Peer): void {
    peer.restUntilMs = 0;
    peer.retryAtMs.clear();
    this.place(peer);
  }

  /** Puts the peer where it belongs. Called after every change of one peer, before the next peer changes. */
  place(peer: Peer): void {
    const now = this.#clock.now();
    peer.dueMs = this.#dueMs(peer, now);
    peer.worth = worthOf(peer.record);
    this.#due.remove(peer);
    this.#waiting.remove(peer);
    if (peer.dueMs <= now) this.#due.put(peer);
    else if (peer.dueMs < Infinity) this.#waiting.put(peer);
    if (peer.link === undefined && peer.dialing === undefined && !isPinned(peer)) this.#forgettable.put(peer);
    else this.#forgettable.remove(peer);
  }

  /**
   * {@link place}, and stores the peer: now, or with the next write (`later`) where changes come often and may be lost in a crash.
   * One without an endpoint or a ban is of no use after a restart.
   */
  keep(peer: Peer, { later = false }: { later?: boolean } = {}): void {
    this.place(peer);
    const { record } = peer;
    if (record.endpoints.length === 0 && record.ban === undefined) return;
    this.#writer.later(record);
    if (!later) this.#writer.flush();
  }

  /** The peer to dial first now. */
  due(): Peer | undefined {
    const now = this.#clock.now();
    for (let next = this.#waiting.peek(); next !== undefined && next.dueMs <= now; next = this.#waiting.peek()) {
      this.endBan(next);
      this.place(next);
    }
    return this.#due.peek();
  }

  /** When the next peer becomes due; `Infinity` if none will. */
  nextDueMs(): number {
    return this.#waiting.peek()?.dueMs ?? Infinity;
  }

  /** Ends the ban of a peer if it is over. */
  endBan(peer: Peer): void {
    const { record } = peer;
    if (record.ban === undefined || record.ban.untilMs > this.#clock.wall()) return;
    record.ban = undefined;
    // Otherwise the next slip would be another ban.
    if (record.score <= SCORE_MIN) {
      applyReport(record, { kind: "good", points: -SCORE_MIN, reason: "ban served" }, this.#clock.wall());
    }
    this.keep(peer);
  }

  /** The best endpoint of a due peer: the one that failed least, among those the one that worked last. */
  bestEndpoint(peer: Peer): PeerEndpoint {
    const now = this.#clock.now();
    let best: PeerEndpoint | undefined;
    for (const endpoint of peer.record.endpoints) {
      if ((peer.retryAtMs.get(endpoint) ?? 0) > now && !peer.requested) continue;
      if (
        best === undefined || endpoint.failures < best.failures ||
        (endpoint.failures === best.failures && (endpoint.lastSuccessMs ?? 0) > (best.lastSuccessMs ?? 0))
      ) best = endpoint;
    }
    if (best === undefined) throw new Error(`Peer ${peer.record.id} is due but has no endpoint to dial`);
    return best;
  }

  #dueMs(peer: Peer, now: number): number {
    const { record } = peer;
    if (peer.link !== undefined || peer.dialing !== undefined || record.endpoints.length === 0) return Infinity;
    if (record.inactive !== undefined && !isPinned(peer) && !peer.requested) return Infinity;
    let earliest = Infinity;
    for (const endpoint of record.endpoints) earliest = Math.min(earliest, peer.retryAtMs.get(endpoint) ?? 0);
    let due = Math.max(peer.restUntilMs, earliest, this.#awaited.has(record.id) ? this.#awaitUntilMs : 0);
    // Somebody waiting cuts the back-off short, but not to the point of hammering a dead endpoint.
    if (peer.requested) due = Math.min(due, peer.failedAtMs + this.#requestSpacingMs);
    // Wall time may lag behind the clock: a ban that is not over yet is looked at again, never at this very moment.
    if (record.ban !== undefined) due = Math.max(due, now + Math.max(1, record.ban.untilMs - this.#clock.wall()));
    return due;
  }

  #insert(record: PeerRecord): Peer {
    const peer = newPeer(record, this.#wanted.has(record.id));
    this.#peers.set(record.id, peer);
    this.place(peer);
    return peer;
  }

  #forgetOne(): boolean {
    const peer = this.#forgettable.peek();
    if (peer === undefined) return false;
    this.#forgettable.remove(peer);
    this.#due.remove(peer);
    this.#waiting.remove(peer);
    this.#peers.delete(peer.record.id);
    this.#writer.remove(peer.record.id);
    return true;
  }
}

function dialledBefore(a: Peer, b: Peer): boolean {
  const tier = tierOf(a) - tierOf(b);
  if (tier !== 0) return tier > 0;
  const score = scoreOf(a.record) - scoreOf(b.record);
  return score !== 0 ? score > 0 : a.worth > b.worth;
}
