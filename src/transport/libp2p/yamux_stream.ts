import { asP2pError, type P2pError, ProtocolError } from "../../base/errors.ts";
import type { ByteWriter } from "../../codec/byte_writer.ts";
import {
  DATA,
  FIN,
  SYN,
  WINDOW_UPDATE,
  writeYamuxHeader,
  YAMUX_HEADER_BYTES,
  YAMUX_INITIAL_WINDOW,
} from "./yamux_frame.ts";

/** Who stands behind a yamux stream. All calls are synchronous, from within the session. */
export interface YamuxStreamHandler {
  /** The next bytes arrived. They count against the receive window until given back by {@link YamuxStream.consumed}. Returns whether any of them are kept. */
  data(chunk: Uint8Array): boolean;
  /** The remote will send nothing more. */
  ended(): void;
  /** The stream is gone, once: reset by either side or with the connection. Nothing is called after it. */
  aborted(reason: P2pError): void;
  /** Everything taken and the end went to the connection, once. */
  finished(): void;
  /** Both directions have ended in order, once. Nothing is called after it. */
  closed(): void;
  /** Append what is to be sent, about `budget` bytes; what exceeds the send window is kept back by the stream. */
  take(out: ByteWriter, budget: number): void;
}

/** What a stream needs of its session. */
export interface YamuxStreamOwner {
  /** Puts the stream into the queue of those that have something to send. */
  schedule(stream: YamuxStream): void;
  /** Tells the remote that the stream is reset, and forgets it. */
  resetStream(stream: YamuxStream): void;
  /** Forgets a stream that ended both ways. */
  forget(stream: YamuxStream): void;
  /** The remote accepted a stream that we opened. */
  acknowledged(): void;
}

const NOTHING = new Uint8Array(0);

/** The bookkeeping of one yamux stream: windows, flags, half-closes. Keeps no received bytes, its handler does. */
export class YamuxStream {
  /** Stream ID: odd if opened by the dialer of the connection. */
  readonly id: number;
  /** Receives and feeds. */
  handler!: YamuxStreamHandler;
  /** Stands in the session's queue. Owned by the session. */
  scheduled = false;
  readonly #owner: YamuxStreamOwner;
  #sendWindow = YAMUX_INITIAL_WINDOW;
  #receiveWindow = YAMUX_INITIAL_WINDOW;
  #receiveWindowMax = YAMUX_INITIAL_WINDOW;
  #credit = 0;
  #flags: number;
  #awaitsAck: boolean;
  // What take() appended beyond the send window; take() is not called while there is some.
  #leftover: Uint8Array = NOTHING;
  #finishing = false;
  #finSent = false;
  #finReceived = false;
  #gone = false;

  /** `flag` is SYN for a stream of ours, ACK for one of the remote's; it travels with the first frame. */
  constructor(id: number, flag: number, owner: YamuxStreamOwner) {
    this.id = id;
    this.#flags = flag;
    this.#awaitsAck = flag === SYN;
    this.#owner = owner;
  }

  /** Whether the stream still exists. */
  get open(): boolean {
    return !this.#gone;
  }

  /** Whether the remote has yet to accept a stream of ours. */
  get awaitsAck(): boolean {
    return this.#awaitsAck;
  }

