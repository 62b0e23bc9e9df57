import { asP2pError, type P2pError } from "../base/errors.ts";
import { Slab } from "../codec/slab.ts";
import type { Address } from "../identity/address.ts";
import { ACCEPTED, type Channel } from "../router/channel.ts";
import type { Handover } from "./ack_ledger.ts";
import type { BroadcastTrace } from "./broadcast_trace.ts";
import { encodeRainTreeMessage, type RainTreeHead } from "./message.ts";
import type { ReceiptKind } from "./receipts.ts";
import type { RecentMessage } from "./recent_messages.ts";
import type { Reliability } from "./reliability.ts";
import type { Ring } from "./ring.ts";
import { visitHandovers, visitLevelTargets, visitWarmHandovers } from "./targets.ts";
import { type ExactPattern, exactPattern } from "./tree.ts";

/** Options of {@link Spread}. */
export interface SpreadOptions {
  /** This node. */
  self: Address;
  /** What carries the messages. */
  channel: Channel<Uint8Array>;
  /** Whether a peer knows only Pocket V1, and so no segments. */
  isV1: (peer: Address) => boolean;
  /** Whom to trust, and who has to know of every hand-over; asked at each, as it is made after this. */
  reliability: () => Reliability | undefined;
  /** Who wants to know of every hand-over. @default {nobody} */
  trace?: BroadcastTrace;
  /** A message could not be handed to a target. */
  onUnsent(to: Address, error: P2pError): void;
}

/** How a segment is served. */
export interface SegmentOptions {
  /** What the targets are asked to confirm. @default {nothing} */
  confirm?: ReceiptKind;
  /** Without the payload: whoever is handed a part has it already, most likely, and asks for it if not. @default {false} */
  bare?: boolean;
}

/**
 * Sends a broadcast to those whose turn it is: by segment or by level, past those who cannot be trusted with one, and on to the next where somebody keeps
 * silent. What the visitors below send is set for the length of one synchronous turn, so that a hand-over costs no closure.
 */
export class Spread {
  /** Messages sent over the network. */
  writes = 0;
  readonly #options: SpreadOptions;
  readonly #channel: Channel<Uint8Array>;
  readonly #isV1: (peer: Address) => boolean;
  readonly #trace: BroadcastTrace | undefined;
  readonly #slab = new Slab();
  #closed = false;
  #pattern: ExactPattern | undefined;
  #patternRing: Ring | undefined;
  #ring!: Ring;
  #message!: RecentMessage;
  #data!: Uint8Array;
  #confirm: ReceiptKind | undefined;
  #bare = false;
  /** Where the sends that find no room at once are remembered, while somebody wants to know. */
  #waiting: Promise<void>[] | undefined;

  /** Sends nothing yet. */
  constructor(options: SpreadOptions) {
    this.#options = options;
    this.#channel = options.channel;
    this.#isV1 = options.isV1;
    this.#trace = options.trace;
  }

