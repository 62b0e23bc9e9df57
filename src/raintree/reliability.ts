import type { Clock } from "../base/clock.ts";
import { PatientClock } from "../base/patient_clock.ts";
import { asError, asP2pError, type P2pError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Address } from "../identity/address.ts";
import type { Channel } from "../router/channel.ts";
import { AckLedger, type Handover } from "./ack_ledger.ts";
import { BareDuties } from "./bare_duties.ts";
import { type ControlMessage, decodeControlMessage, type Duty } from "./control_message.ts";
import { type ControlCounts, ControlOutbox } from "./control_outbox.ts";
import type { NonceDeduper } from "./dedup.ts";
import { FailureDetector, type PeerState } from "./failure_detector.ts";
import { Igyw } from "./igyw.ts";
import type { LayerOptions } from "./layer_options.ts";
import type { NodeKey } from "../identity/node_key.ts";
import { HELD } from "./nonce_marks.ts";
import { Receipts } from "./receipts.ts";
import { notKept, type RecentMessage, RecentMessages } from "./recent_messages.ts";
import { Repair } from "./repair.ts";
import type { Ring } from "./ring.ts";
import { treeNeighbours } from "./tree_neighbours.ts";

/** Options of {@link Reliability}. */
export interface ReliabilityOptions extends LayerOptions {
  /** This node. */
  self: Address;
  /** The staked peers now. */
  ring: () => Ring;
  /** Time. */
  clock: Clock;
  /** Whom to tell. */
  random: Random;
  /** What carries what the layers say to each other. */
  control: Channel<Uint8Array>;
  /** Peers with an open connection. */
  connected: () => Iterable<Address>;
  /** Whether a peer knows only Pocket V1: it understands nothing of all this. */
  isV1: (peer: Address) => boolean;
  /** Chain ID: part of what is signed in a receipt. */
  network: string;
  /** What this node signs receipts with. @default {it does not} */
  key?: NodeKey;
  /** What arrived here. */
  nonces: NonceDeduper;
  /** Somebody kept silent: hand it to the next in turn. Returns whether there is one. */
  adjust(handover: Handover): boolean;
  /** Who was handed a segment without the payload lacks it: hand it over with it. */
  again(handover: Handover): void;
  /** A peer hands over a segment without the payload. */
  onDuty(from: Address, duty: Duty): void;
  /** Sends a broadcast to somebody who lacks it; nothing is owed for it. */
  deliver(to: Address, message: RecentMessage): void;
  /** A peer broke the rules. */
  onMisbehaviour(from: Address, error: Error): void;
  /** A peer did not acknowledge; told once for all that it left unacknowledged at once. */
  onSilence?(peer: Address): void;
}

/** What the layers did so far; plain numbers, read when scraped. */
export interface ReliabilityStats extends ControlCounts {
  /** Hand-overs that were not acknowledged in time. */
  silences: number;
  /** Hand-overs that moved on to another node. */
  adjusted: number;
  /** Broadcasts sent to those who lacked them. */
  repaired: number;
  /** Control messages received. */
  controlReads: number;
}

/**
 * What makes sure that a broadcast arrives: acknowledgements and what follows from silence, the failure detector, repair digests, the ring clean-up,
 * and the store of recent broadcasts that they serve from. The router asks it whom to trust, and tells it what was handed over and what came.
 */
export class Reliability {
  readonly #options: ReliabilityOptions;
  readonly #clock: Clock;
  readonly #acks: boolean;
  readonly #adjustLimit: number;
  readonly #replacementsAck: boolean;
  readonly #outbox: ControlOutbox;
  readonly #ledger: AckLedger;
  readonly #detector: FailureDetector | undefined;
  readonly #recent: RecentMessages;
  readonly #repair: Repair | undefined;
  readonly #igyw: Igyw | undefined;
  readonly #receipts: Receipts;
  /** Whether any layer needs the store. */
  readonly #keeps: boolean;
  readonly #bare = new BareDuties();
  /** When a peer was asked for a sign of life, to measure the round trip. */
  readonly #probedAt = new Map<Address, number>();
  readonly #own = { silences: 0, adjusted: 0, repaired: 0, controlReads: 0 };
  #closed = false;

