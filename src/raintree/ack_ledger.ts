import type { Cancel, Clock } from "../base/clock.ts";
import type { Address } from "../identity/address.ts";
import { AckAccount } from "./ack_account.ts";
import { BUSY_MS, LAZY_MS } from "./control_outbox.ts";
import type { RecentMessage } from "./recent_messages.ts";
import type { ReceiptKind } from "./receipts.ts";
import type { Ring } from "./ring.ts";

/** What was handed to a peer and is to be acknowledged. */
export interface Handover {
  /** The view that the broadcast goes by. */
  readonly ring: Ring;
  /** Whose it is now: an index of the ring. */
  readonly target: number;
  /** Exact: where the segment ends, 20 bytes. Absent in classic mode. */
  readonly until: Uint8Array | undefined;
  /** Classic: the level; 0 in exact mode. */
  readonly level: number;
  /** The broadcast. */
  readonly message: RecentMessage;
  /** To how many it was given before, in vain. */
  readonly tries: number;
  /** Without the payload: the target is thought to have it. */
  readonly bare: boolean;
  /** Whether the target is to confirm what becomes of the segment, and how. */
  readonly confirm: ReceiptKind | undefined;
}

/** Options of {@link AckLedger}. */
export interface AckLedgerOptions {
  /** Time. */
  clock: Clock;
  /** Least time that an acknowledgement has, milliseconds; while traffic goes on, as much more as acknowledgements then wait. @default {200} */
  floorMs?: number;
  /** Most time that an acknowledgement has, milliseconds. @default {2000} */
  ceilingMs?: number;
  /** A factor for every wait: more than 1 where this node has reason to doubt itself. @default {1} */
  doubt?: () => number;
  /** Number of the very first message, a uint32. @default {0} */
  firstSeq?: number;
  /** No acknowledgement came in time, or the connection ended before. The peer's first in a row of silences is `first`. */
  onSilent(peer: Address, handover: Handover, first: boolean): void;
}

/** How long the sweep sleeps; acknowledgements are late by up to twice this before anybody notices. */
const TICK_MS = 25;

/** Where no round trip was measured yet: a guess that holds around the world. */
const FIRST_ROUND_TRIP_MS = 250;

/** A peer without a connection is dialled first: this many round trips. */
const DIAL_ROUND_TRIPS = 4;

/** Hand-overs to one peer that are remembered at once; of more, the oldest count as silent with the next sweep. */
const OUTSTANDING_MAX = 16_384;

/** Numbers so far back, of the 2^32 that go round, are still to come. */
const NUMBERS_BACK_MAX = 2 ** 31;

const BACKOFF_MAX = 8;

/** Slow is silent too in the end, this many times the ceiling: what waits for an acknowledgement holds the broadcast in memory. */
const SLOW_CEILINGS = 4;

/**
 * Which peer owes an acknowledgement for which hand-over, and how long it may take: four deviations above the peer's mean round trip, between floor and
 * ceiling, doubled after a silence; as RFC 6298 for TCP, with room for acknowledgements that wait for company, as RFC 9002 has it. A peer that goes on acknowledging what came before is slow and not silent, up to four ceilings.
 *
 * Time is counted in sweeps: while this process itself is held up, nobody else becomes silent. Memory is held for peers that are connected or being
 * dialled, as long as whoever owns this tells of every connection that ends.
 */
export class AckLedger {
  readonly #options: Required<Omit<AckLedgerOptions, "firstSeq">>;
  readonly #accounts = new Map<Address, AckAccount<Handover>>();
  /** Those that owed something when they were last looked at, or do since. */
  readonly #debtors: AckAccount<Handover>[] = [];
  /** As many as were handed over so far, from `firstSeq` on: no account has come further. */
  #total: number;
  #nowMs = 0;
  #sweptMs = 0;
  #cancel: Cancel | undefined;
  #closed = false;
  /** Mean over the peers that were measured, for the others. */
  #roundTripMs = FIRST_ROUND_TRIP_MS;

