import { ProtocolError } from "../base/errors.ts";
import { compact } from "../codec/compact.ts";
import { concat } from "../codec/concat.ts";
import { MORE } from "../codec/frame.ts";
import { MESSAGE_COST } from "../transport/control_frame.ts";
import type { LaneOptions } from "./send_lane.ts";

/** A message that continues has at least this in each frame, so that a peer cannot make us keep millions of tiny (or empty) parts. */
const FRAGMENT_BYTES_MIN = 1024;

/** One channel's incoming side from one peer: joins frames into messages and counts the credit the peer has left. */
export class ReceiveLane {
  #options: LaneOptions;
  /** Messages received whole. */
  received = 0;
  /** Of these, those that are not consumed yet. */
  waiting = 0;
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  #outstanding = 0;
  #owed = 0;

  /** A lane that takes the whole receive capacity. */
  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** What the lane is for. */
  get options(): LaneOptions {
    return this.#options;
  }

  /** Serves a channel that was closed and opened anew. The peer keeps what credit it has, so that the capacity can only grow; it is owed the growth. */
  reopen(options: LaneOptions): void {
    const receiveCapacity = Math.max(options.receiveCapacity, this.#options.receiveCapacity);
    this.#owed += receiveCapacity - this.#options.receiveCapacity;
    this.#options = { ...options, receiveCapacity };
  }

  /**
   * Takes a frame; returns the message it completes, if it does.
   *
   * @throws {ProtocolError} `message_too_large`; `fragment_too_short`; `credit_exceeded` when the peer sends more than it was given.
   */
  push(flags: number, body: Uint8Array): Uint8Array | undefined {
    const length = this.#partsBytes + body.length;
    if (length > this.#options.messageBytesMax) {
      throw new ProtocolError(
        "message_too_large",
        `Message on channel ${this.#options.id} has over ${
          length - 1
        } bytes, the limit is ${this.#options.messageBytesMax}`,
      );
    }
    if (this.#outstanding >= this.#options.receiveCapacity) {
      throw new ProtocolError(
        "credit_exceeded",
        `Peer sent on channel ${this.#options.id} beyond its credit of ${this.#options.receiveCapacity} bytes`,
      );
    }
    if ((flags & MORE) !== 0) {
      if (body.length < FRAGMENT_BYTES_MIN) {
        throw new ProtocolError(
          "fragment_too_short",
          `Fragment on channel ${this.#options.id} has ${body.length} bytes, all but a message's last have ${FRAGMENT_BYTES_MIN} or more`,
        );
      }
      this.#parts.push(compact(body));
      this.#partsBytes = length;
      return undefined;
    }
    this.received++;
    this.waiting++;
    this.#outstanding += length + MESSAGE_COST;
    if (this.#partsBytes === 0) return body;
    const message = concat([...this.#parts, body]);
    this.#parts = [];
    this.#partsBytes = 0;
    return message;
  }

  /** A message of `length` bytes was consumed. Returns whether enough is owed to tell the peer. */
  consumed(length: number): boolean {
    this.waiting--;
    this.#outstanding -= length + MESSAGE_COST;
    this.#owed += length + MESSAGE_COST;
    return this.#owed * 4 >= this.#options.receiveCapacity;
  }

  /** Owes the peer its first credit. */
  grant(bytes: number): void {
    this.#owed += bytes;
  }

  /** The credit to give back now; it counts as given. */
  settle(): number {
    const owed = this.#owed;
    this.#owed = 0;
    return owed;
  }
}
