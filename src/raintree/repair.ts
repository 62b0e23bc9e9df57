import type { Cancel, Clock } from "../base/clock.ts";
import { ProtocolError } from "../base/errors.ts";
import { below, type Random } from "../base/random.ts";
import type { Address } from "../identity/address.ts";
import { Contested } from "./contested.ts";
import type { ControlSink } from "./control_outbox.ts";
import { Grievances } from "./grievances.ts";
import type { NonceDeduper } from "./dedup.ts";
import { nearestAlive, type RingSide } from "./nearest_alive.ts";
import { HELD } from "./nonce_marks.ts";
import { unpackNonce } from "./packed_nonces.ts";
import type { RecentMessage, RecentMessages } from "./recent_messages.ts";
import type { Ring } from "./ring.ts";
import { Served } from "./served.ts";
import { Wanted } from "./wanted.ts";

/** Options of {@link Repair}. Every duration is in milliseconds. */
export interface RepairOptions {
  /** Time. */
  clock: Clock;
  /** Whom to tell. */
  random: Random;
  /** This node. */
  self: Address;
  /** The staked peers now. */
  ring: () => Ring;
  /** Takes what is to be said. */
  sink: Pick<ControlSink, "offer" | "offerAll" | "want" | "deny">;
  /** The broadcasts that can be given to others. */
  recent: RecentMessages;
  /** The broadcasts that came here, marked as {@link HELD}, their payload forgotten or not. */
  nonces: Pick<NonceDeduper, "has" | "eachUnseen">;
  /** Whether a peer is known to be dead. */
  isDead(peer: Address): boolean;
  /** Peers with an open connection. */
  connected(): Iterable<Address>;
  /** Sends a broadcast to somebody who lacks it. */
  deliver(to: Address, message: RecentMessage): void;
  /** A peer broke the rules, and not by accident. */
  onMisbehaviour(from: Address, error: Error): void;
  /** Time between two digests; three to six times as much while many broadcasts come. Less repairs sooner, and costs frames. @default {50} */
  intervalMs?: number;
  /** How old a broadcast is before it is offered for the first time: by then the tree should be through. @default {200} */
  settleMs?: number;
  /** Rounds, one an interval, for which a contested broadcast is offered. @default {6} */
  rounds?: number;
}

/** Broadcasts offered at once to a peer that may have missed them, the newest first; those before them are offered {@link RECOVERY_MS} later. */
const RECOVERY_MAX = 2048;
/** Time between two such offers to one peer; who comes again sooner waits. */
const RECOVERY_MS = 2000;
/** Peers that a contested broadcast is offered to in every round. */
const FANOUT = 4;
/** More broadcasts than this in an interval are many: to tell a peer of a hundred takes one message, as it does for one, and a message costs what a delivery does. */
const BUSY = 8;
/** After many, new ones are offered only every so many intervals, so that a message tells of more; and in calm less often, as nobody waits for it. */
const BUSY_INTERVALS = 3;
const CALM_INTERVALS = 6;
/** It is calm when there was no hint of trouble for so long, milliseconds. */
const CALM_MS = 5000;
/** When calm ends, those of many that came so lately are offered as if it had ended before they came, milliseconds: they are still kept, where they are no more than a node may keep. */
const HINDSIGHT_MS = 1500;
/** Random peers that many are offered to where there is trouble; others to one. Who is alone among liars, three on each side, hears of a broadcast by chance alone. */
const BUSY_FANOUT = 3;
/**
 * So much later those behind the neighbours are told too, milliseconds. Who is alone behind a liar has that liar for a
 * neighbour; if the other one lies as well, nobody else may have told it.
 */
const FAR_MS = 400;
const BOTH_SIDES: readonly RingSide[] = [1, -1];
const TIDY_MS = 5000;

/**
 * Repair digests: every node tells a few others what it has, and who lacks it asks for it. This finds what acknowledgements cannot: the segment of a
 * node that acknowledged and forwarded nothing.
 *
 * Without trouble each broadcast is offered once, to the two ring neighbours and one random connected peer, and later, unless many come, to the two behind
 * the neighbours. On a hint of trouble (it came by repair, somebody wanted it from here, a segment of it was given up) it is contested:
 * offered to four random peers in each of `rounds` intervals, once in its life. For a while many are then offered to those behind the neighbours too, and to
 * two more random peers. A payload goes only to whom it was offered, once per offer and twice in all.
 */
