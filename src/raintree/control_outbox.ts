import type { Cancel, Clock } from "../base/clock.ts";
import type { Address } from "../identity/address.ts";
import {
  type AckRun,
  CONTROL_ACKED_MAX,
  CONTROL_ENTRIES_MAX,
  type Duty,
  encodeControlMessage,
  type Receipt,
} from "./control_message.ts";
import { NONCE_BYTES } from "./packed_nonces.ts";

/** What a layer may tell other nodes. Nothing of it waits for an answer, and everything may be lost. */
export interface ControlSink {
  /** "I have this broadcast": wanted or not answered. */
  offer(to: Address, nonce: bigint): void;
  /** The same of many, packed, which nobody may change any more; it can wait. On the hot path. */
  offerAll(to: Address, nonces: Uint8Array): void;
  /** "I have this broadcast, do you?" (`IGYW`) */
  ask(to: Address, nonce: bigint): void;
  /** "I lack it." (`IGYW_AFF`) */
  want(to: Address, nonce: bigint): void;
  /** "I have it." (`IGYW_NEG`) */
  deny(to: Address, nonce: bigint): void;
  /** "This is what became of the part you handed me." */
  receipt(to: Address, receipt: Receipt): void;
  /** "Are you there?" */
  probe(to: Address): void;
}

/** Options of {@link ControlOutbox}. */
export interface ControlOutboxOptions {
  /** Time. */
  clock: Clock;
  /** Takes a finished message. `dials`: it is worth a connection of its own; otherwise it goes only where one is. */
  send(to: Address, message: Uint8Array, dials: boolean): void;
}

/** What was said so far, in entries; plain numbers, read when scraped. */
export interface ControlCounts {
  /** Messages acknowledged. */
  acks: number;
  /** Broadcasts offered. */
  offers: number;
  /** Broadcasts asked about (`IGYW`). */
  asks: number;
  /** Broadcasts wanted. */
  wants: number;
  /** Broadcasts that were asked about and are here. */
  denials: number;
  /** Receipts. */
  receipts: number;
  /** Segments handed over without the payload. */
  duties: number;
  /** Questions whether a peer is there. */
  probes: number;
  /** Control messages that all of it took. */
  messages: number;
  /** Bytes of those. */
  bytes: number;
}

/** How long small messages wait for company, milliseconds. */
export const FLUSH_MS = 20;

/** While traffic goes on, acknowledgements and whole digests wait this long, milliseconds: each message takes a record and a write, however little it says. */
export const LAZY_MS = 60;

/** Traffic goes on if something was said within this time, milliseconds. */
export const BUSY_MS = 250;

/** Ranges and signatures in the receipts of one message, beside its last: each receipt may be hundreds of kilobytes itself. */
const RECEIPT_PARTS_MAX = 1024;

const NOTHING = new Uint8Array();

/** Bytes of offers in one message. */
const OFFERED_MAX = NONCE_BYTES * CONTROL_ENTRIES_MAX;

class Draft {
  acks: AckRun[] = [];
  /** How many those acknowledge. */
  acked = 0;
  offers: Uint8Array = NOTHING;
  /** How much of `offers` is filled. */
  offered = 0;
  asks: bigint[] = [];
  wants: bigint[] = [];
  denials: bigint[] = [];
  receipts: Receipt[] = [];
  /** How large those are. */
  receiptParts = 0;
  duties: Duty[] = [];
  probe = false;
  alive = false;
  dials = false;
  /** Whether somebody waits for what it says. */
  urgent = false;

  /** Makes room for as many bytes of offers, and returns where it begins. */
  offer(bytes: number): number {
    const at = this.offered;
    this.offered += bytes;
    if (this.offered > this.offers.length) {
      const more = new Uint8Array(Math.max(this.offered, Math.min(2 * this.offers.length, OFFERED_MAX)));
      more.set(this.offers);
      this.offers = more;
    }
    return at;
  }

  /** Offers all of them. Those that are the first are not copied: the memory is full, so nothing is ever written to it. */
  offerAll(nonces: Uint8Array): void {
    if (this.offered === 0) {
      this.offers = nonces;
      this.offered = nonces.length;
    } else {
      const at = this.offer(nonces.length); // first: it may replace the memory
      this.offers.set(nonces, at);
    }
  }
}

/**
 * Collects what is to be said to each peer and says it in one message per peer, a little later: under load an acknowledgement costs a few bytes and
 * no write of its own. Acknowledgements and whole digests can wait, and wait longer while traffic goes on; all else goes within {@link FLUSH_MS}, and takes along
 * what waits for the same peer. A list that is full makes its message go at once, so nothing here grows.
 */
export class ControlOutbox implements ControlSink {
  /** Counters. */
  readonly counts: ControlCounts = {
    acks: 0,
    offers: 0,
    asks: 0,
    wants: 0,
    denials: 0,
    receipts: 0,
    duties: 0,
    probes: 0,
    messages: 0,
    bytes: 0,
  };
  readonly #options: ControlOutboxOptions;
  readonly #drafts = new Map<Address, Draft>();
  #cancelUrgent: Cancel | undefined;
  #cancelLazy: Cancel | undefined;
  /** When something that can wait was said last. */
  #flushedMs = -Infinity;
  #closed = false;

  /** Nothing to say. */
  constructor(options: ControlOutboxOptions) {
    this.#options = options;
  }

