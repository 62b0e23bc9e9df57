import { asError, P2pError, ProtocolError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import { TextMemo } from "../codec/text_memo.ts";
import { type Address, addressToBytes } from "../identity/address.ts";
import type { Channel } from "../router/channel.ts";
import type { BroadcastTrace } from "./broadcast_trace.ts";
import type { Duty } from "./control_message.ts";
import { CopyCounter } from "./copy_counter.ts";
import type { NonceDeduper } from "./dedup.ts";
import { decodeEnvelope, type PocketEnvelope } from "./envelope.ts";
import {
  decodeRainTreeMessage,
  encodeRainTreeMessage,
  RAINTREE_DATA_BYTES_MAX,
  type RainTreeMessage,
} from "./message.ts";
import { HELD, REPAIRED, STRAY } from "./nonce_marks.ts";
import type { ReceiptKind, ReceiptOutcome } from "./receipts.ts";
import { notKept, type RecentMessage } from "./recent_messages.ts";
import type { RainTreeRouterOptions } from "./raintree_router_options.ts";
import { Reliability } from "./reliability.ts";
import { Repeats } from "./repeats.ts";
import type { Ring } from "./ring.ts";
import { Spread } from "./spread.ts";
import { classicOffsets, exactOffsets, maxLevels, type TreeMode } from "./tree.ts";
import { unsureOf } from "./unsure.ts";

/**
 * Broadcasts of peers that are not staked here, as those are not who have joined at a height still to come: so many are passed on. A key costs nothing, and
 * what is passed on goes to everybody.
 */
const STRANGERS = { burst: 512, perSecond: 64 };

/** What a router did so far; plain numbers, read when scraped. */
export interface RainTreeStats {
  /** Messages received over the network. */
  reads: number;
  /** Messages sent over the network. */
  writes: number;
  /** Payloads received again. */
  redundant: number;
  /** Messages refused as malformed. */
  rejected: number;
  /** Second copies not passed on. */
  suppressed: number;
}

/**
 * Broadcasts among staked peers along the tree that the ring itself is. A received message is validated
 * first, then passed on, then handed to the application, all in one turn and without a promise; so a view holds from beginning to end.
 *
 * In exact mode a broadcast is passed on once, whatever is replayed. In classic mode second copies are passed on as published, at
 * most one more than the ring has levels: the most that a fault-free network ever needs.
 */
export class RainTreeRouter {
  readonly #counts = { reads: 0, redundant: 0, rejected: 0, suppressed: 0 };
  readonly #options: RainTreeRouterOptions;
  readonly #self: Address;
  readonly #selfBytes: Uint8Array;
  readonly #channel: Channel<Uint8Array>;
  readonly #isV1: (peer: Address) => boolean;
  readonly #mode: TreeMode;
  readonly #nonces: NonceDeduper;
  /** Made with the first message that has a level: in exact mode none has. */
  #copies: CopyCounter | undefined;
  readonly #repeats: Repeats;
  readonly #strangers: TokenBucket | undefined;
  readonly #spread: Spread;
  readonly #trace: BroadcastTrace | undefined;
  readonly #random: Random | undefined;
  readonly #redundancy: number;
  /** Acknowledgements, repair and what else stands on the bare tree. */
  readonly reliability: Reliability | undefined;
  #ring!: Ring;
  #index!: number;
  #levels!: number;
  #closed = false;
  readonly #typeUrls = new TextMemo();

  /** Takes over the channel's receiving side. */
  constructor(options: RainTreeRouterOptions) {
    const { mode = "exact", isV1 = () => false } = options;
    this.#options = options;
    this.#self = options.self;
    this.#selfBytes = addressToBytes(options.self);
    this.#channel = options.channel;
    this.#isV1 = isV1;
    this.#mode = mode;
    this.#nonces = options.nonces;
    this.#repeats = new Repeats(options.onMisbehaviour);
    this.setRing(options.ring);
    const { layers, self, channel, onUnsent, trace } = options;
    this.#trace = trace;
    this.#spread = new Spread({ self, channel, isV1, onUnsent, trace, reliability: () => this.reliability });
    this.#random = layers?.random;
    this.#redundancy = layers?.redundancy ?? 0;
    this.#strangers = layers === undefined ? undefined : new TokenBucket(layers.clock, STRANGERS);
    this.reliability = layers === undefined ? undefined : new Reliability({
      ...layers,
      self,
      ring: () => this.#ring,
      isV1,
      nonces: this.#nonces,
      adjust: (handover) => this.#spread.adjust(handover),
      again: (handover) => this.#spread.again(handover),
      onDuty: (from, duty) => this.#takeDuty(from, duty),
      deliver: (to, message) => this.#spread.alone(to, message),
      onMisbehaviour: options.onMisbehaviour,
    });
    this.#channel.handle((message, from) => this.receive(message, from));
  }

  /** Counters, put together for the caller. */
  get stats(): RainTreeStats {
    return { ...this.#counts, writes: this.#spread.writes };
  }

  /** Messages sent over the network so far. */
  get writes(): number {
    return this.#spread.writes;
  }

  /** The staked peers now. */
  get ring(): Ring {
    return this.#ring;
  }

  /** Follows a change of the staked set; broadcasts under way elsewhere go on with the views they have. */
  setRing(ring: Ring): void {
    const before = this.#ring;
    this.#ring = ring;
    this.#index = ring.indexOf(this.#self);
    this.#levels = maxLevels(ring.size);
    this.reliability?.joined(before);
  }

  /** The peers this node ever sends to, whoever broadcasts: those to stay connected with. Empty when it is not staked. */
  targets(): Address[] {
    return this.#offsets().map((offset) => this.#ring.at(this.#index, offset));
  }

  /** Of {@link targets}, those that send to this node too and have the lower address: they dial, this node gives them the time to. */
  awaited(): Address[] {
    const offsets = new Set(this.#offsets());
    return [...offsets].filter((offset) => offsets.has(this.#ring.size - offset))
      .map((offset) => this.#ring.at(this.#index, offset)).filter((peer) => peer < this.#self);
  }

  /**
   * Sends an encoded `PocketEnvelope` to every staked peer. Resolves when each target's queue has taken it, or refused it for good, which
   * `onUnsent` is told.
   *
   * @throws {P2pError} (as a rejection) `raintree_closed`, `raintree_not_staked`, `raintree_too_large`, or what decoding the envelope throws.
   */
  async broadcast(data: Uint8Array): Promise<void> {
    await this.#originate(this.#outgoing(data), data);
  }

  /**
   * The same, and asks who got it. Resolves when all have confirmed or are known to be dead, or `budgetMs` milliseconds from now with what is known then. What a receipt is worth:
   * see {@link Receipts}.
   *
   * @throws {P2pError} (as a rejection) what {@link broadcast} throws, `receipt_needs_exact` (classic messages hand over no segments), `receipt_no_layers`,
   * `receipt_ring_too_large` (signatures of more than 4,096 peers).
   */
  async broadcastConfirmed(data: Uint8Array, budgetMs: number, confirm: ReceiptKind): Promise<ReceiptOutcome> {
    const nonce = this.#outgoing(data);
    if (this.#mode !== "exact") {
      throw new P2pError("receipt_needs_exact", "There are no receipts in classic mode", { hint: "Set mode to exact" });
    }
    if (this.reliability === undefined) throw new P2pError("receipt_no_layers", "The router was made without layers");
    const { receipts } = this.reliability;
    const { promise, resolve, reject } = Promise.withResolvers<ReceiptOutcome>();
    receipts.begin(nonce, {
      parent: undefined,
      budgetMs,
      signedPayload: confirm === "signed" ? data : undefined,
      ring: this.#ring,
      index: this.#index,
      until: this.#selfBytes,
      onDone: resolve,
    });
    // Not waited for: a target that has to be dialled, or has no room, may take longer than there is time.
    this.#originate(nonce, data, confirm).catch(reject);
    receipts.served(nonce);
    return await promise;
  }

  /**
   * Sends an encoded `PocketEnvelope` to one peer, at level 0: it is not passed on.
   *
   * @throws {P2pError} (as a rejection) `raintree_closed`, `raintree_too_large`, or what `Channel.send` rejects with.
   */
  async send(data: Uint8Array, to: Address): Promise<void> {
    this.#checkOutgoing(data);
    await this.#spread.transmit(to, encodeRainTreeMessage({ level: 0, data }));
  }

  /** A message arrived. */
  receive(bytes: Uint8Array, from: Address): void {
    if (this.#closed) return;
    this.#counts.reads++;
    this.reliability?.heard(from);
    let head: RainTreeMessage;
    let envelope: PocketEnvelope;
    let sender: number;
    try {
      head = decodeRainTreeMessage(bytes);
      envelope = decodeEnvelope(head.data, this.#typeUrls);
      sender = this.#ring.indexOf(from);
      if (sender < 0 && this.#isTooMuch(head)) head = { level: 0, data: head.data };
      if (head.until !== undefined) this.#serveSegment(envelope.nonce, head.until, head, from, sender);
      else if (head.level > 0) this.#serveLevel(envelope.nonce, head.level, head.data);
    } catch (caught) {
      this.#counts.rejected++;
      this.#options.onMisbehaviour(from, asError(caught));
      return;
    }
    this.#trace?.onArrival(envelope.nonce, from, head);
    // Who is not staked serves nobody, and does not say he would.
    if (head.seq !== undefined && this.#index >= 0) this.reliability?.acknowledge(from, head.seq);
    // Outside: what an application throws is not the peer's doing.
    const isNew = this.#options.onPayload(envelope, from);
    if (isBroadcast(head) && !this.#nonces.seen(envelope.nonce, HELD)) {
      if (!isNew) this.#nonces.seen(envelope.nonce, STRAY);
      if (this.reliability !== undefined) this.#got(this.reliability, envelope.nonce, head, from);
    } else if (!isNew) {
      this.#counts.redundant++;
      if (head.copy) this.reliability?.late(from, envelope.nonce);
      this.#repeats.add(from, envelope.nonce);
    }
  }

  /** A peer connected. */
  up(peer: Address): void {
    this.reliability?.up(peer);
  }

  /** A peer's connection ended. */
  down(peer: Address): void {
    this.reliability?.down(peer);
  }

  /** Sends and receives nothing any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.reliability?.close();
    this.#spread.close();
    this.#channel.close();
  }

  /** What may be broadcast now: returns its nonce. */
  #outgoing(data: Uint8Array): bigint {
    this.#checkOutgoing(data);
    if (this.#index < 0) {
      throw new P2pError("raintree_not_staked", `Node ${this.#self} is not staked at height ${this.#ring.height}`, {
        hint: "Name it in the genesis file, or have the peerstore provider name it and send ConsensusNewHeightEvent",
      });
    }
    return decodeEnvelope(data).nonce;
  }

  #originate(nonce: bigint, data: Uint8Array, confirm?: ReceiptKind): Promise<void> {
    const ring = this.#ring;
    const index = this.#index;
    this.#nonces.raise(nonce, ring.size);
    this.#nonces.seen(nonce, HELD);
    this.#trace?.onArrival(nonce, undefined, { level: 0, data });
    const message = this.#keep(nonce, data);
    this.reliability?.got(message, "own");
    return this.#spread.whole(() => {
      if (this.#mode === "exact") this.#spread.segment(ring, index, this.#selfBytes, 0, message, { confirm });
      else this.#spread.levels(ring, index, this.#levels, message);
      if (this.#redundancy === 0) return;
      this.#spread.toAll(ring, index, message, () => this.#redundancy === 1 || this.#random!.next() < this.#redundancy);
    });
  }

  #offsets(): number[] {
    if (this.#index < 0) return [];
    return this.#mode === "exact" ? exactOffsets(this.#ring.size) : classicOffsets(this.#ring.size);
  }

  #serveSegment(
    nonce: bigint,
    until: Uint8Array,
    head: RainTreeMessage,
    from: Address,
    sender: number,
    isDuty = false,
  ): void {
    if (this.#index < 0) return;
    const ring = this.#ring;
    const size = ring.segmentSize(this.#index, until);
    // Nobody hands over what holds himself: that would go round. The whole ring is such a segment.
    if (sender >= 0 && size > ring.indexAt(sender - this.#index, 0)) {
      throw new ProtocolError(
        "raintree_bad_until",
        `Message of ${from} hands over a segment that holds ${from} itself`,
      );
    }
    const confirm = this.#confirmLater(nonce, until, head, from);
    // A duty is the segment, not the nonce: otherwise whoever hands over a shorter one first takes the rest out of the broadcast.
    const served = this.#nonces.raise(nonce, size);
    if (served >= size) this.#counts.suppressed++;
    else if (size > 1) {
      // Where repair was faster than the tree, it was so for those behind, too. And who is told little says little: otherwise a few bytes would
      // make this node send the payload to everybody.
      const bare = isDuty || this.#nonces.has(nonce, REPAIRED) || this.#hasMore(nonce, head.data);
      this.#spread.segment(ring, this.#index, until, served, this.#keep(nonce, head.data), { confirm, bare });
    }
    if (confirm !== undefined) this.reliability!.receipts.served(nonce);
  }

  /** A segment is handed over without the payload, which is here already or is asked for. Nobody answers for a broadcast that is forgotten. */
  #takeDuty(from: Address, { nonce, until, seq, receiptMs, signed }: Duty): void {
    const sender = this.#ring.indexOf(from);
    if (this.#closed || this.#index < 0 || sender < 0) return;
    const message = this.reliability!.recent.get(nonce);
    const held = this.#nonces.has(nonce, HELD);
    if (held) this.#repeats.add(from, nonce);
    if (message === undefined) {
      if (!held) this.reliability!.want(from, nonce);
      return;
    }
    try {
      this.#serveSegment(nonce, until, { level: 0, until, receiptMs, signed, data: message.data }, from, sender, true);
    } catch (caught) {
      this.#counts.rejected++;
      return this.#options.onMisbehaviour(from, asError(caught));
    }
    this.reliability!.acknowledge(from, seq);
  }

  /** Whether a message of a peer that is not staked here is for this node alone, as strangers have had enough passed on. */
  #isTooMuch(head: RainTreeMessage): boolean {
    return isBroadcast(head) && this.#index >= 0 && this.#strangers?.take() === false;
  }

  /** Takes the question down whether the segment got the message; also if it is served already, as for another parent. */
  #confirmLater(nonce: bigint, until: Uint8Array, head: RainTreeMessage, from: Address): ReceiptKind | undefined {
    const { receiptMs = 0, signed = false, data } = head;
    if (receiptMs === 0 || this.reliability === undefined) return undefined;
    const { receipts, recent } = this.reliability;
    const duty = { parent: from, budgetMs: receiptMs, ring: this.#ring, index: this.#index, until };
    const unsure = unsureOf(nonce, data, this.#nonces, recent);
    receipts.begin(nonce, { ...duty, signedPayload: signed ? data : undefined, unsure });
    return signed ? "signed" : "claims";
  }

  #serveLevel(nonce: bigint, level: number, data: Uint8Array): void {
    if (this.#index < 0) return;
    if (level > this.#levels) {
      throw new ProtocolError(
        "raintree_bad_level",
        `Message has level ${level}, a ring of ${this.#ring.size} has ${this.#levels}`,
      );
    }
    this.#copies ??= new CopyCounter(this.#options.maxNonces ?? 100_000, this.#random);
    if (this.#copies.count(nonce) > this.#levels + 1 || this.#hasMore(nonce, data)) {
      this.#counts.suppressed++;
      return;
    }
    if (level === 1) return;
    this.#spread.levels(this.#ring, this.#index, level - 1, this.#keep(nonce, data));
  }

  /** A broadcast is new here. */
  #got(reliability: Reliability, nonce: bigint, { level, until, data }: RainTreeMessage, from: Address): void {
    const byTree = level > 0 || until !== undefined;
    const asked = reliability.got(this.#keep(nonce, data), byTree ? "tree" : "repair", from);
    // A copy that was not asked for says nothing of those behind: whoever sends it first must not take the payload out of the tree.
    if (asked && !byTree) this.#nonces.seen(nonce, REPAIRED);
  }

  /** Whether more is kept of a broadcast that is here already than came of it now. */
  #hasMore(nonce: bigint, data: Uint8Array): boolean {
    return this.#nonces.has(nonce, HELD) && this.#keep(nonce, data).data.length > data.length;
  }

  #keep(nonce: bigint, data: Uint8Array): RecentMessage {
    return this.reliability === undefined ? notKept(nonce, data) : this.reliability.keep(nonce, data);
  }

  #checkOutgoing(data: Uint8Array): void {
    if (this.#closed) throw new P2pError("raintree_closed", "RainTree router is closed");
    if (data.length > RAINTREE_DATA_BYTES_MAX) {
      throw new P2pError(
        "raintree_too_large",
        `Payload has ${data.length} bytes, the limit is ${RAINTREE_DATA_BYTES_MAX}`,
      );
    }
  }
}

/** Whether it is for everybody. A private message is passed on by nobody, so nothing is kept of it. */
function isBroadcast({ level, until, copy = false }: RainTreeMessage): boolean {
  return level > 0 || until !== undefined || copy;
}