export class Repair {
  readonly #options: RepairOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #self: Address;
  readonly #sink: Pick<ControlSink, "offer" | "offerAll" | "deny">;
  readonly #recent: RecentMessages;
  readonly #intervalMs: number;
  readonly #settleMs: number;
  readonly #wanted: Wanted;
  readonly #served: Served;
  readonly #grievances: Grievances;
  readonly #contested: Contested;
  /** When there was a hint of trouble last. */
  #troubledMs = -Infinity;
  readonly #recoveredAt = new Map<Address, number>();
  /** Who is offered more as soon as it is time, and below which number: everything where a peer came again too soon, or what is older than it was offered. */
  readonly #returning = new Map<Address, number>();
  /** Number of the first broadcast that was not offered yet. */
  #unoffered: number;
  /** The same for those behind the neighbours. */
  #unofferedFar: number;
  /** Whether many came lately. */
  #many = false;
  /** Intervals since something new was offered, if there was any. */
  #waited = 0;
  #tidiedMs = 0;
  #cancel: Cancel | undefined;
  #closed = false;

  /** What is in `recent` already is not offered. */
  constructor(options: RepairOptions) {
    const { clock, random, sink, recent, isDead, onMisbehaviour } = options;
    const { intervalMs = 50, settleMs = 200, rounds = 6 } = options;
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#self = options.self;
    this.#sink = sink;
    this.#recent = recent;
    this.#intervalMs = intervalMs;
    this.#settleMs = settleMs;
    this.#served = new Served(recent);
    this.#contested = new Contested(rounds);
    this.#wanted = new Wanted({ clock, random, sink, isDead, onMisbehaviour });
    this.#grievances = new Grievances(onMisbehaviour);
    this.#unoffered = this.#unofferedFar = recent.next;
  }

  /** How much is remembered, in entries of each table: what a test of "bounded" looks at. */
  get sizes(): { lacking: number; offerers: number; served: number; contested: number; recovered: number } {
    return {
      lacking: this.#wanted.size,
      offerers: this.#wanted.offerers,
      served: this.#served.entries,
      contested: this.#contested.size,
      recovered: this.#recoveredAt.size,
    };
  }