  /** Whether the remote has not been told of this stream. */
  get unannounced(): boolean {
    return (this.#flags & SYN) !== 0;
  }

  /** Whether the remote must give room before anything more can be sent. */
  get blocked(): boolean {
    return this.#sendWindow <= 0 && !this.#finSent;
  }

  /** There is something to take. */
  wake(): void {
    if (!this.#gone && !this.scheduled) this.#owner.schedule(this);
  }

  /** Sends what there is to take, then ends our direction. */
  finish(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    this.wake();
  }

  /** Ends both directions at once and tells the remote. */
  reset(reason: P2pError): void {
    if (this.#gone) return;
    this.#owner.resetStream(this);
    this.abort(reason);
  }

  /** The handler is done with `count` received bytes: the remote may send as many again. Told at half a window. */
  consumed(count: number): void {
    this.#credit += count;
    if (this.#credit >= this.#receiveWindowMax >>> 1 && !this.#finReceived) this.wake();
  }

  /** Lets the remote send up to `bytes` ahead. It never shrinks. */
  growReceiveWindow(bytes: number): void {
    const more = bytes - this.#receiveWindowMax;
    if (more <= 0) return;
    this.#receiveWindowMax = bytes;
    this.#credit += more;
    this.wake();
  }

  /** The session gives the stream up. */
  abort(reason: P2pError): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#leftover = NOTHING;
    this.#settleAck();
    this.handler.aborted(reason);
  }

  /** A data frame of `length` bytes begins. @throws {ProtocolError} `yamux_window_exceeded`, `yamux_data_after_fin` */
  receiveHeader(length: number): void {
    if (this.#finReceived && length > 0) {
      throw new ProtocolError("yamux_data_after_fin", `Stream ${this.id} got data behind its end`);
    }
    if (length > this.#receiveWindow) {
      throw new ProtocolError(
        "yamux_window_exceeded",
        `Stream ${this.id} got a frame of ${length} bytes, its window is ${this.#receiveWindow}`,
      );
    }
    this.#receiveWindow -= length;
  }

  /** Bytes of a data frame, in as many pieces as they came in. Returns whether the handler keeps any. */
  receive(chunk: Uint8Array): boolean {
    if (this.#gone) return false;
    try {
      return this.handler.data(chunk);
    } catch (cause) {
      this.reset(asP2pError("stream_handler_failed", cause));
      return true;
    }
  }

  /** The remote accepted this stream of ours. */
  receiveAck(): void {
    this.#settleAck();
  }

  /** The remote ended its direction. */
  receiveFin(): void {
    if (this.#finReceived || this.#gone) return;
    this.#finReceived = true;
    try {
      this.handler.ended();
    } catch (cause) {
      this.reset(asP2pError("stream_handler_failed", cause));
    }
    this.#forgetIfEnded();
  }

  /** The remote gave more room. @throws {ProtocolError} `yamux_window_overflow` */
  receiveIncrement(increment: number): void {
    if (increment === 0) return;
    if (this.#sendWindow + increment > 0xffffffff) {
      throw new ProtocolError("yamux_window_overflow", `Stream ${this.id} was given a window above 2^32 - 1`);
    }
    const blocked = this.#sendWindow <= 0;
    this.#sendWindow += increment;
    if (blocked) this.wake();
  }

  /**
   * Appends this stream's frames for one turn, about `budget` bytes: a window update or bare flags, data, the end.
   * Returns whether to ask again in this turn.
   */
  compose(out: ByteWriter, budget: number): boolean {
    if (this.#gone) return false;
    if (this.#credit >= this.#receiveWindowMax >>> 1 && !this.#finReceived) {
      this.#header(out, WINDOW_UPDATE, this.#takeFlags(), this.#credit);
      this.#receiveWindow += this.#credit;
      this.#credit = 0;
    }
    const more = !this.#finSent && this.#composeData(out, budget);
    if (this.#flags !== 0) this.#header(out, WINDOW_UPDATE, this.#takeFlags(), 0);
    if (!more && this.#finishing && !this.#finSent && this.#leftover.length === 0 && this.#sendWindow > 0) {
      this.#finSent = true;
      this.#header(out, DATA, FIN, 0);
      this.handler.finished();
      this.#forgetIfEnded();
    }
    return more;
  }

  // Returns whether there may be more that could be sent now.
  #composeData(out: ByteWriter, budget: number): boolean {
    const window = this.#sendWindow;
    if (window <= 0) return false;
    const header = out.reserve(YAMUX_HEADER_BYTES);
    const start = header + YAMUX_HEADER_BYTES;
    const room = Math.min(budget, window);
    if (this.#leftover.length > 0) {
      out.push(this.#leftover.subarray(0, room));
      // An empty view would still hold the whole memory.
      this.#leftover = room < this.#leftover.length ? this.#leftover.subarray(room) : NOTHING;
    } else {
      try {
        this.handler.take(out, room);
      } catch (cause) {
        out.truncate(header);
        this.reset(asP2pError("stream_handler_failed", cause));
        return false;
      }
      // What take() did to its own stream may have been to reset it.
      if (this.#gone) {
        out.truncate(header);
        return false;
      }
      if (out.length - start > window) {
        this.#leftover = out.buffer.slice(start + window, out.length);
        out.truncate(start + window);
      }
    }
    const length = out.length - start;
    if (length === 0) {
      out.truncate(header);
      return false;
    }
    writeYamuxHeader(out.buffer, header, DATA, this.#takeFlags(), this.id, length);
    this.#sendWindow -= length;
    return this.#sendWindow > 0;
  }

  #takeFlags(): number {
    const flags = this.#flags;
    this.#flags = 0;
    return flags;
  }

  #header(out: ByteWriter, type: number, flags: number, length: number): void {
    const offset = out.reserve(YAMUX_HEADER_BYTES);
    writeYamuxHeader(out.buffer, offset, type, flags, this.id, length);
  }

  #settleAck(): void {
    if (!this.#awaitsAck) return;
    this.#awaitsAck = false;
    this.#owner.acknowledged();
  }

  #forgetIfEnded(): void {
    if (!this.#finSent || !this.#finReceived || this.#gone) return;
    this.#gone = true;
    this.#settleAck();
    this.#owner.forget(this);
    this.handler.closed();
  }
}
