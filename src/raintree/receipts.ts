import type { Cancel, Clock } from "../base/clock.ts";
import { dropOldest } from "../base/drop_oldest.ts";
import { asError, P2pError } from "../base/errors.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import { type Address, addressFromBytes } from "../identity/address.ts";
import type { NodeKey } from "../identity/node_key.ts";
import type { Receipt } from "./control_message.ts";
import { type ControlSink, FLUSH_MS } from "./control_outbox.ts";
import type { Vouched } from "./held_signatures.ts";
import { type Asker, OpenReceipt } from "./open_receipt.ts";
import { receiptText, SignatureQueue, signReceipt } from "./receipt_signatures.ts";
import type { Ring } from "./ring.ts";
import { maxLevels } from "./tree.ts";
import type { Unsure } from "./unsure.ts";

/** What became of a broadcast, as far as its sender was told. `reached + missing.length` is one less than the ring it began with. */
export interface ReceiptOutcome {
  /** Peers that confirmed. */
  readonly reached: number;
  /** Peers that did not, in ring order behind the sender: dead, cut off, late, or without somebody to confirm for them. */
  readonly missing: readonly Address[];
  /** Milliseconds from the sending to this result. */
  readonly elapsedMs: number;
}

/** What a receipt is worth: the word of the nodes between, or a signature of everybody. See {@link Receipts}. */
export type ReceiptKind = "claims" | "signed";

/** What a node is to confirm. */
export interface ReceiptDuty {
  /** Who handed it over; `undefined` at the originator. */
  readonly parent: Address | undefined;
  /** How long the parent waits, from now, milliseconds. */
  readonly budgetMs: number;
  /** The payload (the encoded `PocketEnvelope`) where signatures are wanted; absent where claims will do. */
  readonly signedPayload?: Uint8Array;
  /** Who is named as missing whatever comes, and not signed for. @default {nobody} */
  readonly unsure?: Unsure;
  /** The view that the broadcast goes by. */
  readonly ring: Ring;
  /** This node's place in it. */
  readonly index: number;
  /** Where the segment ends, 20 bytes; the own address at the originator. Copied. */
  readonly until: Uint8Array;
  /** At the originator: takes the result, once. */
  readonly onDone?: (outcome: ReceiptOutcome) => void;
}

/** Options of {@link Receipts}. */
export interface ReceiptsOptions {
  /** Time. */
  clock: Clock;
  /** What carries receipts to parents. */
  sink: Pick<ControlSink, "receipt">;
  /** The round trip to a peer, milliseconds, or a guess where it was not measured; for one that has to be dialled, the dialling included. */
  roundTripMs(peer: Address): number;
  /** Whether a peer is taken for dead; see {@link Receipts.died}. */
  isDead(peer: Address): boolean;
  /** A peer sent a receipt that is the answer to no question. */
  onMisbehaviour(from: Address, error: Error): void;
  /** Whose signatures these are: part of what is signed. */
  network: string;
  /** What this node signs with. @default {it does not sign, and signed receipts name it as missing} */
  key?: NodeKey;
  /** Broadcasts of this node that wait for receipts at once, and as many again of others. When full, the oldest of whoever asks for the most is answered with what there is. @default {256} */
  openMax?: number;
  /** The longest that a parent is believed to wait, milliseconds. @default {60_000} */
  budgetMsMax?: number;
  /** The largest ring for which signatures are collected. 96 bytes for each node travel up the tree, and the originator verifies all: some 0.7 s for 4,096. @default {4096} */
  signedRingMax?: number;
}

/** Signatures for one parent. Each takes some 20 µs and more bytes than the question for it, which may be invented; without one this node counts as missing. */
const SIGNATURES = { burst: 256, perSecond: 64 };

/** Parents whose signatures are counted; of more, the one that began the longest ago begins anew. */
const SIGNERS_MAX = 256;

/**
 * Ranges and signatures of others held for all duties together, 170 to 500 bytes each. Of more, duties are answered with what there is and forgotten, as when too many
 * are open: of whoever makes this node hold the most.
 */
const HELD_MAX = 65_536;

/** Share of the remaining time that a node keeps for itself when it asks its children. */
const MARGIN_SHARE = 0.1;

/** What a receipt may wait in the control outboxes of two nodes. */
const OUTBOX_MS = 2 * FLUSH_MS;

