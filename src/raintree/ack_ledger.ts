import type { Cancel, Clock } from "../base/clock.ts";
import type { Address } from "../identity/address.ts";
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
  /** Whether the target is to confirm what becomes of the segment, and how. */
  readonly confirm: ReceiptKind | undefined;
}

/** Options of {@link AckLedger}. */
export interface AckLedgerOptions {
  /** Time. */
  clock: Clock;
  /** Least time that an acknowledgement has, milliseconds. @default {200} */
  floorMs?: number;
  /** Most time that an acknowledgement has, milliseconds. @default {2000} */
  ceilingMs?: number;
  /** A factor for every wait: more than 1 where this node has reason to doubt itself. @default {1} */
  doubt?: () => number;
  /** No acknowledgement came in time, or the connection ended before. The peer's first in a row of silences is `first`. */
  onSilent(peer: Address, handover: Handover, first: boolean): void;
}

/** How long the sweep sleeps; acknowledgements are late by up to twice this before anybody notices. */
const TICK_MS = 25;

/** Where no round trip was measured yet: a guess that holds around the world. */
const FIRST_ROUND_TRIP_MS = 250;

/** A peer without a connection is dialled first: this many round trips. */
const DIAL_ROUND_TRIPS = 4;

/** Hand-overs to one peer that are remembered at once; of more, the oldest count as silent at once. */
const OUTSTANDING_MAX = 16_384;

const BACKOFF_MAX = 8;

interface Sent {
  readonly handover: Handover;
  /** On the ledger's own clock. */
  readonly atMs: number;
}

class Account {
  /** Number of the next message. */
  next = 0;
  /** Those sent last, up to number `next - 1`; what was acknowledged leaves a gap. */
  sent: (Sent | undefined)[] = [];
  /** Where the oldest stands that still counts. */
  head = 0;
  open = 0;
  /** One behind the place of the latest that was acknowledged. */
  acked = 0;
  /** When the peer last acknowledged something, on the ledger's own clock. */
  progressMs = -Infinity;
  roundTripMs = 0;
  deviationMs = 0;
  backoff = 1;
}

/**
 * Which peer owes an acknowledgement for which hand-over, and how long it may take: four deviations above the peer's mean round trip, between floor and
 * ceiling, doubled after a silence. (As RFC 6298 for TCP.) A peer that goes on acknowledging what came before is slow and not silent.
 *
 * Time is counted in sweeps: while this process itself is held up, nobody else becomes silent.
 */
export class AckLedger {
  readonly #options: Required<AckLedgerOptions>;
  readonly #accounts = new Map<Address, Account>();
  /** Those that owe something. */
  readonly #debtors = new Map<Address, Account>();
  #nowMs = 0;
  #sweptMs = 0;
  #cancel: Cancel | undefined;
  /** Mean over all peers, for those not measured. */
  #roundTripMs = FIRST_ROUND_TRIP_MS;

  /** Nobody owes anything. */
  constructor(options: AckLedgerOptions) {
    const { floorMs = 200, ceilingMs = 2000, doubt = () => 1 } = options;
    this.#options = { ...options, floorMs, ceilingMs, doubt };
  }

  /** Hand-overs that a peer has not acknowledged yet. */
  outstandingOf(peer: Address): number {
    return this.#debtors.get(peer)?.open ?? 0;
  }