  /** A broadcast was new here and is among the recent ones now. Returns whether somebody had been asked for it. On the hot path. */
  got(message: RecentMessage, by: "tree" | "repair" | "own", from?: Address): boolean {
    if (this.#closed) return false;
    const asked = this.#wanted.size > 0 && this.#wanted.arrived(message.nonce, by === "tree", from);
    if (asked && by === "repair") this.#contest(message.sequence);
    this.#tickLater();
    return asked;
  }

  /** A peer sent a copy of what is here already: it may have been asked for it. */
  late(from: Address, nonce: bigint): void {
    this.#wanted.late(from, nonce);
  }

  /** There is reason to think that others lack this broadcast. */
  contest(nonce: bigint): void {
    const message = this.#recent.get(nonce);
    if (message !== undefined) this.#contest(message.sequence);
  }

  /** A peer has these, packed. On the hot path: nearly all of them are here too. */
  offered(from: Address, nonces: Uint8Array): void {
    if (this.#closed || !this.#staked(from)) return;
    this.#options.nonces.eachUnseen(nonces, (at) => this.#wanted.heard(from, unpackNonce(nonces, at)), HELD);
  }

  /** A peer has these and waits for an answer (`IGYW`). */
  asked(from: Address, nonces: readonly bigint[]): void {
    if (this.#closed || !this.#staked(from)) return;
    for (const nonce of nonces) {
      if (this.#options.nonces.has(nonce, HELD)) this.#sink.deny(from, nonce);
      else this.#wanted.heard(from, nonce, true);
    }
  }

  /** A peer lacks these, which were offered to it. */
  wanted(from: Address, nonces: readonly bigint[]): void {
    if (this.#closed) return;
    let refused = 0;
    for (const nonce of nonces) {
      const message = this.#recent.get(nonce);
      if (message === undefined) {
        // Offered and forgotten since, perhaps: nobody's fault.
        if (!this.#options.nonces.has(nonce, HELD)) refused++;
      } else if (this.#served.take(from, message.sequence)) {
        this.#options.deliver(from, message);
        this.#contest(message.sequence);
      } else {
        refused++;
      }
    }
    if (refused === 0) return;
    const message = `Peer ${from} wants broadcasts that it was not offered, or not again`;
    this.#grievances.add(from, refused, () => new ProtocolError("repair_not_offered", message));
  }

  /** A peer was handed a segment of this broadcast without the payload, which it may want as if it had been offered. */
  handed(to: Address, message: RecentMessage): void {
    this.#served.handed(to, message.sequence);
  }

  /** It wanted it, and has it now. */
  given(to: Address, message: RecentMessage): void {
    this.#served.given(to, message.sequence);
  }

  /** A peer was silent, or has just connected: it is offered all recent broadcasts, newest first, so many at a time. */
  recovered(peer: Address): void {
    if (this.#closed || peer === this.#self || !this.#options.ring().has(peer)) return;
    this.#offerBefore(peer, Infinity, this.#clock.now());
    this.#tickLater();
  }

  /** Says nothing any more; no timer is left. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#wanted.close();
  }

  /** Offers the latest of those below number `until` now or, if it was offered such a moment ago, when it is time; and then those before them. */
  #offerBefore(peer: Address, until: number, nowMs: number): void {
    this.#returning.set(peer, until);
    if (nowMs - (this.#recoveredAt.get(peer) ?? -Infinity) < RECOVERY_MS) return;
    const { oldest, next } = this.#recent;
    const end = Math.min(until, next);
    const from = Math.max(oldest, end - RECOVERY_MAX);
    if (from <= oldest) this.#returning.delete(peer);
    else this.#returning.set(peer, from);
    if (from >= end) return;
    this.#recoveredAt.set(peer, nowMs);
    this.#served.offeredRun(peer, from, end);
    for (let sequence = end - 1; sequence >= from; sequence--) {
      const message = this.#recent.at(sequence, nowMs);
      if (message !== undefined && !this.#served.taken(peer, sequence)) this.#sink.offer(peer, message.nonce);
    }
  }

  #staked(from: Address): boolean {
    if (this.#options.ring().has(from)) return true;
    const message = `Peer ${from} offers broadcasts and is not staked`;
    // One for all that it offers at once: who has joined at a height that is still to come here offers much, and will be staked soon.
    this.#grievances.add(from, 1, () => new ProtocolError("repair_not_staked", message));
    return false;
  }

  #contest(sequence: number): void {
    if (this.#closed) return;
    this.#troubledMs = this.#clock.now();
    this.#recent.needed();
    if (this.#contested.add(sequence)) this.#tickLater();
  }

  #tickLater(): void {
    if (!this.#closed) this.#cancel ??= this.#clock.after(this.#intervalMs, this.#tick);
  }

  readonly #tick = (): void => {
    this.#cancel = undefined;
    const nowMs = this.#clock.now();
    const ring = this.#options.ring();
    const self = ring.indexOf(this.#self);
    if (self < 0 || ring.size < 2) {
      // Nobody is a neighbour of who is not staked.
      this.#unoffered = this.#unofferedFar = this.#recent.next;
      this.#contested.clear();
      this.#returning.clear();
      return;
    }
    const isCalm = nowMs - this.#troubledMs >= CALM_MS;
    const rests = ++this.#waited < (!this.#many ? 1 : isCalm ? CALM_INTERVALS : BUSY_INTERVALS);
    const staked = rests && this.#contested.open === 0 ? [] : this.#connectedStaked(ring);
    if (!rests) {
      this.#offerSettled(ring, self, staked, nowMs);
      this.#offerFar(ring, self, staked, nowMs, this.#many && isCalm);
      this.#waited = 0;
    }
    this.#offerContested(ring, self, staked, nowMs);
    for (const [peer, until] of this.#returning) {
      // Who is dead will be told of everything when it is heard of.
      if (this.#options.isDead(peer) || !ring.has(peer)) this.#returning.delete(peer);
      else this.#offerBefore(peer, until, nowMs);
    }
    if (nowMs - this.#tidiedMs > TIDY_MS) this.#tidy(nowMs);
    const open = this.#unofferedFar < this.#recent.next || this.#contested.open > 0 || this.#returning.size > 0;
    if (open) this.#tickLater();
  };

  #offerSettled(ring: Ring, self: number, connected: Address[], nowMs: number): void {
    const from = Math.max(this.#unoffered, this.#recent.oldest);
    const until = this.#unoffered = this.#recent.endUpTo(from, nowMs - this.#settleMs);
    this.#many = until - from > BUSY * this.#waited;
    if (until === from) return;
    const peers = this.#neighbours(ring, self, 0);
    this.#draw(connected, 1, peers);
    this.#offerRun(peers, from, until);
  }

  /** To those behind the neighbours; many to more random peers too. While they are held back, only those of the last moments are. */
  #offerFar(ring: Ring, self: number, connected: Address[], nowMs: number, heldBack: boolean): void {
    const from = Math.max(this.#unofferedFar, this.#recent.oldest);
    const farMs = this.#settleMs + FAR_MS;
    const until = this.#recent.endUpTo(from, nowMs - (heldBack ? Math.max(HINDSIGHT_MS, farMs) : farMs));
    this.#unofferedFar = until;
    if (heldBack || until === from) return;
    const peers = this.#neighbours(ring, self, 1);
    // Also what is left of many at their end.
    if (until - from > BUSY) this.#draw(connected, BUSY_FANOUT - 1, peers);
    this.#offerRun(peers, from, until);
  }

  #offerRun(peers: Iterable<Address>, from: number, until: number): void {
    const nonces = this.#recent.nonces(from, until);
    for (const peer of peers) {
      this.#served.offeredRun(peer, from, until);
      this.#sink.offerAll(peer, nonces);
    }
  }

  #offerContested(ring: Ring, self: number, connected: Address[], nowMs: number): void {
    if (this.#contested.open === 0) return;
    const peers = new Set<Address>();
    // Most of them where a connection is; at least one anywhere, so that no group of nodes keeps to itself.
    this.#draw(connected, FANOUT - 1, peers);
    this.#drawAnywhere(ring, FANOUT, peers);
    const neighbours = this.#neighbours(ring, self, 0);
    this.#contested.round((sequence, first) => {
      const message = this.#recent.at(sequence, nowMs);
      if (message === undefined) return;
      if (first) {
        // What is missing is missing in a row: the neighbours at once.
        for (const peer of neighbours) if (!peers.has(peer)) this.#offer(peer, message);
      }
      for (const peer of peers) this.#offer(peer, message);
    });
  }

  #offer(peer: Address, message: RecentMessage): void {
    if (!this.#served.offered(peer, message.sequence)) this.#sink.offer(peer, message.nonce);
  }

  /** On both sides, the nearest that is not known to be dead and stands behind `skip` others that are not. */
  #neighbours(ring: Ring, self: number, skip: number): Set<Address> {
    const neighbours = new Set<Address>();
    for (const side of BOTH_SIDES) {
      let offset = nearestAlive(ring, self, side, this.#options.isDead);
      for (let i = 0; i < skip && offset !== 0; i++) {
        offset = nearestAlive(ring, self, side, this.#options.isDead, offset);
      }
      if (offset !== 0) neighbours.add(ring.at(self, offset));
    }
    return neighbours;
  }

  #connectedStaked(ring: Ring): Address[] {
    const { connected, isDead } = this.#options;
    const staked: Address[] = [];
    for (const peer of connected()) if (peer !== this.#self && ring.has(peer) && !isDead(peer)) staked.push(peer);
    return staked;
  }

  /** Adds up to `count` random ones of `from` to `drawn`. Shuffles what it took to the end of `from`. */
  #draw(from: Address[], count: number, drawn: Set<Address>): void {
    let left = from.length;
    const size = drawn.size + count;
    while (drawn.size < size && left > 0) {
      const at = below(this.#random, left--);
      const peer = from[at];
      from[at] = from[left];
      from[left] = peer;
      drawn.add(peer);
    }
  }

  /** Adds random peers of the ring until there are `size`, or it looks as if there were no more. */
  #drawAnywhere(ring: Ring, size: number, drawn: Set<Address>): void {
    for (let tries = 4 * size; tries > 0 && drawn.size < size; tries--) {
      const peer = ring.at(below(this.#random, ring.size));
      if (peer !== this.#self && !this.#options.isDead(peer)) drawn.add(peer);
    }
  }

  #tidy(nowMs: number): void {
    this.#tidiedMs = nowMs;
    this.#served.tidy();
    this.#contested.forgetBelow(this.#recent.oldest);
    for (const [peer, atMs] of this.#recoveredAt) if (nowMs - atMs >= RECOVERY_MS) this.#recoveredAt.delete(peer);
  }
}
