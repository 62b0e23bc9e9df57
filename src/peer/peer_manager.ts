import { type Clock, systemClock } from "../base/clock.ts";
import { asError, type P2pError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { systemRandom } from "../base/random.ts";
import type { Address } from "../identity/address.ts";
import { formatNodeAddress, type NodeAddress } from "../identity/node_address.ts";
import type { Direction } from "../transport/transport.ts";
import type { AcceptedPeer, AddOptions, Admission, DialCandidate, Eviction, PeerCounts } from "./decisions.ts";
import { Dials } from "./dials.ts";
import { explainPeer, type PeerExplanation, type PeerStatus, statusOf } from "./explain.ts";
import { Links } from "./links.ts";
import { MemoryPeerStore } from "./memory_peer_store.ts";
import { delayEndpoint, isPinned, type Link, newPeer, type Peer } from "./peer.ts";
import { PeerBook } from "./peer_book.ts";
import { type PeerManagerOptions, withDefaults } from "./peer_manager_options.ts";
import {
  addEndpoint,
  endpointAnswered,
  endpointFailed,
  extendBan,
  keepOnlyEndpoint,
  newPeerRecord,
  type PeerRecord,
} from "./peer_record.ts";
import type { PeerStore } from "./peer_store.ts";
import { PeerSubscribers, type PeerUpdates } from "./peer_updates.ts";
import { assertDialable, peerBanned, peerDuplicate, peerSelf, peersFull } from "./refusals.ts";
import { applyReport, type PeerReport, SCORE_MIN } from "./scores.ts";
import { StoreWriter } from "./store_writer.ts";
import { tieBreak } from "./tie_break.ts";

/**
 * Decides whom this node knows, dials, accepts, keeps and drops. (The peer manager of Tendermint ADR-062.)
 *
 * A synchronous state machine: it never touches a socket and owns no timer. The router asks {@link dialNext} and
 * {@link evictNext} until both have nothing more, says how it went ({@link dialed} or {@link dialFailed}, {@link accepted},
 * {@link ready}, {@link disconnected}), and asks again after {@link nextWakeMs} or when {@link onWork} calls.
 *
 * ```text
 * unknown --add--> idle --dialNext--> dialing --dialed--> connected --ready--> ready --evictNext--> evicting
 *                   ^------------- dialFailed ---'    accepted --^               |                     |
 *                   '------------------------------------------- disconnected ---+---------------------'
 * ```
 */
export class PeerManager implements Disposable {
  readonly #self: Address;
  readonly #clock: Clock;
  readonly #options: ReturnType<typeof withDefaults>;
  readonly #writer: StoreWriter;
  readonly #book: PeerBook;
  readonly #links: Links;
  readonly #dials: Dials;
  readonly #subscribers = new PeerSubscribers();
  readonly #totals = { dialed: 0, dialFailed: 0, accepted: 0, refused: 0, evicted: 0 };
  #connections = 0;
  #work: () => void = () => {};

  private constructor(self: Address, store: PeerStore, options: PeerManagerOptions) {
    const { clock = systemClock, random = systemRandom } = options;
    this.#self = self;
    this.#clock = clock;
    this.#options = withDefaults(options);
    this.#writer = new StoreWriter(store, logger("peer"));
    this.#book = new PeerBook(this.#options.maxPeers, this.#options.minBackoffMs, clock, this.#writer);
    this.#links = new Links(this.#options);
    this.#dials = new Dials(this.#book, this.#links, this.#options, clock, random);
  }

  /**
   * A manager for the node `self` that knows what the store remembers. After a restart every peer may be dialled at once.
   *
   * @throws {P2pError} what {@link PeerStore.load} throws
   * @throws {RangeError} if an option is out of range
   */
  static open(self: Address, options: PeerManagerOptions = {}): PeerManager {
    const store = options.store ?? new MemoryPeerStore();
    const manager = new PeerManager(self, store, options);
    manager.#book.load(store.load().filter((record) => record.id !== self));
    return manager;
  }

  /** Calls `listener` whenever a call may have made work for {@link dialNext} or {@link evictNext}. One listener: the router. Keep it cheap and do not call back from it. */
  onWork(listener: () => void): void {
    this.#work = listener;
  }

  /**
   * Takes in where a peer may be reached. `false` if that changed nothing: this node itself, known already, or no room (a full book
   * keeps what it has rather than hearsay).
   *
   * @throws {P2pError} `node_address_malformed`
   */
  add(address: NodeAddress, { persistent, replace = false }: AddOptions = {}): boolean {
    const url = formatNodeAddress(address);
    if (address.id === this.#self) return false;
    const peer = this.#book.obtain(address.id, !persistent && !replace);
    if (peer === undefined) return false;
    const { record } = peer;
    const dropped = replace && keepOnlyEndpoint(record, url);
    const added = addEndpoint(record, address, url);
    const named = persistent !== undefined && persistent !== record.persistent;
    if (!added && !dropped && !named) return false;
    if (named) record.persistent = persistent;
    if (persistent) record.inactive = undefined;
    // A new address of a peer that matters is tried at once, whatever became of the old ones.
    if (isPinned(peer) || dropped) this.#book.hurry(peer);
    this.#book.keep(peer);
    this.#work();
    return true;
  }

  /**
   * Says which peers the routers want connected, known or not, in place of what was said before. They are dialled with priority,
   * redialled for ever, and never evicted for capacity; more of them than `maxOutbound` wait. Those `awaited` dial us too: they have a second to.
   */
  want(addresses: Iterable<Address>, awaited: Iterable<Address> = []): void {
    this.#book.want(addresses, awaited);
    const now = this.#clock.now();
    this.#links.trim(now);
    this.#links.checkIdle(now);
    this.#work();
  }

  /** Has a known peer dialled ahead of all others, because somebody waits. Does nothing if it is connected. @throws {P2pError} `peer_unknown`, `peer_banned`, `peer_unreachable` (no endpoint) */
  dialNow(id: Address): void {
    const peer = this.#book.get(id);
    if (peer?.link !== undefined || peer?.dialing !== undefined) return;
    if (peer !== undefined) this.#book.endBan(peer);
    assertDialable(id, peer, this.#clock.wall());
    peer.requested = true;
    this.#book.place(peer);
    this.#work();
  }

  /** Takes {@link dialNow} back, because nobody waits any more. A dial under way goes on. */
  dialNoMore(id: Address): void {
    const peer = this.#book.get(id);
    if (peer === undefined) return;
    peer.requested = false;
    this.#book.place(peer);
  }

  /** Whom to dial now, if anybody; answered with {@link dialed} or {@link dialFailed}. */
  dialNext(): DialCandidate | undefined {
    const peer = this.#dials.next();
    return peer && this.#dials.begin(peer);
  }

  /** The dial of this peer ended in a handshake that proved its identity. @throws {P2pError} `peer_not_dialing` */
  dialed(id: Address, publicKey?: Uint8Array): Admission {
    const { peer, endpoint } = this.#dials.end(id);
    endpointAnswered(endpoint, this.#clock.wall());
    peer.retryAtMs.delete(endpoint);
    this.#totals.dialed++;
    return this.#admit(peer, "outbound", publicKey);
  }

  /** The dial, or the handshake after it, failed; the endpoint waits longer each time. @throws {P2pError} `peer_not_dialing` */
  dialFailed(address: NodeAddress, error: unknown): void {
    const { peer, endpoint } = this.#dials.end(address.id);
    this.#totals.dialFailed++;
    // A peer that has connected to us meanwhile may have refused the second connection: that says nothing of its endpoint.
    if (peer.link === undefined) {
      endpointFailed(endpoint, asError(error), this.#clock.wall());
      peer.failedAtMs = this.#clock.now();
      delayEndpoint(peer, endpoint, peer.failedAtMs + this.#dials.backoffMs(peer, endpoint.failures));
    }
    this.#book.keep(peer);
    this.#work();
  }

  /** A peer connected and proved its identity; its network was checked in the handshake. */
  accepted(id: Address, { publicKey, endpoints = [] }: AcceptedPeer = {}): Admission {
    if (id === this.#self) return this.#refuse(peerSelf(id));
    // A stranger enters the book only once it is sure of a place here.
    const candidate = this.#book.get(id) ?? newPeer(newPeerRecord(id), this.#book.wanted.has(id));
    this.#book.endBan(candidate);
    if (candidate.record.ban !== undefined) return this.#refuse(peerBanned(candidate.record, this.#clock.wall()));
    const room = candidate.link !== undefined ||
      this.#links.hasRoom(candidate, "inbound", this.#dials.count, this.#clock.now());
    const peer = room ? this.#book.obtain(id, false) : undefined;
    if (peer === undefined) return this.#refuse(peersFull(id, this.#options));
    for (const address of endpoints) {
      if (address.id === id) addEndpoint(peer.record, address, formatNodeAddress(address));
    }
    const admission = this.#admit(peer, "inbound", publicKey);
    if (admission.admitted) this.#totals.accepted++;
    return admission;
  }

  /** The connection carries messages now: subscribers hear `up`. `false` if the connection is gone or was replaced. */
  ready(id: Address, connection: number): boolean {
    const link = this.#link(id, connection);
    if (link === undefined || link.ready) return false;
    const now = this.#clock.now();
    link.ready = true;
    link.usedMs = now;
    link.peer.record.lastConnectedMs = this.#clock.wall();
    this.#book.keep(link.peer);
    this.#subscribers.publish({ id, status: "up" });
    this.#links.trim(now, link);
    this.#links.checkIdle(now + this.#options.idleMs);
    this.#work();
    return true;
  }

  /** The connection carried something that matters; it is not idle. O(1), for every message. */
  markUsed(id: Address): void {
    const link = this.#book.get(id)?.link;
    if (link !== undefined) link.usedMs = this.#clock.now();
  }

  /** The next connection to close, told once; answered with {@link disconnected}. */
  evictNext(): Eviction | undefined {
    const link = this.#links.nextEviction(this.#clock.now());
    if (link === undefined) return undefined;
    this.#totals.evicted++;
    return { id: link.peer.record.id, connection: link.connection, reason: link.eviction!.reason };
  }

  /** The connection is gone: subscribers hear `down` if it was ready. `false` if it was unknown or replaced, which is in order. */
  disconnected(id: Address, connection: number): boolean {
    const link = this.#link(id, connection);
    if (link === undefined) return false;
    const { peer } = link;
    const now = this.#clock.now();
    peer.flaps = link.ready && now - link.sinceMs >= this.#options.stableMs ? 0 : peer.flaps + 1;
    peer.restUntilMs = now + this.#dials.backoffMs(peer, Math.max(1, peer.flaps));
    this.#drop(link);
    this.#book.keep(peer);
    this.#work();
    return true;
  }

  /**
   * Moves a peer's score and keeps the reason. Ignored for unknown peers. `false` if the score is as low as it gets: its connection deserves no
   * patience, whoever it is. All but pinned peers are banned then too.
   *
   * @throws {RangeError} if the points are not above 0
   */
  report(id: Address, report: PeerReport): boolean {
    const peer = this.#book.get(id);
    if (peer === undefined) return true;
    applyReport(peer.record, report, this.#clock.wall());
    this.#book.keep(peer, { later: true });
    if (peer.record.score > SCORE_MIN) return true;
    if (!isPinned(peer) && peer.record.ban === undefined) {
      this.ban(id, this.#options.banMs, `score fell to ${SCORE_MIN}: ${report.reason}`);
    }
    return false;
  }

  /** Closes the connection with a peer and neither dials nor accepts it for `ms` milliseconds, persistent or not. Of two bans the later end counts; 0 lifts it. */
  ban(id: Address, ms: number, reason: string): void {
    if (id === this.#self) return;
    const peer = this.#book.obtain(id, false);
    if (peer === undefined) return;
    if (ms <= 0) peer.record.ban = undefined;
    else extendBan(peer.record, { untilMs: this.#clock.wall() + ms, reason });
    peer.requested &&= ms <= 0;
    this.#book.keep(peer);
    if (ms > 0) this.#evict(id, `banned: ${reason}`);
    else this.#work();
  }

  /** The peer is of another network: it is not dialled any more (persistent and wanted ones rarely), until it connects successfully. */
  inactivate(id: Address, reason: string): void {
    const peer = this.#book.get(id);
    if (peer === undefined) return;
    peer.record.inactive = reason;
    peer.requested = false;
    peer.restUntilMs = this.#clock.now() + this.#options.maxBackoffMs;
    this.#book.keep(peer);
    this.#evict(id, reason);
  }

  /** `up` for every ready peer, then `up` and `down` in order. `capacity` updates may wait; how a slow subscriber fares, {@link PeerUpdates} tells. */
  subscribe(capacity = 256): PeerUpdates {
    const up = [...this.#links.values()].filter((link) => link.ready).map((link) => link.peer.record.id);
    return this.#subscribers.subscribe(capacity, up);
  }

  /** Where the peer stands. */
  status(id: Address): PeerStatus {
    return statusOf(this.#book.get(id));
  }

  /** Why the peer is treated as it is; `undefined` if unknown. */
  explain(id: Address): PeerExplanation | undefined {
    const peer = this.#book.get(id);
    return peer && explainPeer(peer, this.#clock.now(), this.#clock.wall());
  }

  /** Every known peer's record; not to be changed. */
  *records(): Generator<Readonly<PeerRecord>, void, void> {
    for (const peer of this.#book.values()) yield peer.record;
  }

  /** Numbers of peers and of what happened to them. */
  counts(): PeerCounts {
    return { ...this.#links.tally(), ...this.#totals, known: this.#book.size, dialing: this.#dials.count };
  }

  /** Why peers are not being stored now (full disk); absent while all is well. The node goes on in memory meanwhile. */
  get storeFailure(): P2pError | undefined {
    return this.#writer.failure;
  }

  /** Milliseconds until {@link dialNext} or {@link evictNext} may have something if nothing else happens; 0: now, `undefined`: never. */
  nextWakeMs(): number | undefined {
    if (this.#dials.next() !== undefined) return 0;
    const at = Math.min(this.#book.nextDueMs(), this.#links.nextEvictionMs());
    return at === Infinity ? undefined : Math.max(0, at - this.#clock.now());
  }

  /** Writes what has not been stored and ends the subscriptions. The store stays open: its owner closes it. Idempotent. */
  close(): void {
    this.#subscribers.close();
    this.#writer.flush();
  }

  /** Closes. */
  [Symbol.dispose](): void {
    this.close();
  }

  #admit(peer: Peer, direction: Direction, publicKey: Uint8Array | undefined): Admission {
    const { record, link: old } = peer;
    const now = this.#clock.now();
    if (publicKey !== undefined) record.publicKey = publicKey;
    // The handshake compared the networks: what was said of the peer before no longer holds.
    record.inactive = undefined;
    this.#book.endBan(peer);
    if (record.ban !== undefined) {
      this.#book.keep(peer);
      return this.#refuse(peerBanned(record, this.#clock.wall()));
    }
    if (old !== undefined && old.eviction === undefined) {
      const oldAgeMs = now - old.sinceMs;
      const ends = { self: this.#self, remote: record.id, old: old.direction, new: direction };
      const stays = tieBreak({ ...ends, oldAgeMs, simultaneousMs: this.#options.simultaneousMs });
      if (stays === "old") {
        this.#book.keep(peer);
        return this.#refuse(peerDuplicate(record.id, old.direction));
      }
    }
    if (old !== undefined) this.#drop(old);
    const connection = ++this.#connections;
    peer.requested = false;
    peer.link = { peer, connection, direction, sinceMs: now, ready: false, usedMs: now, eviction: undefined };
    this.#links.add(peer.link);
    this.#book.keep(peer);
    this.#work();
    return { admitted: true, connection, replaces: old?.connection };
  }

  #drop(link: Link): void {
    link.peer.link = undefined;
    this.#links.remove(link);
    if (link.ready) this.#subscribers.publish({ id: link.peer.record.id, status: "down" });
  }

  #evict(id: Address, reason: string): void {
    this.#links.evict(this.#book.get(id)?.link, reason);
    this.#work();
  }

  #link(id: Address, connection: number): Link | undefined {
    const link = this.#book.get(id)?.link;
    return link?.connection === connection ? link : undefined;
  }

  #refuse(error: P2pError): Admission {
    this.#totals.refused++;
    return { admitted: false, error };
  }
}