  /** Takes over the control channel's receiving side. */
  constructor(options: ReliabilityOptions) {
    const { clock, random, self, ring, control, acks = true, adjustLimit = 8, replacementsAck = true } = options;
    const { igyw = false, repair = true, failureDetector = true, recentBytes, recentMs, connected } = options;
    const { redundancy = 0 } = options;
    this.#options = options;
    this.#clock = clock;
    this.#acks = acks;
    this.#adjustLimit = adjustLimit;
    this.#replacementsAck = replacementsAck;
    this.#outbox = new ControlOutbox({
      clock,
      send: (to, bytes, dials) => this.#send(to, bytes, dials),
    });
    // Whoever waits for others waits longer while this process is held up.
    const patient = PatientClock.of(clock);
    this.#recent = new RecentMessages({
      clock: patient,
      bytesMax: recentBytes,
      ageMsMax: recentMs,
      nonces: options.nonces,
    });
    this.#ledger = new AckLedger({
      clock: patient,
      doubt: () => this.#detector?.doubt() ?? 1,
      onSilent: (peer, handover, first) => this.#silent(peer, handover, first),
    });
    if (failureDetector) {
      this.#detector = new FailureDetector({
        clock: patient,
        random,
        connected,
        probe: (to) => this.#probe(to),
        onChange: (peer, state) => this.#changed(peer, state),
      });
    }
    const isDead = (peer: Address) => options.isV1(peer) || (this.#detector?.isDead(peer) ?? false);
    const sink = this.#outbox;
    const { nonces, onMisbehaviour } = options;
    const has = (nonce: bigint) => nonces.has(nonce, HELD);
    if (repair) {
      this.#repair = new Repair({
        clock: patient,
        random,
        self,
        ring,
        sink,
        recent: this.#recent,
        nonces,
        isDead,
        connected,
        deliver: this.#deliver,
        onMisbehaviour,
      });
    }
    if (igyw) {
      this.#igyw = new Igyw({
        clock: patient,
        self,
        ring,
        sink,
        recent: this.#recent,
        has,
        isDead,
        deliver: this.#deliver,
      });
    }
    // Redundancy serves nothing from it, but copies come before the question: without what came first nobody could confirm.
    this.#keeps = acks || repair || igyw || redundancy > 0;
    const { network, key } = options;
    const roundTripMs = (peer: Address) => this.#ledger.roundTripMs(peer, () => [...connected()].includes(peer));
    this.#receipts = new Receipts({ clock, sink, roundTripMs, isDead, onMisbehaviour, network, key });
    control.handle((bytes, from) => this.#receive(bytes, from));
  }

  /** Counters, put together for the caller. */
  get stats(): ReliabilityStats {
    return { ...this.#outbox.counts, ...this.#own };
  }

  /** The broadcasts that others may still be given. */
  get recent(): RecentMessages {
    return this.#recent;
  }

  /** What is thought of a peer. On the hot path. */
  stateOf(peer: Address): PeerState {
    return this.#detector === undefined ? "alive" : this.#detector.stateOf(peer);
  }

  /** Keeps a copy of a broadcast, or finds the one kept. On the hot path. */
  keep(nonce: bigint, data: Uint8Array): RecentMessage {
    return this.#keeps ? this.#recent.add(nonce, data) : notKept(nonce, data);
  }

  /** Whether a broadcast is still there to be handed over. On the hot path. */
  holds(message: RecentMessage): boolean {
    return !this.#keeps || message.sequence >= this.#recent.oldest;
  }

  /** A broadcast is new here: others may lack it. Returns whether it had been asked for. On the hot path. */
  got(message: RecentMessage, by: "tree" | "repair" | "own", from?: Address): boolean {
    const wanted = this.#repair?.got(message, by, from) ?? false;
    return (this.#igyw?.got(message) ?? false) || wanted;
  }

  /** A peer sent a copy of a broadcast that is here already. */
  late(from: Address, nonce: bigint): void {
    this.#repair?.late(from, nonce);
  }

  /** A hand-over is about to be sent: the number under which the peer is to acknowledge it, if it has to. On the hot path. */
  owed(to: Address, handover: Handover): number | undefined {
    if (!this.#acks || (handover.tries > 0 && !this.#replacementsAck)) return undefined;
    return this.#ledger.sent(to, handover);
  }

  /** The receipts of this node's broadcasts and of what it was handed. */
  get receipts(): Receipts {
    return this.#receipts;
  }

  /** A hand-over is about to be sent that is to be confirmed: how long the target may take for it, milliseconds; 0 if there is no time left. */
  asked({ ring, target, message }: Handover, until: Uint8Array): number {
    const child = ring.at(target);
    this.#receipts.handedOver(message.nonce, child, until);
    return this.#receipts.childBudgetMs(message.nonce, child, ring.segmentSize(target, until));
  }

  /** Hands a segment over without the payload. */
  duty(to: Address, { message, until, confirm }: Handover, seq: number, receiptMs: number): void {
    const { nonce } = message;
    this.#bare.note(nonce, to, seq);
    this.#repair?.handed(to, message);
    this.#outbox.duty(to, { nonce, until: until!, seq, receiptMs, signed: confirm === "signed" });
  }

  /** Asks a peer for the broadcast that it handed over without the payload. */
  want(from: Address, nonce: bigint): void {
    this.#outbox.want(from, nonce);
  }

  /** Acknowledges message `seq` of a peer. On the hot path. */
  acknowledge(from: Address, seq: number): void {
    this.#outbox.ack(from, seq);
  }

  /** A peer sent something. On the hot path. */
  heard(from: Address): void {
    this.#detector?.heard(from);
  }

  /** Something could not be sent to a peer. */
  unsent(to: Address): void {
    if (this.#closed) return;
    this.#detector?.gone(to);
    this.#ledger.gone(to);
  }

  /** A peer connected: it may have missed something, and its round trip is measured. */
  up(peer: Address): void {
    if (this.#closed) return;
    this.#detector?.heard(peer);
    if (!this.#options.ring().has(peer) || this.#options.isV1(peer)) return;
    if (this.#acks) {
      this.#probedAt.set(peer, this.#clock.now());
      this.#outbox.probe(peer);
    }
    // Whoever was only dialled in passing is no reason to offer him everything.
    if (this.#recent.size > 0 && treeNeighbours(this.#options.ring(), this.#options.self).has(peer)) {
      this.#repair?.recovered(peer);
    }
  }

  /** The staked set has changed: whoever has joined is offered what was broadcast before, like everybody who was away. */
  joined(before: Ring): void {
    if (this.#closed || this.#recent.size === 0 || this.#repair === undefined) return;
    const neighbours = treeNeighbours(this.#options.ring(), this.#options.self);
    for (const peer of this.#options.connected()) {
      if (neighbours.has(peer) && !before.has(peer)) this.#repair.recovered(peer);
    }
  }

  /** A peer's connection ended. */
  down(peer: Address): void {
    if (this.#closed) return;
    this.#outbox.forget(peer);
    this.#probedAt.delete(peer);
    const owed = this.#ledger.outstandingOf(peer);
    if (owed > 0) this.#detector?.gone(peer);
    this.#ledger.gone(peer);
  }

  /** Says and hears nothing any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#ledger.close();
    this.#detector?.close();
    this.#repair?.close();
    this.#igyw?.close();
    this.#receipts.close();
    this.#outbox.close();
    this.#options.control.close();
  }

  #receive(bytes: Uint8Array, from: Address): void {
    if (this.#closed) return;
    this.#own.controlReads++;
    this.#detector?.heard(from);
    let message: ControlMessage;
    try {
      message = decodeControlMessage(bytes);
    } catch (caught) {
      return this.#options.onMisbehaviour(from, asError(caught));
    }
    for (const { first, count } of message.acks) this.#ledger.acked(from, first, count);
    if (message.probe) this.#outbox.alive(from);
    if (message.alive) this.#answered(from);
    if (message.offers.length > 0) this.#repair?.offered(from, message.offers);
    // Repair keeps track of what it wants; the clean-up alone wants and forgets.
    if (message.asks.length > 0) (this.#repair ?? this.#igyw)?.asked(from, message.asks);
    if (message.wants.length > 0) {
      const offered = message.wants.filter((nonce) => !this.#wantedDuty(from, nonce));
      const others = this.#igyw?.wanted(from, offered) ?? offered;
      if (others.length > 0) this.#repair?.wanted(from, others);
    }
    for (const duty of message.duties) this.#options.onDuty(from, duty);
    for (const receipt of message.receipts) this.#receipts.confirmed(from, receipt);
    if (message.denials.length > 0) this.#igyw?.denied(from, message.denials);
  }

  /** Whether the peer was handed this broadcast without the payload, and so may want it. */
  #wantedDuty(from: Address, nonce: bigint): boolean {
    const seq = this.#bare.take(nonce, from);
    if (seq === undefined) return false;
    const handover = this.#ledger.reclaim(from, seq);
    const message = handover?.message ?? this.#recent.get(nonce);
    if (message === undefined) return true;
    this.#repair?.given(from, message);
    if (handover !== undefined) this.#options.again(handover);
    // Too late for the segment, which went to the next in turn; the message itself is still for the peer.
    else this.#deliver(from, message);
    return true;
  }

  readonly #deliver = (to: Address, message: RecentMessage): void => {
    this.#own.repaired++;
    this.#options.deliver(to, message);
  };

  /** For the detector. Who has left the ring is not waited for any more. */
  #probe(to: Address): void {
    const gone = this.stateOf(to) !== "alive" && !this.#options.ring().has(to);
    if (gone) this.#detector?.forget(to);
    else this.#outbox.probe(to);
  }

  #answered(from: Address): void {
    const askedAt = this.#probedAt.get(from);
    if (askedAt === undefined) return;
    this.#probedAt.delete(from);
    this.#ledger.measured(from, this.#clock.now() - askedAt);
  }

  /** Handed over in vain. */
  #silent(peer: Address, handover: Handover, first: boolean): void {
    this.#own.silences++;
    this.#recent.needed();
    if (first) {
      this.#detector?.silent(peer);
      this.#options.onSilence?.(peer);
    }
    if (handover.tries < this.#adjustLimit) {
      if (this.#options.adjust(handover)) this.#own.adjusted++;
    } else {
      // Not as long as there is a next in turn: it is faster than the digests, and whoever both reach gets the message twice.
      this.#repair?.contest(handover.message.nonce);
    }
    if (handover.confirm !== undefined) this.#receipts.adjusted(handover.message.nonce, peer);
  }

  #changed(peer: Address, state: PeerState): void {
    if (state === "alive") this.#repair?.recovered(peer);
    if (state !== "dead") return;
    this.#ledger.gone(peer);
    this.#receipts.died(peer);
  }

  #send(to: Address, bytes: Uint8Array, dials: boolean): void {
    const { control, isV1 } = this.#options;
    if (isV1(to)) return;
    // What could not be said is repeated by whoever needs it; the channel counts it.
    if (dials) control.send(to, bytes).catch((caught) => this.#unsaid(to, asP2pError("control_unsent", caught)));
    else control.trySend(to, bytes);
  }

  #unsaid(to: Address, { code }: P2pError): void {
    if (code !== "channel_full" && code !== "channel_unsupported" && code !== "message_too_large") this.unsent(to);
  }
}