  /** Notes a hand-over and returns the number under which it is to be acknowledged. On the hot path. */
  sent(to: Address, handover: Handover): number {
    let account = this.#accounts.get(to);
    if (account === undefined) this.#accounts.set(to, account = new Account());
    if (account.open === 0) {
      account.sent = [];
      account.head = 0;
      account.acked = 0;
      account.progressMs = this.#nowMs;
      this.#debtors.set(to, account);
      this.#cancel ??= this.#sweepLater();
    }
    account.sent.push({ handover, atMs: this.#nowMs });
    account.open++;
    const seq = account.next;
    account.next = (seq + 1) >>> 0;
    return seq;
  }

  /** A peer acknowledges `count` messages from number `first`. Numbers that are settled, or were never used, do nothing: they can only have been the peer's own. */
  acked(from: Address, first: number, count: number): void {
    const account = this.#debtors.get(from);
    if (account === undefined) return;
    const { sent, next } = account;
    // The distance from the next number backwards, which no wrap-around disturbs.
    const back = (next - first) >>> 0;
    if (count > back) return;
    const end = sent.length - back + count;
    let newest: Sent | undefined;
    for (let at = Math.max(account.head, end - count); at < end; at++) {
      const entry = sent[at];
      if (entry === undefined) continue;
      sent[at] = undefined;
      account.open--;
      newest = entry;
    }
    account.progressMs = this.#nowMs;
    account.acked = Math.max(account.acked, end);
    if (newest !== undefined) {
      account.backoff = 1;
      this.#measure(account, this.#nowMs - newest.atMs);
    }
    if (account.open === 0) this.#debtors.delete(from);
    else this.#skip(account);
  }

  /** A round trip to the peer that was measured otherwise, milliseconds. */
  measured(peer: Address, ms: number): void {
    let account = this.#accounts.get(peer);
    if (account === undefined) this.#accounts.set(peer, account = new Account());
    this.#measure(account, ms);
  }

  /** The peer's connection ended: what it owes it will not pay. */
  gone(peer: Address): void {
    const account = this.#accounts.get(peer);
    if (account === undefined) return;
    const { sent, head } = account;
    account.sent = [];
    account.open = 0;
    account.roundTripMs = 0;
    this.#debtors.delete(peer);
    let first = true;
    for (const entry of sent.slice(head)) {
      if (entry === undefined) continue;
      this.#options.onSilent(peer, entry.handover, first);
      first = false;
    }
  }

  /** The mean round trip to a peer, milliseconds; for one that has to be dialled, the dialling included. */
  roundTripMs(peer: Address): number {
    return this.#accounts.get(peer)?.roundTripMs || DIAL_ROUND_TRIPS * this.#roundTripMs;
  }

  /** How long an acknowledgement of the peer may take now, milliseconds. */
  timeoutMs(peer: Address): number {
    return this.#timeoutMs(this.#accounts.get(peer));
  }

  /** Remembers nothing and never calls back again. Idempotent. */
  close(): void {
    this.#cancel?.();
    this.#accounts.clear();
    this.#debtors.clear();
  }

  #timeoutMs(account: Account | undefined): number {
    const { floorMs, ceilingMs, doubt } = this.#options;
    const known = account !== undefined && account.roundTripMs > 0;
    const ms = known ? account.roundTripMs + 4 * account.deviationMs + TICK_MS : DIAL_ROUND_TRIPS * this.#roundTripMs;
    return Math.min(ceilingMs, Math.max(floorMs, ms) * (account?.backoff ?? 1) * doubt());
  }

  #measure(account: Account, ms: number): void {
    const sample = Math.max(1, ms);
    if (account.roundTripMs === 0) {
      account.roundTripMs = sample;
      account.deviationMs = sample / 4;
    } else {
      account.deviationMs += (Math.abs(sample - account.roundTripMs) - account.deviationMs) / 4;
      account.roundTripMs += (sample - account.roundTripMs) / 8;
    }
    this.#roundTripMs += (sample - this.#roundTripMs) / 8;
  }

  /** Leaves the settled ones at the head behind. */
  #skip(account: Account): void {
    const { sent } = account;
    while (account.head < sent.length && sent[account.head] === undefined) account.head++;
    if (account.head < 1024 || account.head < sent.length / 2) return;
    account.sent = sent.slice(account.head);
    account.acked -= account.head;
    account.head = 0;
  }

  #sweepLater(): Cancel {
    this.#sweptMs = this.#options.clock.now();
    return this.#options.clock.after(TICK_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#nowMs += Math.min(2 * TICK_MS, this.#options.clock.now() - this.#sweptMs);
    this.#cancel = undefined;
    for (const [peer, account] of [...this.#debtors]) this.#collect(peer, account);
    if (this.#debtors.size > 0) this.#cancel ??= this.#sweepLater();
  }

  #collect(peer: Address, account: Account): void {
    const timeoutMs = this.#timeoutMs(account);
    const stuck = this.#nowMs - account.progressMs > timeoutMs;
    const silent: Handover[] = [];
    for (let at = account.head; at < account.sent.length; at++) {
      const entry = account.sent[at];
      if (entry === undefined) continue;
      const waited = this.#nowMs - entry.atMs > timeoutMs && (stuck || at < account.acked);
      if (!waited && account.open <= OUTSTANDING_MAX) break;
      account.sent[at] = undefined;
      account.open--;
      silent.push(entry.handover);
    }
    if (silent.length === 0) return;
    account.backoff = Math.min(BACKOFF_MAX, 2 * account.backoff);
    if (account.open === 0) this.#debtors.delete(peer);
    else this.#skip(account);
    // Last: these hand over again, perhaps to the same peer.
    for (let i = 0; i < silent.length; i++) this.#options.onSilent(peer, silent[i], i === 0);
  }
}