  /** Serves a segment that the node at `index` answers for, but for its first `served` nodes, whom it has served before. */
  segment(
    ring: Ring,
    index: number,
    until: Uint8Array,
    served: number,
    message: RecentMessage,
    { confirm, bare = false }: SegmentOptions = {},
  ): void {
    this.#ring = ring;
    this.#message = message;
    this.#data = message.data;
    this.#confirm = confirm;
    this.#bare = bare;
    // Hand-overs are remembered until they are acknowledged: a view would keep alive what the network read.
    const size = ring.segmentSize(index, until);
    until = ring.own(until, ring.indexAt(index, size));
    if (served > 1) return this.#handOver(ring.indexAt(index, served), until);
    const { offsets, sizes } = this.#patternOf(ring);
    if (sizes.has(size)) visitHandovers(ring, index, until, this.#handOver, size);
    else visitWarmHandovers(ring, index, until, offsets, this.#handOver, size);
  }

  /** Cached: a ring lasts for many broadcasts. */
  #patternOf(ring: Ring): ExactPattern {
    if (this.#pattern === undefined || ring !== this.#patternRing) {
      this.#pattern = exactPattern(ring.size);
      this.#patternRing = ring;
    }
    return this.#pattern;
  }

  /** Classic: serves `level` and every level below for the node at `index`. */
  levels(ring: Ring, index: number, level: number, message: RecentMessage): void {
    this.#ring = ring;
    this.#message = message;
    this.#data = message.data;
    visitLevelTargets(ring.size, index, level, this.#sendLevel);
  }

  /** Sends a message to one peer alone, who owes nothing for it. */
  alone(to: Address, message: RecentMessage): void {
    this.#sendNow(to, { level: 0, copy: true }, message);
  }

  /** The redundancy layer: the originator's own copy to each of the others that `chosen` takes. */
  toAll(ring: Ring, index: number, message: RecentMessage, chosen: () => boolean): void {
    for (let i = 1; i < ring.size; i++) {
      if (!chosen()) continue;
      const target = ring.indexAt(index, i);
      this.#sendNow(ring.at(target), { level: 0, until: ring.bytesAt(ring.indexAt(target, 1)) }, message);
    }
  }

  /** Resolves when every target's queue has taken, or refused for good, what `send` sends. */
  async whole(send: () => void): Promise<void> {
    const waiting: Promise<void>[] = this.#waiting = [];
    try {
      send();
    } finally {
      this.#waiting = undefined;
    }
    if (waiting.length > 0) await Promise.all(waiting);
  }

  /** A target kept silent: what it was handed goes to the next node. Returns whether there is one. */
  adjust(handover: Handover): boolean {
    const { ring, target, until } = handover;
    if (this.#closed) return false;
    if (until === undefined) return this.#adjustLevel(handover);
    // A V1 node found out late acknowledges nothing, and the rest of its segment is handed over already.
    if (this.#isV1(ring.at(target)) || ring.segmentSize(target, until) === 1) return false;
    this.#handOverTo({ ...handover, target: ring.indexAt(target, 1), tries: handover.tries + 1 }, until);
    return true;
  }

  /** A target that was handed a segment without the payload lacks it. */
  again(handover: Handover): void {
    const { until } = handover;
    if (this.#closed || until === undefined || this.#options.reliability()?.holds(handover.message) === false) return;
    this.#handSegment({ ...handover, bare: false }, until);
  }

  /** Sends one message. */
  transmit(to: Address, message: Uint8Array): Promise<void> {
    this.writes++;
    return this.#channel.send(to, message);
  }

  /** Hands nothing over any more. */
  close(): void {
    this.#closed = true;
  }

  readonly #handOver = (target: number, until: Uint8Array): void => {
    const confirm = this.#confirm;
    this.#handOverTo(
      { ring: this.#ring, target, until, level: 0, message: this.#message, tries: 0, bare: this.#bare, confirm },
      until,
    );
  };

  /**
   * Hands a segment to its head, or to the first behind it that can answer for it. A V1 node cannot, and a suspect is not trusted to: they get the
   * message for themselves. The dead get nothing until they are heard of.
   */
  #handOverTo(handover: Handover, until: Uint8Array): void {
    const { ring, message } = handover;
    const reliability = this.#options.reliability();
    // Forgotten while an acknowledgement or a dial was waited for: more came meanwhile than may be kept.
    if (reliability?.holds(message) === false) return;
    let { target } = handover;
    for (;;) {
      const to = ring.at(target);
      const isV1 = this.#isV1(to);
      const state = reliability === undefined ? "alive" : reliability.stateOf(to);
      if (!isV1 && state === "alive") break;
      const last = ring.segmentSize(target, until) === 1;
      const next = ring.indexAt(target, 1);
      if (isV1) this.#sendNow(to, { level: 0 }, message);
      else if (state === "suspect") this.#handSegment({ ...handover, target }, last ? until : ring.bytesAt(next));
      if (last) return;
      target = next;
    }
    this.#handSegment(target === handover.target ? handover : { ...handover, target }, until);
  }

  #handSegment(handover: Handover, until: Uint8Array): void {
    const { ring, target, message, confirm } = handover;
    const to = ring.at(target);
    const reliability = this.#options.reliability();
    const given = until === handover.until ? handover : { ...handover, until };
    const seq = reliability?.owed(to, given);
    const receiptMs = confirm === undefined ? 0 : reliability?.asked(given, until);
    if (handover.bare && seq !== undefined) {
      this.#trace?.onHandover(message.nonce, to, { level: 0, until, seq });
      return reliability!.duty(to, given, seq, receiptMs ?? 0);
    }
    const sent = this.#send(to, { level: 0, until, seq, receiptMs, signed: confirm === "signed" }, message);
    if (sent !== ACCEPTED) this.#wait(this.#handOverLater(sent, given, until));
  }

  /** The slow path: a peer that had to be dialled first may turn out to be a V1 node, which has taken the message for a leaf's. */
  async #handOverLater(sent: Promise<void>, handover: Handover, until: Uint8Array): Promise<void> {
    const { ring, target } = handover;
    const to = ring.at(target);
    try {
      await sent;
    } catch (caught) {
      return this.#unsent(to, caught);
    }
    if (this.#closed || !this.#isV1(to) || ring.segmentSize(target, until) === 1) return;
    this.#handOverTo({ ...handover, target: ring.indexAt(target, 1) }, until);
  }

  readonly #sendLevel = (target: number, level: number): void => {
    this.#sendLevelIn(this.#ring, target, level, this.#message, 0);
  };

  #sendLevelIn(ring: Ring, target: number, level: number, message: RecentMessage, tries: number): void {
    const to = ring.at(target);
    const reliability = this.#options.reliability();
    if (reliability?.holds(message) === false) return;
    const handover = { ring, target, until: undefined, level, message, tries, bare: false, confirm: undefined };
    if (reliability?.stateOf(to) === "dead") return void this.#adjustLevel(handover);
    const seq = this.#isV1(to) ? undefined : reliability?.owed(to, handover);
    this.#sendNow(to, { level, seq, copy: level === 0 }, message);
  }

