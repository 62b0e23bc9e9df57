import type { ByteWriter } from "../codec/byte_writer.ts";
import { FRAME_BODY_BYTES_MAX, MORE, writeFrame } from "../codec/frame.ts";
import { MESSAGE_COST } from "../transport/control_frame.ts";

/** What a full queue does: the sender waits, the new message is dropped, or the oldest makes room. */
export type WhenFull = "block" | "drop-newest" | "drop-oldest";

/** What one channel is to every socket. */
export interface LaneOptions {
  /** Channel ID, 1 to 16383. */
  readonly id: number;
  /** Weight for `wdrr`, rank for `priority`; higher goes first. An integer from 1. */
  readonly priority: number;
  /** Bytes that may wait to be sent to one peer. */
  readonly sendCapacity: number;
  /** Bytes one peer may send before we consumed them. */
  readonly receiveCapacity: number;
  /** Largest message, bytes. */
  readonly messageBytesMax: number;
  /** What happens when `sendCapacity` is used up. */
  readonly whenFull: WhenFull;
}

/** One channel's outgoing queue to one peer: bounded in bytes, cut into frames as the peer's credit allows. */
export class SendLane {
  /** What the lane is for. Changes when the channel was closed and its ID opened anew; what is queued stays. */
  options: LaneOptions;
  /** Bytes the peer still accepts; a message starts while it is above zero and may leave it below. */
  credit = 0;
  /** Whether the peer receives on this channel. */
  supported = false;
  /** Messages dropped to make room for newer ones. */
  droppedOldest = 0;
  /** Messages accepted and not written, because the socket closed. */
  droppedClosed = 0;
  /** Messages written whole. */
  sent = 0;
  /** Deficit of the `wdrr` scheduler, bytes. */
  deficit = 0;
  #bodies: Uint8Array[] = [];
  #turns: number[] = [];
  #head = 0;
  #offset = 0;
  #bytes = 0;
  #room: PromiseWithResolvers<void> | undefined;

  /** An empty lane without credit. */
  constructor(options: LaneOptions) {
    this.options = options;
  }

  /** Messages waiting. */
  get length(): number {
    return this.#bodies.length - this.#head;
  }

  /** Bytes waiting, with {@link MESSAGE_COST} a message. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Something waits and may go now. */
  get ready(): boolean {
    return this.#head < this.#bodies.length && (this.credit > 0 || this.#offset > 0);
  }

  /** When the head of the queue was pushed, in the socket's count of pushes. */
  get headTurn(): number {
    return this.#turns[this.#head];
  }

  /** Bytes of the next frame's body. */
  get nextFrameBytes(): number {
    return Math.min(this.#bodies[this.#head].length - this.#offset, FRAME_BODY_BYTES_MAX);
  }

  /** Whether another message of this size fits; one always fits in an empty queue. */
  fits(body: Uint8Array): boolean {
    return this.#bytes === 0 || this.#bytes + body.length + MESSAGE_COST <= this.options.sendCapacity;
  }

  /** Queues a message; what the full queue does is decided before, by {@link fits}. `turn` orders lanes under `fifo`. */
  push(body: Uint8Array, turn: number): void {
    this.#bodies.push(body);
    this.#turns.push(turn);
    this.#bytes += body.length + MESSAGE_COST;
  }

  /** Drops the oldest messages until `body` fits, and counts them. One that is half written stays: the peer waits for its end. */
  makeRoom(body: Uint8Array): void {
    const begun = this.#offset > 0 ? 1 : 0;
    while (!this.fits(body) && this.length > begun) {
      const oldest = this.#head + begun;
      if (begun > 0) {
        const [dropped] = this.#bodies.splice(oldest, 1, this.#bodies[this.#head]);
        this.#turns[oldest] = this.#turns[this.#head];
        this.#shift(dropped);
      } else {
        this.#shift(this.#bodies[oldest]);
      }
      this.droppedOldest++;
    }
  }

  /** Resolves when the queue has fallen to half its capacity. */
  room(): Promise<void> {
    this.#room ??= Promise.withResolvers<void>();
    return this.#room.promise;
  }

  /** Appends the next frame of the head message. */
  takeFrame(out: ByteWriter): void {
    const body = this.#bodies[this.#head];
    if (this.#offset === 0) this.credit -= body.length + MESSAGE_COST;
    if (body.length - this.#offset > FRAME_BODY_BYTES_MAX) {
      const end = this.#offset + FRAME_BODY_BYTES_MAX;
      writeFrame(out, this.options.id, MORE, body.subarray(this.#offset, end));
      this.#offset = end;
      return;
    }
    writeFrame(out, this.options.id, 0, this.#offset === 0 ? body : body.subarray(this.#offset));
    this.#offset = 0;
    this.sent++;
    this.#shift(body);
  }

  /** The socket closes: forgets what waits, counts it, and wakes who waits for room. */
  clear(): void {
    this.droppedClosed += this.length;
    this.#bodies = [];
    this.#turns = [];
    this.#head = 0;
    this.#offset = 0;
    this.#bytes = 0;
    this.#wakeSenders();
  }

  #shift(body: Uint8Array): void {
    this.#bodies[this.#head] = EMPTY;
    this.#head++;
    this.#bytes -= body.length + MESSAGE_COST;
    if (this.#head === this.#bodies.length) {
      this.#bodies.length = 0;
      this.#turns.length = 0;
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#bodies.length) {
      this.#bodies.splice(0, this.#head);
      this.#turns.splice(0, this.#head);
      this.#head = 0;
    }
    if (this.#room !== undefined && this.#bytes * 2 <= this.options.sendCapacity) this.#wakeSenders();
  }

  #wakeSenders(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

const EMPTY = new Uint8Array(0);