/**
 * Tells the originator of a broadcast who received it. Every node sends one receipt to the parent that handed it a segment: when all its children have
 * confirmed theirs, or when the time is over that the parent gave. It names as missing whatever nobody confirmed, as ranges of addresses; so N
 * small messages in all, and O(log N) at the originator. Exact mode only: classic messages hand over no segments.
 *
 * Per duty, in this order and in one turn: {@link begin}, {@link handedOver} for each hand-over, {@link served}. Later, as it happens: {@link adjusted}, {@link died},
 * {@link confirmed}. A node that is asked by several parents, as after a silence that was none, answers each.
 *
 * What a node that lies can do, in both modes:
 * - name as missing anybody in the segment it was handed, itself included, or say nothing, which names the whole segment;
 * - nothing about anybody outside of that segment: such a receipt is ignored, and so is one of a peer that was handed nothing. Its sender is penalised only where no earlier
 *   question explains it: whoever asks can have this node forget a question before the children have answered, and ask for something else.
 *
 * Claims: a receipt is the word of the child for its whole segment. A child that lies can also say of everybody in it that they were reached, without
 * having passed anything on, and alter whatever comes up through it. Believe a claim as far as you believe all nodes between.
 *
 * Signed: each node signs network, nonce and digest of the payload, and the originator counts only those whose signature it has verified itself, whatever was claimed.
 * So nobody can make a node appear as reached whose key he does not hold. A signature proves that the key's holder knew the payload's digest: of an
 * honest node, that it received the payload; a node that lies may sign without passing anything on, or have its key used by an accomplice.
 * A node between can still withhold signatures, or put broken ones in their place: that makes nodes of its segment missing that are not.
 *
 * A node that got another payload under the nonce first, or cannot tell any more, names itself as missing and signs nothing; where it keeps the other one, and so passes that
 * on, it claims nothing of its segment either. It cannot know which payload those have to whom a segment was handed without one.
 *
 * In both modes a claim goes by the view of who makes it: in claims mode, a peer that only the originator knows is not named as missing by a node that answers for its
 * part of the ring without knowing it. And "missing" means not confirmed: a node that got the message by repair has no parent to confirm to.
 */
export class Receipts {
  readonly #options: ReceiptsOptions;
  readonly #clock: Clock;
  readonly #openMax: number;
  readonly #budgetMsMax: number;
  readonly #signedRingMax: number;
  /** By nonce, oldest first: this node's own broadcasts, and those of others. Apart, so that others cannot push out its own. */
  readonly #own = new Map<bigint, OpenReceipt>();
  readonly #duties = new Map<bigint, OpenReceipt>();
  readonly #onDone = new Map<bigint, (outcome: ReceiptOutcome) => void>();
  readonly #signatures: SignatureQueue;
  readonly #allowances = new Map<Address, TokenBucket>();
  #cancel: Cancel | undefined;
  #timerAtMs = Infinity;
  #closed = false;

  /** Nobody waits for anything. */
  constructor(options: ReceiptsOptions) {
    const { openMax = 256, budgetMsMax = 60_000, signedRingMax = 4096 } = options;
    this.#options = options;
    this.#clock = options.clock;
    this.#openMax = openMax;
    this.#budgetMsMax = budgetMsMax;
    this.#signedRingMax = signedRingMax;
    this.#signatures = new SignatureQueue(options.clock);
  }

  /** Broadcasts for which something is remembered. */
  get size(): number {
    return this.#own.size + this.#duties.size;
  }

