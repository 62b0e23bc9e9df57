import { P2pError, ProtocolError } from "../../base/errors.ts";
import { ByteWriter } from "../../codec/byte_writer.ts";
import {
  ACK,
  checkYamuxHeader,
  DATA,
  FIN,
  GO_AWAY,
  GO_AWAY_INTERNAL_ERROR,
  GO_AWAY_NORMAL,
  GO_AWAY_PROTOCOL_ERROR,
  PING,
  RST,
  SYN,
  uint32At,
  WINDOW_UPDATE,
  writeYamuxHeader,
  YAMUX_HEADER_BYTES,
} from "./yamux_frame.ts";
import { YamuxStream, type YamuxStreamHandler, type YamuxStreamOwner } from "./yamux_stream.ts";

/** What a {@link Yamux} session tells its owner. All calls are synchronous. */
export interface YamuxEvents {
  /** The remote opened `stream`. Returns who handles it. */
  opened(stream: YamuxStream): YamuxStreamHandler;
  /** There is something to {@link Yamux.compose}. */
  wake(): void;
  /** The session cannot go on, found outside {@link Yamux.receive}: close it with `reason`. */
  failed(reason: P2pError): void;
}

/** Limits of a {@link Yamux} session. */
export interface YamuxLimits {
  /** Streams of the remote's that exist at once; a further one is reset. @default {1024} */
  inboundStreamsMax?: number;
  /** Streams of ours that exist at once; opening a further one throws. @default {1024} */
  outboundStreamsMax?: number;
  /** Streams of ours that the remote has not accepted yet; opening a further one throws. Go's yamux refuses above 256. @default {256} */
  unacknowledgedStreamsMax?: number;
}

/** The longest share of a turn that one stream gets before the next one's. */
const QUANTUM_BYTES = 64 * 1024;

/** Pings of ours without an answer; a further one throws. */
const PINGS_MAX = 16;

/** Answers, resets and pings that wait for the socket. A remote that provokes more without reading them is cut off. */
const CONTROL_BYTES_MAX = 64 * 1024;

/** Streams that are gone and still stand in the queue; more are taken out at once, so that resets under a blocked writer hold nothing. */
const GONE_READY_MAX = 256;

/**
 * The yamux multiplexer as a state machine: {@link receive} takes plaintext as it comes, {@link compose} appends the frames
 * to be sent. Streams with something to send take turns of {@link QUANTUM_BYTES}; pings, answers and resets go first.
 * A handler that does not consume stops its own stream's sender at the end of that stream's window, and no other.
 * (hashicorp/yamux, spec.md.)
 */
export class Yamux implements YamuxStreamOwner {
  readonly #events: YamuxEvents;
  readonly #inboundStreamsMax: number;
  readonly #outboundStreamsMax: number;
  readonly #unacknowledgedStreamsMax: number;
  readonly #ourParity: number;
  readonly #streams = new Map<number, YamuxStream>();
  #ready: YamuxStream[] = [];
  #goneReady = 0;
  readonly #control = new ByteWriter(64);
  readonly #header = new Uint8Array(YAMUX_HEADER_BYTES);
  readonly #pings = new Map<number, (answered: boolean) => void>();
  #headerBytes = 0;
  #bodyStream: YamuxStream | undefined;
  #bodyBytes = 0;
  #bodyFin = false;
  #nextId: number;
  #remoteIdMax = 0;
  #inbound = 0;
  #outbound = 0;
  #unacknowledged = 0;
  #nextPing = 1;
  #goneAway: P2pError | undefined;
  #remoteGoneAway = false;
  #closed: P2pError | undefined;
  /** Streams of the remote's refused because of a limit. */
  refused = 0;

  /** `initiator` is the side that dialled; its streams have odd IDs. */
  constructor(initiator: boolean, events: YamuxEvents, limits: YamuxLimits = {}) {
    const { inboundStreamsMax = 1024, outboundStreamsMax = 1024, unacknowledgedStreamsMax = 256 } = limits;
    this.#events = events;
    this.#inboundStreamsMax = inboundStreamsMax;
    this.#outboundStreamsMax = outboundStreamsMax;
    this.#unacknowledgedStreamsMax = unacknowledgedStreamsMax;
    this.#ourParity = initiator ? 1 : 0;
    this.#nextId = initiator ? 1 : 2;
  }

  /** Streams that exist, of both sides. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** Whether the remote announced an orderly end: it opens and accepts no more streams. */
  get remoteGoneAway(): boolean {
    return this.#remoteGoneAway;
  }