  /** Acknowledges message `seq` of a peer. On the hot path: in a row, they lengthen one run. */
  ack(to: Address, seq: number): void {
    const draft = this.#lazyDraft(to);
    const { acks } = draft;
    this.counts.acks++;
    const last = acks.length === 0 ? undefined : acks[acks.length - 1];
    if (last !== undefined && ((last.first + last.count) >>> 0) === seq) last.count++;
    else acks.push({ first: seq, count: 1 });
    if (++draft.acked === CONTROL_ACKED_MAX || acks.length === CONTROL_ENTRIES_MAX) this.#flush(to);
  }

  /** See {@link ControlSink}. */
  offer(to: Address, nonce: bigint): void {
    const draft = this.#draft(to);
    draft.dials = true;
    this.counts.offers++;
    const at = draft.offer(NONCE_BYTES);
    new DataView(draft.offers.buffer).setBigUint64(at, nonce);
    if (draft.offered === OFFERED_MAX) this.#flush(to);
  }

  /** See {@link ControlSink}. */
  offerAll(to: Address, nonces: Uint8Array): void {
    this.counts.offers += nonces.length / NONCE_BYTES;
    for (let from = 0; from < nonces.length;) {
      const draft = this.#lazyDraft(to);
      draft.dials = true;
      const part = nonces.subarray(from, from + OFFERED_MAX - draft.offered);
      draft.offerAll(part);
      from += part.length;
      if (draft.offered === OFFERED_MAX) this.#flush(to);
    }
  }

  /** See {@link ControlSink}. */
  ask(to: Address, nonce: bigint): void {
    const draft = this.#draft(to);
    draft.dials = true;
    this.counts.asks++;
    this.#push(to, draft.asks, nonce);
  }

  /** See {@link ControlSink}. */
  want(to: Address, nonce: bigint): void {
    this.counts.wants++;
    this.#push(to, this.#draft(to).wants, nonce);
  }

  /** See {@link ControlSink}. */
  deny(to: Address, nonce: bigint): void {
    this.counts.denials++;
    this.#push(to, this.#draft(to).denials, nonce);
  }

  /** See {@link ControlSink}. */
  receipt(to: Address, receipt: Receipt): void {
    const draft = this.#draft(to);
    draft.dials = true;
    this.counts.receipts++;
    draft.receipts.push(receipt);
    draft.receiptParts += 1 + receipt.missing.length + receipt.signatures.length;
    if (draft.receiptParts >= RECEIPT_PARTS_MAX) this.#flush(to);
  }

  /** Hands a segment over, at once: others wait behind it. */
  duty(to: Address, duty: Duty): void {
    const draft = this.#draft(to);
    draft.dials = true;
    draft.duties.push(duty);
    this.counts.duties++;
    this.#flush(to);
  }

  /** See {@link ControlSink}. */
  probe(to: Address): void {
    const draft = this.#draft(to);
    draft.dials = true;
    draft.probe = true;
    this.counts.probes++;
    // At once, like the answer: the time between is taken for the round trip.
    this.#flush(to);
  }

  /** Answers a probe. */
  alive(to: Address): void {
    this.#draft(to).alive = true;
    this.#flush(to);
  }

  /** The peer's connection ended: what was not said yet is about things of the past. */
  forget(peer: Address): void {
    this.#drafts.delete(peer);
  }

  /** Says everything now. */
  flush(): void {
    this.#cancelUrgent?.();
    this.#cancelLazy?.();
    this.#cancelUrgent = this.#cancelLazy = undefined;
    this.#flushedMs = this.#options.clock.now();
    for (const peer of [...this.#drafts.keys()]) this.#flush(peer);
  }

  /** Says nothing any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancelUrgent?.();
    this.#cancelLazy?.();
    this.#drafts.clear();
  }

  /** For what somebody waits for. */
  #draft(to: Address): Draft {
    const draft = this.#drafts.get(to) ?? this.#newDraft(to);
    if (draft.urgent || this.#closed) return draft;
    draft.urgent = true;
    this.#cancelUrgent ??= this.#options.clock.after(FLUSH_MS, () => this.#flushUrgent());
    return draft;
  }

  /** For what can wait. On the hot path. */
  #lazyDraft(to: Address): Draft {
    const draft = this.#drafts.get(to) ?? this.#newDraft(to);
    if (this.#cancelLazy === undefined && !this.#closed) this.#flushLater();
    return draft;
  }

  #newDraft(to: Address): Draft {
    const draft = new Draft();
    if (!this.#closed) this.#drafts.set(to, draft);
    return draft;
  }

  #flushLater(): void {
    const { clock } = this.#options;
    const waitMs = clock.now() - this.#flushedMs < BUSY_MS ? LAZY_MS : FLUSH_MS;
    this.#cancelLazy = clock.after(waitMs, () => this.flush());
  }

  #flushUrgent(): void {
    this.#cancelUrgent = undefined;
    for (const [peer, { urgent }] of [...this.#drafts]) if (urgent) this.#flush(peer);
  }

  #push<T>(to: Address, list: T[], entry: T): void {
    list.push(entry);
    if (list.length === CONTROL_ENTRIES_MAX) this.#flush(to);
  }

  #flush(to: Address): void {
    const draft = this.#drafts.get(to);
    if (draft === undefined) return;
    this.#drafts.delete(to);
    draft.offers = draft.offers.subarray(0, draft.offered);
    const bytes = encodeControlMessage(draft);
    this.counts.messages++;
    this.counts.bytes += bytes.length;
    this.#options.send(to, bytes, draft.dials);
  }
}