  /** Nobody owes anything. */
  constructor(options: AckLedgerOptions) {
    const { floorMs = 200, ceilingMs = 2000, doubt = () => 1, firstSeq = 0 } = options;
    this.#options = { ...options, floorMs, ceilingMs, doubt };
    this.#total = firstSeq;
  }

  /** Peers of which anything is remembered. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Hand-overs that a peer has not acknowledged yet. */
  outstandingOf(peer: Address): number {
    return this.#accounts.get(peer)?.open ?? 0;
  }

  /** Notes a hand-over and returns the number under which it is to be acknowledged. On the hot path. */
  sent(to: Address, handover: Handover): number {
    const account = this.#accounts.get(to) ?? this.#account(to);
    if (account.open === 0) this.#owes(account);
    else if (account.span > account.mask) account.grow();
    const seq = account.next;
    const place = seq & account.mask;
    account.handovers[place] = handover;
    account.times[place] = this.#nowMs;
    account.open++;
    account.next = (seq + 1) >>> 0;
    this.#total++;
    return seq;
  }

  /** A peer acknowledges `count` messages from number `first`. Numbers that were never used do nothing; those that are settled say that the peer is there. */
  acked(from: Address, first: number, count: number): void {
    const account = this.#accounts.get(from);
    if (account === undefined) return;
    const { next, oldest, mask, handovers, span } = account;
    // Distances from the next number backwards, which no wrap-around disturbs.
    const back = (next - first) >>> 0;
    if (count > back || back > NUMBERS_BACK_MAX) return;
    const left = back - count;
    const end = (next - left) >>> 0;
    account.progressMs = this.#nowMs;
    account.heardMs = this.#options.clock.now();
    if (left < ((next - account.acked) >>> 0)) account.acked = end;
    // Of those taken for silent too, as long as their time is known: otherwise nothing is ever learned of a peer that has become slower. Who says so
    // twice is given more time, up to the ceiling, as if he had been late.
    if (left >= span) {
      if (left <= mask) account.answered((end - 1) & mask, this.#nowMs);
      return;
    }
    let newest = -1;
    for (let seq = back > span ? oldest : first; seq !== end; seq = (seq + 1) >>> 0) {
      const place = seq & mask;
      if (handovers[place] === undefined) continue;
      handovers[place] = undefined;
      account.open--;
      newest = place;
    }
    if (newest < 0) return;
    account.answered(newest, this.#nowMs);
    account.skipGaps();
  }

  /** Takes a hand-over out of the books that is not acknowledged yet. */
  reclaim(peer: Address, seq: number): Handover | undefined {
    const account = this.#accounts.get(peer);
    if (account === undefined || (seq - account.oldest) >>> 0 >= account.span) return undefined;
    const place = seq & account.mask;
    const handover = account.handovers[place];
    if (handover === undefined) return undefined;
    account.handovers[place] = undefined;
    account.open--;
    account.skipGaps();
    return handover;
  }

  /**
   * A round trip to a peer that has just connected, milliseconds: its mean begins anew with it, as acknowledgements of what waited for the
   * connection say little of the way. They have their time from now on.
   */
  measured(peer: Address, ms: number): void {
    const account = this.#accounts.get(peer) ?? this.#account(peer);
    account.roundTripMs = 0;
    account.heardMs = -Infinity;
    account.progressMs = account.connectedMs = this.#nowMs;
    account.measure(Math.min(ms, this.#options.ceilingMs));
    // From here alone: of acknowledgements, one peer can send any number.
    this.#roundTripMs += (account.roundTripMs - this.#roundTripMs) / 8;
  }

  /** The peer's connection ended: what it owes it will not pay, and nothing is remembered of it. */
  gone(peer: Address): void {
    const account = this.#accounts.get(peer);
    if (account === undefined) return;
    this.#accounts.delete(peer);
    this.#tell(peer, account.take(() => true));
  }

  /** The mean round trip to a peer, milliseconds. Where it was not measured, that to the others; for one that is not connected, what dialling takes. */
  roundTripMs(peer: Address, isConnected: () => boolean): number {
    return this.#accounts.get(peer)?.roundTripMs || (isConnected() ? 1 : DIAL_ROUND_TRIPS) * this.#roundTripMs;
  }

  /** How long an acknowledgement of the peer may take now, milliseconds. */
  timeoutMs(peer: Address): number {
    return this.#timeoutMs(this.#accounts.get(peer));
  }

  /** Remembers nothing and never calls back again. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#accounts.clear();
    this.#debtors.length = 0;
  }

  /** A new account. It begins behind the total, which no number that the peer may have had before has reached. */
  #account(peer: Address): AckAccount<Handover> {
    const account = new AckAccount<Handover>(peer, this.#total >>> 0);
    if (!this.#closed) this.#accounts.set(peer, account);
    return account;
  }

  #owes(account: AckAccount<Handover>): void {
    account.progressMs = this.#nowMs;
    if (account.listed || this.#closed) return;
    account.listed = true;
    this.#debtors.push(account);
    this.#cancel ??= this.#sweepLater();
  }

  #timeoutMs(account: AckAccount<Handover> | undefined): number {
    const { floorMs, ceilingMs, doubt } = this.#options;
    const known = account !== undefined && account.roundTripMs > 0;
    // A peer may begin at any time to wait with acknowledgements, and then all of them take that much longer.
    const ms = known
      ? account.roundTripMs + Math.max(LAZY_MS, 4 * account.deviationMs) + TICK_MS
      : DIAL_ROUND_TRIPS * this.#roundTripMs;
    const busy = known && this.#options.clock.now() - account.heardMs < 2 * BUSY_MS;
    const leastMs = busy ? floorMs + LAZY_MS : floorMs;
    return Math.min(ceilingMs, Math.max(leastMs, ms) * (account?.backoff ?? 1) * doubt());
  }

  #sweepLater(): Cancel {
    this.#sweptMs = this.#options.clock.now();
    return this.#options.clock.after(TICK_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#nowMs += Math.min(2 * TICK_MS, this.#options.clock.now() - this.#sweptMs);
    const silent: [peer: Address, handovers: Handover[]][] = [];
    let kept = 0;
    for (const account of this.#debtors) {
      const handovers = account.open === 0 ? [] : this.#collect(account);
      if (handovers.length > 0) silent.push([account.peer, handovers]);
      if (account.open > 0) this.#debtors[kept++] = account;
      else account.rest();
    }
    this.#debtors.length = kept;
    this.#cancel = kept > 0 ? this.#sweepLater() : undefined;
    // Last: these hand over again, perhaps to the same peers.
    for (const [peer, handovers] of silent) this.#tell(peer, handovers);
  }

  /** Takes what has waited too long. */
  #collect(account: AckAccount<Handover>): Handover[] {
    const nowMs = this.#nowMs;
    const { next, acked } = account;
    const timeoutMs = this.#timeoutMs(account);
    const stuck = nowMs - account.progressMs > timeoutMs;
    const limitMs = SLOW_CEILINGS * this.#options.ceilingMs;
    let latestMs = -1;
    const handovers = account.take((seq, atMs) => {
      const back = (next - seq) >>> 0;
      const passedOver = back > ((next - acked) >>> 0);
      const waitedMs = nowMs - atMs;
      const over = waitedMs > timeoutMs && (stuck || passedOver || waitedMs > limitMs);
      if (over) latestMs = atMs;
      return over || back > OUTSTANDING_MAX;
    });
    // Once for all that was under way meanwhile: it waits twice as long and not eight times.
    if (latestMs >= account.backedOffMs) {
      account.backoff = Math.min(BACKOFF_MAX, 2 * account.backoff);
      account.backedOffMs = nowMs;
    }
    return handovers;
  }

  #tell(peer: Address, handovers: readonly Handover[]): void {
    let first = true;
    for (const handover of handovers) {
      if (this.#closed) return;
      this.#options.onSilent(peer, handover, first);
      first = false;
    }
  }
}