  /**
   * A duty is taken on, the first of its nonce or a further one, even if nothing of it is left to hand over. Does nothing for the duty of a parent that wants signatures of too
   * large a ring, or that no place is left for: the parent will count the segment as missing.
   *
   * @throws {P2pError} at the originator only: `receipt_ring_too_large` (signatures of more than `signedRingMax` peers), `receipt_nonce_in_use`.
   */
  begin(nonce: bigint, duty: ReceiptDuty): void {
    if (this.#closed) return;
    const { parent, ring, index, until, signedPayload, unsure, onDone } = duty;
    const own = parent === undefined;
    const signed = signedPayload !== undefined;
    if (signed && ring.size > this.#signedRingMax) {
      if (own) throw ringTooLarge(ring, this.#signedRingMax);
      return;
    }
    const now = this.#clock.now();
    const budgetMs = own ? duty.budgetMs : Math.min(duty.budgetMs, this.#budgetMsMax);
    let open = this.#find(nonce);
    if (own && open !== undefined) throw nonceInUse(nonce);
    if (open === undefined) {
      const all = own ? this.#own : this.#duties;
      if (all.size >= this.#openMax) this.#pushOut(all, this.#openMax, () => 1);
      open = new OpenReceipt(nonce, ring, index, now);
      all.set(nonce, open);
    }
    if (onDone !== undefined) this.#onDone.set(nonce, onDone);
    if (signed) open.collects = true;
    if (signed && unsure === undefined) open.text ??= receiptText(this.#options.network, nonce, signedPayload);
    open.serving = true;
    open.asked({ parent, until, deadlineMs: now + budgetMs, signed, unsure });
    // Remembered for longer than the parent waits: after a silence that was none, another parent asks for the same.
    open.endsAtMs = Math.max(open.endsAtMs, now + 2 * budgetMs);
    this.#arm(now + budgetMs);
  }

  /** Of the duty at hand, the peers from `child` to `until` (20 bytes, copied) were handed over. */
  handedOver(nonce: bigint, child: Address, until: Uint8Array): void {
    this.#find(nonce)?.handedOver(child, until);
  }

  /** All of the duty is handed over. A leaf confirms now. */
  served(nonce: bigint): void {
    const open = this.#find(nonce);
    if (open === undefined) return;
    open.serving = false;
    this.#settle(open);
  }

  /**
   * What to ask of a child that answers for `size` peers, whole milliseconds: the time left, less what the way there and back takes and at least a tenth. Where time is
   * short, every level below has an equal share of it. 0 if nobody asks (any more): then nothing is asked.
   */
  childBudgetMs(nonce: bigint, child: Address, size: number): number {
    let deadlineMs = -Infinity;
    for (const asker of this.#find(nonce)?.askers ?? []) {
      if (!asker.answered) deadlineMs = Math.max(deadlineMs, asker.deadlineMs);
    }
    const leftMs = deadlineMs - this.#clock.now();
    if (leftMs <= 0) return 0;
    const wayMs = 1.5 * this.#options.roundTripMs(child) + OUTBOX_MS;
    const shareMs = leftMs / (1 + maxLevels(size));
    return Math.max(1, Math.floor(leftMs - Math.min(shareMs, Math.max(wayMs, MARGIN_SHARE * leftMs))));
  }

  /**
   * A child kept silent, and what it was handed was handed over to a peer behind it, or to nobody where none is left. The child may have been slow and confirm
   * for itself yet: it is waited for until it is dead.
   */
  adjusted(nonce: bigint, silent: Address): void {
    const open = this.#find(nonce);
    if (open === undefined) return;
    open.silent(silent);
    this.#settle(open);
  }

  /** A peer was found dead. */
  died(peer: Address): void {
    for (const all of [this.#own, this.#duties]) {
      for (const open of all.values()) if (open.isSilent(peer)) this.#settle(open);
    }
  }

  /** A peer sent a receipt. One for a broadcast that is not open is ignored, or of a peer that was not asked: it is late. */
  confirmed(from: Address, receipt: Receipt): void {
    const open = this.#find(receipt.nonce);
    if (open === undefined) return;
    let vouched: Vouched[];
    try {
      vouched = open.confirmed(from, receipt);
    } catch (caught) {
      return this.#options.onMisbehaviour(from, asError(caught));
    }
    if (this.#own.has(open.nonce)) { for (const one of vouched) this.#verify(open, one); }
    this.#settle(open);
    this.#boundHeld();
  }

  /** Own broadcasts are answered with what there is, nothing is sent any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#stop();
    this.#duties.clear();
    for (const open of [...this.#own.values()]) this.#answerAll(open);
    this.#signatures.close();
  }

  #find(nonce: bigint): OpenReceipt | undefined {
    return this.#own.get(nonce) ?? this.#duties.get(nonce);
  }

  #boundHeld(): void {
    const weigh = ({ held }: OpenReceipt) => held;
    for (;;) {
      let held = 0;
      for (const open of this.#duties.values()) held += weigh(open);
      if (held <= HELD_MAX) return;
      this.#pushOut(this.#duties, HELD_MAX, weigh);
    }
  }

  /**
   * Of those that weigh something: one that is answered, of whoever asks for more than half of what there may be if there is one; else the oldest of whoever asks for the
   * most. So nobody gets rid of what others wait for by asking for much.
   */
  #pushOut(all: Map<bigint, OpenReceipt>, max: number, weigh: (open: OpenReceipt) => number): void {
    const weights = new Map<Address | undefined, number>();
    let most = 0;
    for (const open of all.values()) {
      const { parent } = open.askers[0];
      const weight = (weights.get(parent) ?? 0) + weigh(open);
      weights.set(parent, weight);
      most = Math.max(most, weight);
    }
    let out: OpenReceipt | undefined;
    for (const open of all.values()) {
      if (weigh(open) === 0) continue;
      const isMost = weights.get(open.askers[0].parent) === most;
      if (isMost) out ??= open;
      if (!isMost && 2 * most > max) continue;
      if (!open.askers.every(({ answered }) => answered)) continue;
      out = open;
      break;
    }
    if (out === undefined) return;
    all.delete(out.nonce);
    this.#answerAll(out);
  }

  #verify(open: OpenReceipt, { address: bytes, signature }: Vouched): void {
    const address = addressFromBytes(bytes);
    if (open.text === undefined || open.proven.has(address)) return;
    open.unverified++;
    this.#signatures.add(open.text, signature, (valid) => {
      open.unverified--;
      if (valid) open.proven.add(address);
      this.#settle(open);
    });
  }

  #settle(open: OpenReceipt): void {
    for (const asker of open.askers) {
      if (asker.answered || !open.isSettled(asker, this.#options.isDead)) continue;
      if (asker.parent !== undefined || open.unverified === 0) this.#answer(open, asker);
    }
  }

  #answerAll(open: OpenReceipt): void {
    for (const asker of open.askers) if (!asker.answered) this.#answer(open, asker);
  }

  #answer(open: OpenReceipt, asker: Asker): void {
    asker.answered = true;
    asker.answers++;
    if (asker.parent === undefined) return this.#finish(open, asker);
    if (this.#closed) return;
    const { key, sink } = this.#options;
    const text = asker.signed && asker.unsure === undefined ? open.text : undefined;
    const signs = key !== undefined && text !== undefined && this.#maySignFor(asker.parent);
    sink.receipt(asker.parent, open.receiptFor(asker, signs ? signReceipt(key, text) : undefined));
  }

  #maySignFor(parent: Address): boolean {
    let allowance = this.#allowances.get(parent);
    if (allowance === undefined) {
      if (this.#allowances.size === SIGNERS_MAX) dropOldest(this.#allowances);
      this.#allowances.set(parent, allowance = new TokenBucket(this.#clock, SIGNATURES));
    }
    return allowance.take();
  }

  #finish(open: OpenReceipt, asker: Asker): void {
    const onDone = this.#onDone.get(open.nonce);
    this.#onDone.delete(open.nonce);
    this.#own.delete(open.nonce);
    if (this.size === 0) this.#stop();
    if (open.text !== undefined) this.#signatures.drop(open.text);
    const missing = open.missingPeers(asker);
    const elapsedMs = this.#clock.now() - open.begunAtMs;
    onDone?.({ reached: open.ring.size - 1 - missing.length, missing, elapsedMs });
  }

  #tick(): void {
    this.#cancel = undefined;
    this.#timerAtMs = Infinity;
    const now = this.#clock.now();
    let nextMs = Infinity;
    for (const all of [this.#own, this.#duties]) {
      for (const open of all.values()) {
        for (const asker of open.askers) {
          if (asker.answered) continue;
          if (asker.deadlineMs <= now) this.#answer(open, asker);
          else nextMs = Math.min(nextMs, asker.deadlineMs);
        }
        if (open.endsAtMs <= now) all.delete(open.nonce);
        else if (all.has(open.nonce)) nextMs = Math.min(nextMs, open.endsAtMs);
      }
    }
    if (!this.#closed) this.#arm(nextMs);
  }

  #arm(atMs: number): void {
    if (atMs >= this.#timerAtMs) return;
    this.#stop();
    this.#timerAtMs = atMs;
    this.#cancel = this.#clock.after(atMs - this.#clock.now(), () => this.#tick());
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#timerAtMs = Infinity;
  }
}

function ringTooLarge(ring: Ring, sizeMax: number): P2pError {
  return new P2pError(
    "receipt_ring_too_large",
    `Cannot collect the signatures of a ring of ${ring.size} peers: the most is ${sizeMax}`,
    { hint: "Ask for an unsigned receipt" },
  );
}

function nonceInUse(nonce: bigint): P2pError {
  return new P2pError("receipt_nonce_in_use", `A receipt for nonce ${nonce} is waited for already`);
}
