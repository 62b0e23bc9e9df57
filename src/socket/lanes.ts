import { ProtocolError } from "../base/errors.ts";
import type { ByteWriter } from "../codec/byte_writer.ts";
import { writeControlFrame } from "../transport/control_frame.ts";
import { ReceiveLane } from "./receive_lane.ts";
import { type LaneOptions, SendLane } from "./send_lane.ts";

/** Channels a peer may announce that we do not carry; more are ignored. */
const CREDIT_WAITING_MAX = 64;

/** The channels of one socket: a lane for each direction, and the credit that both ends give each other for them. */
export class Lanes {
  readonly #send: SendLane[] = [];
  readonly #sendOf = new Map<number, SendLane>();
  readonly #receiveOf = new Map<number, ReceiveLane>();
  readonly #owing = new Set<ReceiveLane>();
  /** What peers' channels accept that we have no lane for yet. */
  readonly #creditWaiting = new Map<number, number>();

  /** The outgoing queues, by channel ID. */
  get sending(): readonly SendLane[] {
    return this.#send;
  }

  /** Messages received and not consumed yet. */
  get received(): number {
    let count = 0;
    for (const { waiting } of this.#receiveOf.values()) count += waiting;
    return count;
  }

  /** Whether nothing waits to be sent. */
  get empty(): boolean {
    return this.#send.every(({ length }) => length === 0);
  }

  /** Whether there is credit to be told of. */
  get owing(): boolean {
    return this.#owing.size > 0;
  }

  /** Carries one more channel, or one it carries already with other options. The peer hears of either after {@link announce}, or now if it knows the others already. */
  add(options: LaneOptions, announced: boolean): void {
    const known = this.#sendOf.get(options.id);
    if (known !== undefined) {
      known.options = options;
      const receive = this.#receiveOf.get(options.id)!;
      receive.reopen(options);
      if (announced) this.#owing.add(receive);
      return;
    }
    const lane = new SendLane(options);
    this.#send.push(lane);
    this.#send.sort((a, b) => a.options.id - b.options.id);
    this.#sendOf.set(options.id, lane);
    const receive = new ReceiveLane(options);
    this.#receiveOf.set(options.id, receive);
    const waiting = this.#creditWaiting.get(options.id);
    if (waiting !== undefined) this.credited(options.id, waiting);
    this.#creditWaiting.delete(options.id);
    if (announced) this.#grant(receive);
  }

  /** Gives the peer its first credit for every channel. */
  announce(): void {
    for (const lane of this.#receiveOf.values()) this.#grant(lane);
  }

  /** The queue to the peer of a channel. */
  sendLane(channel: number): SendLane | undefined {
    return this.#sendOf.get(channel);
  }

  /** Takes a frame of a channel; returns the message that it completes. @throws {ProtocolError} `channel_unknown`, and what {@link ReceiveLane.push} throws */
  receive(channel: number, flags: number, body: Uint8Array): Uint8Array | undefined {
    const lane = this.#receiveOf.get(channel);
    if (lane !== undefined) return lane.push(flags, body);
    throw new ProtocolError("channel_unknown", `Peer sent on channel ${channel}, which this node never offered`);
  }

  /** A message of `length` bytes was consumed. Returns whether the peer is to be told now. */
  consumed(channel: number, length: number): boolean {
    const lane = this.#receiveOf.get(channel);
    if (lane === undefined || !lane.consumed(length)) return false;
    this.#owing.add(lane);
    return true;
  }

  /** The peer accepts `bytes` more on a channel. */
  credited(channel: number, bytes: number): void {
    const lane = this.#sendOf.get(channel);
    if (lane !== undefined) {
      lane.supported = true;
      lane.credit = Math.min(lane.credit + bytes, Number.MAX_SAFE_INTEGER);
    } else if (this.#creditWaiting.size < CREDIT_WAITING_MAX) {
      this.#creditWaiting.set(channel, (this.#creditWaiting.get(channel) ?? 0) + bytes);
    }
  }

  /** Appends the credit that the peer is to be told of. */
  takeCredit(out: ByteWriter): void {
    for (const lane of this.#owing) {
      writeControlFrame(out, { type: "credit", channel: lane.options.id, bytes: lane.settle() });
    }
    this.#owing.clear();
  }

  /** Drops what waits to be sent. */
  clear(): void {
    for (const lane of this.#send) lane.clear();
  }

  #grant(lane: ReceiveLane): void {
    lane.grant(lane.options.receiveCapacity);
    this.#owing.add(lane);
  }
}