  /**
   * Opens a stream of ours; the remote learns of it with the first frame.
   *
   * @throws {P2pError} `streams_exhausted` at a limit, `connection_closing` behind a go-away, or why the session closed.
   */
  open(): YamuxStream {
    if (this.#closed) throw this.#closed;
    if (this.#goneAway || this.#remoteGoneAway) {
      throw new P2pError("connection_closing", "Cannot open a stream: the connection is closing");
    }
    if (this.#outbound >= this.#outboundStreamsMax) {
      throw new P2pError(
        "streams_exhausted",
        `Cannot open a stream: ${this.#outbound} are open, the limit is ${this.#outboundStreamsMax}`,
      );
    }
    if (this.#unacknowledged >= this.#unacknowledgedStreamsMax) {
      throw new P2pError(
        "streams_exhausted",
        `Cannot open a stream: ${this.#unacknowledged} wait for the remote, the limit is ${this.#unacknowledgedStreamsMax}`,
      );
    }
    if (this.#nextId > 0xffffffff) {
      throw new P2pError("streams_exhausted", "Cannot open a stream: the connection has used up all stream IDs");
    }
    const stream = new YamuxStream(this.#nextId, SYN, this);
    this.#nextId += 2;
    this.#outbound++;
    this.#unacknowledged++;
    this.#streams.set(stream.id, stream);
    return stream;
  }

  /**
   * Sends a ping; `answered` is called once, with `true` when the answer comes and `false` when the session closes first.
   *
   * @throws {P2pError} `pings_exhausted` while 16 are without an answer, or why the session closed.
   */
  ping(answered: (answered: boolean) => void): void {
    if (this.#closed) throw this.#closed;
    if (this.#pings.size >= PINGS_MAX) {
      throw new P2pError("pings_exhausted", `Cannot ping: ${PINGS_MAX} pings wait for an answer`);
    }
    const number = this.#nextPing;
    this.#nextPing = (number + 1) >>> 0;
    this.#pings.set(number, answered);
    this.#sendControl(PING, SYN, 0, number);
  }

  /** Whether a stream may have something to send that waits for the remote to give room. */
  get blocked(): boolean {
    for (const stream of this.#streams.values()) if (stream.blocked) return true;
    return false;
  }

  /** Announces the end: no more streams either way. With a reason it is told as a protocol or an internal error. Idempotent. */
  goAway(reason?: P2pError): void {
    if (this.#goneAway || this.#closed) return;
    this.#goneAway = reason ?? new P2pError("connection_closing", "The connection is closing");
    const code = reason === undefined
      ? GO_AWAY_NORMAL
      : reason instanceof ProtocolError
      ? GO_AWAY_PROTOCOL_ERROR
      : GO_AWAY_INTERNAL_ERROR;
    this.#sendControl(GO_AWAY, 0, 0, code);
  }

  /** Ends the session and every stream with `reason`. Idempotent. */
  close(reason: P2pError): void {
    if (this.#closed) return;
    this.#closed = reason;
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    this.#ready.length = 0;
    this.#goneReady = 0;
    for (const stream of streams) stream.abort(reason);
    const pings = [...this.#pings.values()];
    this.#pings.clear();
    for (const answered of pings) answered(false);
  }

  /**
   * Takes the next plaintext; handlers get views of it, so it must not be overwritten. Returns whether any of them keeps one.
   *
   * @throws {ProtocolError} `yamux_*` when the remote breaks the protocol; {@link goAway} and {@link close} with it.
   */
  receive(chunk: Uint8Array): boolean {
    let kept = false;
    let at = 0;
    const size = chunk.length;
    while (at < size && !this.#closed) {
      if (this.#bodyBytes > 0) {
        const end = Math.min(size, at + this.#bodyBytes);
        this.#bodyBytes -= end - at;
        if (this.#bodyStream?.receive(chunk.subarray(at, end))) kept = true;
        at = end;
        if (this.#bodyBytes === 0) this.#endBody();
        continue;
      }
      if (this.#headerBytes === 0 && size - at >= YAMUX_HEADER_BYTES) {
        this.#receiveHeader(chunk, at);
        at += YAMUX_HEADER_BYTES;
        continue;
      }
      const missing = Math.min(YAMUX_HEADER_BYTES - this.#headerBytes, size - at);
      this.#header.set(chunk.subarray(at, at + missing), this.#headerBytes);
      this.#headerBytes += missing;
      at += missing;
      if (this.#headerBytes === YAMUX_HEADER_BYTES) {
        this.#headerBytes = 0;
        this.#receiveHeader(this.#header, 0);
      }
    }
    return kept;
  }

  /** Appends what is to be sent now, about `budget` bytes; nothing if there is nothing. */
  compose(out: ByteWriter, budget: number): void {
    const limit = out.length + budget;
    if (this.#control.length > 0) {
      out.push(this.#control.bytes());
      this.#control.clear(1024);
    }
    while (out.length < limit) {
      const stream = this.#ready.shift();
      if (stream === undefined) return;
      stream.scheduled = false;
      if (!stream.open) this.#goneReady--;
      const more = stream.compose(out, Math.min(QUANTUM_BYTES, limit - out.length));
      if (more && !stream.scheduled) {
        stream.scheduled = true;
        this.#ready.push(stream);
      }
    }
  }

  /** See {@link YamuxStreamOwner}. */
  schedule(stream: YamuxStream): void {
    stream.scheduled = true;
    this.#ready.push(stream);
    this.#events.wake();
  }

  /** See {@link YamuxStreamOwner}. */
  resetStream(stream: YamuxStream): void {
    this.forget(stream);
    if (!this.#closed && !stream.unannounced) this.#sendControl(WINDOW_UPDATE, RST, stream.id, 0);
  }

  /** See {@link YamuxStreamOwner}. */
  forget(stream: YamuxStream): void {
    if (!this.#streams.delete(stream.id)) return;
    if (this.#isOurs(stream.id)) this.#outbound--;
    else this.#inbound--;
    if (!stream.scheduled || ++this.#goneReady <= GONE_READY_MAX) return;
    // The one that is going now still says that it is open.
    this.#ready = this.#ready.filter((ready) => ready.open && ready !== stream);
    stream.scheduled = false;
    this.#goneReady = 0;
  }

  /** See {@link YamuxStreamOwner}. */
  acknowledged(): void {
    this.#unacknowledged--;
  }

  #receiveHeader(from: Uint8Array, at: number): void {
    checkYamuxHeader(from, at);
    const type = from[at + 1];
    const flags = from[at + 3];
    const id = uint32At(from, at + 4);
    const length = uint32At(from, at + 8);
    if (type <= WINDOW_UPDATE) this.#receiveStreamFrame(type, flags, id, length);
    else if (type === PING) this.#receivePing(flags, length);
    else this.#receiveGoAway(length);
  }

  #receiveStreamFrame(type: number, flags: number, id: number, length: number): void {
    const stream = (flags & SYN) !== 0 ? this.#accept(id) : this.#find(id);
    if (stream !== undefined) {
      if ((flags & ACK) !== 0) stream.receiveAck();
      if (type === WINDOW_UPDATE) stream.receiveIncrement(length);
      else stream.receiveHeader(length);
      if ((flags & RST) !== 0) {
        this.forget(stream);
        stream.abort(new P2pError("stream_reset", `The remote reset stream ${id}`));
      }
    }
    if (type === DATA && length > 0) {
      // The body of a stream that is gone, or refused, is skipped.
      this.#bodyStream = stream;
      this.#bodyBytes = length;
      this.#bodyFin = (flags & FIN) !== 0;
    } else if ((flags & FIN) !== 0) {
      stream?.receiveFin();
    }
  }

  #endBody(): void {
    const stream = this.#bodyStream;
    this.#bodyStream = undefined;
    if (this.#bodyFin) stream?.receiveFin();
  }

  // A stream refused because of a limit is reset and comes back as undefined.
  #accept(id: number): YamuxStream | undefined {
    if (id === 0 || this.#isOurs(id)) {
      throw new ProtocolError("yamux_bad_stream_id", `Remote opened stream ${id}, which is not one of its numbers`);
    }
    if (this.#streams.has(id)) {
      throw new ProtocolError("yamux_duplicate_stream", `Remote opened stream ${id} a second time`);
    }
    if (id > this.#remoteIdMax) this.#remoteIdMax = id;
    if (this.#inbound >= this.#inboundStreamsMax || this.#goneAway) {
      this.refused++;
      this.#sendControl(WINDOW_UPDATE, RST, id, 0);
      return undefined;
    }
    const stream = new YamuxStream(id, ACK, this);
    this.#inbound++;
    this.#streams.set(id, stream);
    stream.handler = this.#events.opened(stream);
    if (stream.open) stream.wake();
    return stream.open ? stream : undefined;
  }

  // Frames for a stream that we have forgotten cross our reset or our end on the way: they are skipped.
  #find(id: number): YamuxStream | undefined {
    const stream = this.#streams.get(id);
    if (stream === undefined && (this.#isOurs(id) ? id >= this.#nextId : id > this.#remoteIdMax) || id === 0) {
      throw new ProtocolError("yamux_unknown_stream", `Remote sent a frame for stream ${id}, which nobody opened`);
    }
    return stream;
  }

  #receivePing(flags: number, number: number): void {
    if ((flags & SYN) !== 0) return this.#sendControl(PING, ACK, 0, number);
    const answered = this.#pings.get(number);
    this.#pings.delete(number);
    answered?.(true);
  }

  #receiveGoAway(code: number): void {
    this.#remoteGoneAway = true;
    if (code !== GO_AWAY_NORMAL) {
      throw new P2pError("yamux_remote_error", `Remote ended the connection with yamux error ${code}`);
    }
  }

  #sendControl(type: number, flags: number, id: number, length: number): void {
    if (this.#control.length >= CONTROL_BYTES_MAX) {
      const what = `Remote does not read: ${CONTROL_BYTES_MAX} bytes of pings and resets wait for it`;
      return this.#events.failed(new ProtocolError("yamux_control_flood", what));
    }
    const offset = this.#control.reserve(YAMUX_HEADER_BYTES);
    writeYamuxHeader(this.#control.buffer, offset, type, flags, id, length);
    this.#events.wake();
  }

  #isOurs(id: number): boolean {
    return (id & 1) === this.#ourParity;
  }
}