  /** As published: the node after the target, one level down, then the one before the target. */
  #adjustLevel({ ring, target, level, message, tries }: Handover): boolean {
    if (tries > 1 || level === 0) return false;
    const next = ring.indexAt(target, tries === 0 ? 1 : -2);
    if (ring.at(next) === this.#options.self) return false;
    this.#sendLevelIn(ring, next, tries === 0 ? level - 1 : level, message, tries + 1);
    return true;
  }

  #send(to: Address, head: RainTreeHead, message: RecentMessage): Promise<void> {
    this.#trace?.onHandover(message.nonce, to, head);
    return this.transmit(to, this.#encode(head, message));
  }

  #sendNow(to: Address, head: RainTreeHead, message: RecentMessage): void {
    const sent = this.#send(to, head, message);
    // The hot path: queued at once, nothing to wait for, no closure made.
    if (sent !== ACCEPTED) this.#wait(sent.catch((caught) => this.#unsent(to, caught)));
  }

  /** Remembers a send that found no room at once; it tells of its failure itself. */
  #wait(handled: Promise<void>): void {
    this.#waiting?.push(handled);
  }

  #encode(head: RainTreeHead, message: RecentMessage): Uint8Array {
    // The data of a kept message is cut out for who asks: once for all targets.
    if (message !== this.#message) {
      this.#message = message;
      this.#data = message.data;
    }
    const { level, until, seq, receiptMs, signed, copy } = head;
    return encodeRainTreeMessage({ level, data: this.#data, until, seq, receiptMs, signed, copy }, this.#slab);
  }

  /** What a failed send means; a full channel says nothing of the peer. */
  #unsent(to: Address, caught: unknown): void {
    const error = asP2pError("raintree_unsent", caught);
    this.#options.onUnsent(to, error);
    if (error.code !== "channel_full") this.#options.reliability()?.unsent(to);
  }
}
