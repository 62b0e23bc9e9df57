import { asError, P2pError, ProtocolError } from "../base/errors.ts";
import { Slab } from "../codec/slab.ts";
import { TextMemo } from "../codec/text_memo.ts";
import { type Address, addressToBytes } from "../identity/address.ts";
import { ACCEPTED, type Channel } from "../router/channel.ts";
import { CopyCounter } from "./copy_counter.ts";
import type { NonceDeduper } from "./dedup.ts";
import { decodeEnvelope, type PocketEnvelope } from "./envelope.ts";
import { decodeRainTreeMessage, encodeRainTreeMessage, RAINTREE_DATA_BYTES_MAX } from "./message.ts";
import type { Ring } from "./ring.ts";
import { visitHandovers, visitLevelTargets } from "./targets.ts";
import { classicOffsets, exactOffsets, maxLevels, type TreeMode } from "./tree.ts";

/** Options of a {@link RainTreeRouter}. */
export interface RainTreeRouterOptions {
  /** This node. */
  self: Address;
  /** The staked peers to begin with; this node need not be among them. */
  ring: Ring;
  /** What carries the messages. */
  channel: Channel<Uint8Array>;
  /** Whether a peer knows only Pocket V1, and so no segments. @default {nobody does} */
  isV1?: (peer: Address) => boolean;
  /** How broadcasts of this node spread. Messages of either kind are passed on as they came. @default {"exact"} */
  mode?: TreeMode;
  /** Largest payload accepted, bytes. @default {4194304} */
  dataBytesMax?: number;
  /** What was received, shared with whoever receives payloads on other ways too: the marks are theirs, the values say how many peers RainTree has answered for. */
  nonces: NonceDeduper;
  /** Second copies of how many classic broadcasts are counted. @default {100000} */
  maxNonces?: number;
  /** A payload arrived, perhaps again. Returns whether it was new. */
  onPayload(envelope: PocketEnvelope, from: Address): boolean;
  /** A peer sent what is not a valid message. */
  onMisbehaviour(from: Address, error: Error): void;
  /** A message could not be handed to a target. */
  onUnsent(to: Address, error: Error): void;
}

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
  /** Counters. */
  readonly stats: RainTreeStats = { reads: 0, writes: 0, redundant: 0, rejected: 0, suppressed: 0 };
  readonly #options: RainTreeRouterOptions;
  readonly #self: Address;
  readonly #selfBytes: Uint8Array;
  readonly #channel: Channel<Uint8Array>;
  readonly #isV1: (peer: Address) => boolean;
  readonly #mode: TreeMode;
  readonly #dataBytesMax: number;
  readonly #nonces: NonceDeduper;
  readonly #copies: CopyCounter;
  #ring!: Ring;
  #index!: number;
  #levels!: number;
  #closed = false;
  readonly #slab = new Slab();
  readonly #typeUrls = new TextMemo();
  // What the two visitors below send; set for the length of one synchronous turn.
  #data: Uint8Array = new Uint8Array();
  #originating = false;
  #waiting: Promise<void>[] = [];

  /** Takes over the channel's receiving side. */
  constructor(options: RainTreeRouterOptions) {
    const { mode = "exact", dataBytesMax = RAINTREE_DATA_BYTES_MAX, maxNonces = 100_000, isV1 = () => false } = options;
    this.#options = options;
    this.#self = options.self;
    this.#selfBytes = addressToBytes(options.self);
    this.#channel = options.channel;
    this.#isV1 = isV1;
    this.#mode = mode;
    this.#dataBytesMax = dataBytesMax;
    this.#nonces = options.nonces;
    this.#copies = new CopyCounter(maxNonces);
    this.setRing(options.ring);
    this.#channel.handle((message, from) => this.receive(message, from));
  }

  /** The staked peers now. */
  get ring(): Ring {
    return this.#ring;
  }

  /** Follows a change of the staked set; broadcasts under way elsewhere go on with the views they have. */
  setRing(ring: Ring): void {
    this.#ring = ring;
    this.#index = ring.indexOf(this.#self);
    this.#levels = maxLevels(ring.size);
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
    this.#checkOutgoing(data);
    if (this.#index < 0) {
      throw new P2pError("raintree_not_staked", `Node ${this.#self} is not staked at height ${this.#ring.height}`, {
        hint: "Name it in the genesis file, or have the peerstore provider name it and send ConsensusNewHeightEvent",
      });
    }
    const { nonce } = decodeEnvelope(data);
    this.#nonces.raise(nonce, this.#ring.size);
    this.#data = data;
    this.#originating = true;
    try {
      if (this.#mode === "exact") visitHandovers(this.#ring, this.#index, this.#selfBytes, this.#handOver);
      else visitLevelTargets(this.#ring.size, this.#index, this.#levels, this.#sendLevel);
    } finally {
      this.#originating = false;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length > 0) await Promise.all(waiting);
  }

  /**
   * Sends an encoded `PocketEnvelope` to one peer, at level 0: it is not passed on.
   *
   * @throws {P2pError} (as a rejection) `raintree_closed`, `raintree_too_large`, or what `Channel.send` rejects with.
   */
  async send(data: Uint8Array, to: Address): Promise<void> {
    this.#checkOutgoing(data);
    await this.#transmit(to, encodeRainTreeMessage({ level: 0, data }));
  }

  /** A message arrived. */
  receive(bytes: Uint8Array, from: Address): void {
    if (this.#closed) return;
    this.stats.reads++;
    let envelope: PocketEnvelope;
    try {
      const { level, data, until } = decodeRainTreeMessage(bytes, { dataBytesMax: this.#dataBytesMax });
      envelope = decodeEnvelope(data);
      if (until !== undefined) this.#serveSegment(envelope.nonce, until, data, from);
      else if (level > 0) this.#serveLevel(envelope.nonce, level, data);
    } catch (caught) {
      this.stats.rejected++;
      this.#options.onMisbehaviour(from, asError(caught));
      return;
    }
    // Outside: what an application throws is not the peer's doing.
    if (!this.#options.onPayload(envelope, from)) this.stats.redundant++;
  }

  /** Sends and receives nothing any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#channel.close();
  }

  #offsets(): number[] {
    if (this.#index < 0) return [];
    return this.#mode === "exact" ? exactOffsets(this.#ring.size) : classicOffsets(this.#ring.size);
  }

  #serveSegment(nonce: bigint, until: Uint8Array, data: Uint8Array, from: Address): void {
    if (this.#index < 0) return;
    const ring = this.#ring;
    const sender = ring.indexOf(from);
    const size = ring.segmentSize(this.#index, until);
    // Nobody hands over what holds himself: that would go round. The whole ring is such a segment.
    if (sender >= 0 && size > ring.indexAt(sender - this.#index, 0)) {
      throw new ProtocolError(
        "raintree_bad_until",
        `Message of ${from} hands over a segment that holds ${from} itself`,
      );
    }
    // A duty is the segment, not the nonce: otherwise whoever hands over a shorter one first takes the rest out of the broadcast.
    const served = this.#nonces.raise(nonce, size);
    if (served >= size) {
      this.stats.suppressed++;
      return;
    }
    this.#data = data;
    if (served <= 1) visitHandovers(ring, this.#index, until, this.#handOver);
    else this.#handOver(ring.indexAt(this.#index, served), until);
  }

  #serveLevel(nonce: bigint, level: number, data: Uint8Array): void {
    if (this.#index < 0) return;
    if (level > this.#levels) {
      throw new ProtocolError(
        "raintree_bad_level",
        `Message has level ${level}, a ring of ${this.#ring.size} has ${this.#levels}`,
      );
    }
    if (this.#copies.count(nonce) > this.#levels + 1) {
      this.stats.suppressed++;
      return;
    }
    this.#data = data;
    visitLevelTargets(this.#ring.size, this.#index, level - 1, this.#sendLevel);
  }

  readonly #handOver = (target: number, until: Uint8Array): void => this.#handOverIn(this.#ring, target, until);

  /** Hands a segment to its head. A V1 node cannot answer for one: it gets the message, the next node the rest of the segment. */
  #handOverIn(ring: Ring, target: number, until: Uint8Array): void {
    while (this.#isV1(ring.at(target))) {
      this.#sendNow(ring.at(target), this.#encode(0));
      if (ring.segmentSize(target, until) === 1) return;
      target = ring.indexAt(target, 1);
    }
    const to = ring.at(target);
    const sent = this.#transmit(to, this.#encode(0, until));
    if (sent !== ACCEPTED) this.#wait(this.#handOverLater(sent, ring, target, until, this.#data));
  }

  /** The slow path: a peer that had to be dialled first may turn out to be a V1 node, which has taken the message for a leaf's. */
  async #handOverLater(
    sent: Promise<void>,
    ring: Ring,
    target: number,
    until: Uint8Array,
    data: Uint8Array,
  ): Promise<void> {
    const to = ring.at(target);
    try {
      await sent;
    } catch (caught) {
      return this.#options.onUnsent(to, asError(caught));
    }
    if (this.#closed || !this.#isV1(to) || ring.segmentSize(target, until) === 1) return;
    this.#data = data;
    this.#handOverIn(ring, ring.indexAt(target, 1), until);
  }

  readonly #sendLevel = (target: number, level: number): void => {
    this.#sendNow(this.#ring.at(target), this.#encode(level));
  };

  #encode(level: number, until?: Uint8Array): Uint8Array {
    return encodeRainTreeMessage({ level, data: this.#data, until }, this.#slab);
  }

  #sendNow(to: Address, message: Uint8Array): void {
    const sent = this.#transmit(to, message);
    // The hot path: queued at once, nothing to wait for, no closure made.
    if (sent !== ACCEPTED) this.#wait(sent.catch((caught) => this.#options.onUnsent(to, asError(caught))));
  }

  /** Remembers a send of this node's own broadcast that found no room at once; it tells of its failure itself. */
  #wait(handled: Promise<void>): void {
    if (this.#originating) this.#waiting.push(handled);
  }

  #transmit(to: Address, message: Uint8Array): Promise<void> {
    this.stats.writes++;
    return this.#channel.send(to, message);
  }

  #checkOutgoing(data: Uint8Array): void {
    if (this.#closed) throw new P2pError("raintree_closed", "RainTree router is closed");
    if (data.length > this.#dataBytesMax) {
      throw new P2pError("raintree_too_large", `Payload has ${data.length} bytes, the limit is ${this.#dataBytesMax}`);
    }
  }
}
