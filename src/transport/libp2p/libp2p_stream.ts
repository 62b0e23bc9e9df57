import { abortError, P2pError, ProtocolError } from "../../base/errors.ts";
import type { ByteWriter } from "../../codec/byte_writer.ts";
import { concat } from "../../codec/concat.ts";
import type { HostConnection } from "./host_connection.ts";
import { MultistreamDialer, MultistreamListener } from "./multistream.ts";
import { ReceiveQueue } from "./receive_queue.ts";
import { SendQueue } from "./send_queue.ts";
import type { PipeOptions, StreamPipe } from "./stream_pipe.ts";
import type { YamuxStream } from "./yamux_stream.ts";

/** What a {@link Libp2pStream} tells its connection, each once at most. */
export interface StreamOwner {
  /** Both ends agree on the protocol. */
  agreed(stream: Libp2pStream): void;
  /** Nobody here uses it any more: it is to end soon. */
  released(stream: Libp2pStream): void;
  /** It exists no more. */
  gone(stream: Libp2pStream): void;
}

const ACCEPTED: Promise<void> = Promise.resolve();
const END: Promise<null> = Promise.resolve(null);

/**
 * One libp2p stream: a protocol, bytes both ways, an end for each direction. Obtained from {@link HostConnection.openStream}
 * or by a protocol's handler. Flow control is yamux's: what is not read stops the sender at the window.
 *
 * Either read with {@link read}, {@link readAll} or `for await` and send with {@link write}, or hand it to a {@link pipe}.
 */
export class Libp2pStream implements AsyncDisposable {
  /** The connection it belongs to. */
  readonly connection: HostConnection;
  /** Whether this node or the remote opened it. */
  readonly direction: "inbound" | "outbound";
  readonly #yamux: YamuxStream;
  readonly #owner: StreamOwner;
  #negotiation: MultistreamDialer | MultistreamListener | undefined;
  #optimistic: boolean;
  #protocol: string;
  #negotiationBytes: Uint8Array | undefined;
  #pipe: StreamPipe | undefined;
  #pipeEnded = false;
  #discarding = false;
  #received: ReceiveQueue | undefined;
  #ended = false;
  #reason: P2pError | undefined;
  #reader: PromiseWithResolvers<Uint8Array | null> | undefined;
  #agreed: PromiseWithResolvers<void> | undefined;
  #flushed: PromiseWithResolvers<void> | undefined;
  readonly #unsent = new SendQueue();
  #moved = false;
  #writeClosed = false;
  #endSent = false;

  /**
   * Made by {@link HostConnection}. A dialer that offers one protocol starts optimistically: data follows the proposal
   * without waiting.
   *
   * @internal
   */
  constructor(
    connection: HostConnection,
    yamux: YamuxStream,
    negotiation: MultistreamDialer | MultistreamListener,
    owner: StreamOwner,
  ) {
    this.connection = connection;
    this.#yamux = yamux;
    this.#negotiation = negotiation;
    this.#owner = owner;
    if (negotiation instanceof MultistreamDialer) {
      this.direction = "outbound";
      this.#optimistic = negotiation.protocols.length === 1;
      this.#protocol = this.#optimistic ? negotiation.protocols[0] : "";
      this.#negotiationBytes = negotiation.first();
    } else {
      this.direction = "inbound";
      this.#optimistic = false;
      this.#protocol = "";
    }
  }

  /** Yamux's stream ID. */
  get id(): number {
    return this.#yamux.id;
  }

  /** The protocol, agreed or (optimistically) proposed; empty until one is. */
  get protocol(): string {
    return this.#protocol;
  }

  /** Whether it was reset or lost; an orderly end of both directions is none of this. */
  get reason(): P2pError | undefined {
    return this.#reason;
  }

  /** Whether the stream exists; `false` when both directions have ended or it was reset. */
  get open(): boolean {
    return this.#yamux.open;
  }

  /** Resolves when the remote has agreed to the protocol. @throws {P2pError} `protocol_unsupported`, or why the stream is gone. */
  negotiated(): Promise<void> {
    if (this.#reason) return Promise.reject(this.#reason);
    if (this.#negotiation === undefined) return ACCEPTED;
    this.#propose();
    return (this.#agreed ??= Promise.withResolvers()).promise;
  }

  /**
   * Resolves when everything written and the end went to the connection; call {@link closeWrite} too. For an outbound stream this
   * says that the remote has agreed to the protocol. @throws {P2pError} why the stream is gone
   */
  flushed(): Promise<void> {
    if (this.#endSent) return ACCEPTED;
    if (this.#reason) return Promise.reject(this.#reason);
    return (this.#flushed ??= Promise.withResolvers()).promise;
  }

  /**
   * Sends `bytes`, which are not copied: do not change them afterwards. The promise is one that is resolved already while
   * up to 256 KiB wait, and otherwise resolves when there is room again: wait for it.
   *
   * @throws {P2pError} `stream_write_closed` after {@link closeWrite}, `stream_write_overrun` if 32 MiB wait, or why the stream is gone.
   */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#reason) return Promise.reject(this.#reason);
    if (this.#writeClosed) {
      return Promise.reject(new P2pError("stream_write_closed", `Cannot write to stream ${this.id}: its end was sent`));
    }
    const accepted = this.#unsent.push(bytes);
    this.#yamux.wake();
    return accepted;
  }

  /** Ends our direction behind everything written; the other goes on. Idempotent. */
  closeWrite(): void {
    if (this.#writeClosed) return;
    this.#writeClosed = true;
    // Before the protocol is agreed the end waits even where data does not: js-libp2p loses data whose end came that early.
    if (this.#negotiation === undefined) this.#yamux.finish();
    else this.wake();
  }

  /**
   * The next bytes in the pieces they came in, `null` at the end. One reader at a time.
   *
   * @throws {P2pError} why the stream is gone, such as `stream_reset` or `connection_lost`
   */
  read(): Promise<Uint8Array | null> {
    const chunk = this.#received?.shift();
    if (chunk !== undefined) {
      this.#yamux.consumed(chunk.length);
      return Promise.resolve(chunk);
    }
    if (this.#ended) return END;
    if (this.#reason) return Promise.reject(this.#reason);
    if (this.#reader !== undefined || this.#pipe !== undefined) {
      return Promise.reject(new TypeError("Cannot read a stream that somebody else reads"));
    }
    this.#propose();
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }

  /** The chunks until the end. Leaving the loop early leaves the rest unread. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.read(); chunk !== null; chunk = await this.read()) yield chunk;
  }

  /**
   * Everything until the remote's end as one array. The stream is reset if it is longer than `maxBytes` or `signal` aborts first.
   *
   * @throws {P2pError} `stream_too_long`, or why the stream is gone; `aborted`, or the signal's reason if that is a {@link P2pError}.
   */
  async readAll(maxBytes: number, signal?: AbortSignal): Promise<Uint8Array> {
    const abort = () => this.reset(abortError(signal!, "The stream"));
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    try {
      const chunks: Uint8Array[] = [];
      let length = 0;
      for (let chunk = await this.read(); chunk !== null; chunk = await this.read()) {
        length += chunk.length;
        if (length > maxBytes) {
          const reason = new ProtocolError("stream_too_long", `Stream ${this.id} is longer than ${maxBytes} bytes`);
          this.reset(reason);
          throw reason;
        }
        chunks.push(chunk);
      }
      return chunks.length === 1 ? chunks[0] : concat(chunks);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Ends both directions at once, drops what was not sent or read, and tells the remote. Idempotent. */
  reset(reason: P2pError = new P2pError("stream_reset", "The stream was reset here")): void {
    this.#yamux.reset(reason);
  }

  /** Hands the stream over to `pipe`, which gets what was received so far at once. Once, and instead of reading and writing. */
  pipe(pipe: StreamPipe, options: PipeOptions = {}): void {
    if (this.#pipe !== undefined || this.#reader !== undefined) {
      throw new TypeError("Cannot pipe a stream that somebody else reads");
    }
    this.#pipe = pipe;
    if (options.windowBytes !== undefined) this.#yamux.growReceiveWindow(options.windowBytes);
    for (let chunk = this.#received?.shift(); chunk !== undefined; chunk = this.#received?.shift()) {
      this.#yamux.consumed(chunk.length);
      pipe.data(chunk);
    }
    if (this.#ended || this.#reason) this.#endPipe();
    else this.wake();
  }

  /** The pipe has something to take. Cheap; many calls make one turn. */
  wake(): void {
    this.#yamux.wake();
  }

  /**
   * Sends the end behind what was written and drops what still arrives. Resolves at once; the stream is reset if nothing of
   * it moves for the connection's stream deadline. Idempotent.
   */
  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return ACCEPTED;
  }

  /**
   * Whether nothing of what was written has moved since the last call. Used by the connection's stream deadline.
   *
   * @internal
   */
  stalled(): boolean {
    const stalled = !this.#moved;
    this.#moved = false;
    return stalled;
  }

  /** What `await using` does at the end, without a promise. */
  release(): void {
    this.closeWrite();
    this.#discarding = true;
    for (let chunk = this.#received?.shift(); chunk !== undefined; chunk = this.#received?.shift()) {
      this.#yamux.consumed(chunk.length);
    }
    if (this.#yamux.open) this.#owner.released(this);
  }

  /** @internal Called by yamux. */
  data(chunk: Uint8Array): boolean {
    if (this.#negotiation !== undefined) {
      const rest = this.#negotiate(this.#negotiation, chunk);
      this.#yamux.consumed(chunk.length - (rest?.length ?? 0));
      if (rest === undefined) return true;
      this.#agree(this.#negotiation.selected!);
      if (rest.length === 0 || !this.#yamux.open) return true;
      chunk = rest;
    }
    if (this.#pipe !== undefined) {
      this.#yamux.consumed(chunk.length);
      return this.#pipe.data(chunk) ?? true;
    }
    if (this.#reader !== undefined) {
      const reader = this.#reader;
      this.#reader = undefined;
      this.#yamux.consumed(chunk.length);
      reader.resolve(chunk);
    } else if (this.#discarding) {
      this.#yamux.consumed(chunk.length);
      return false;
    } else {
      (this.#received ??= new ReceiveQueue()).push(chunk);
    }
    return true;
  }

  /** @internal Called by yamux. */
  ended(): void {
    if (this.#negotiation !== undefined) {
      if (this.#negotiation instanceof MultistreamListener && this.#negotiation.refused) return this.#refuse();
      throw new P2pError("negotiation_ended", `Remote ended stream ${this.id} before a protocol was agreed`);
    }
    this.#ended = true;
    this.#reader?.resolve(null);
    this.#reader = undefined;
    this.#endPipe();
  }

  /** @internal Called by yamux. */
  aborted(reason: P2pError): void {
    this.#reason = reason;
    this.#unsent.abort(reason);
    this.#received?.clear();
    this.#negotiationBytes = undefined;
    this.#owner.gone(this);
    this.#reader?.reject(reason);
    this.#reader = undefined;
    this.#agreed?.reject(reason);
    this.#flushed?.reject(reason);
    this.#endPipe();
  }

  /** @internal Called by yamux. */
  finished(): void {
    this.#endSent = true;
    this.#flushed?.resolve();
  }

  /** @internal Called by yamux. */
  closed(): void {
    this.#owner.gone(this);
  }

  /** @internal Called by yamux. */
  take(out: ByteWriter, budget: number): void {
    const negotiation = this.#negotiationBytes;
    if (negotiation !== undefined) {
      this.#negotiationBytes = undefined;
      out.push(negotiation);
      budget -= negotiation.length;
    }
    if (budget <= 0 || !this.#mayWrite) return;
    if (this.#pipe !== undefined) return this.#pipe.take(out, budget);
    if (this.#unsent.bytes === 0) return;
    this.#moved = true;
    this.#unsent.take(out, budget);
  }

  // Whoever waits for the remote must have told it of the stream, which otherwise waits for data to go with.
  #propose(): void {
    if (this.#negotiationBytes !== undefined) this.#yamux.wake();
  }

  get #mayWrite(): boolean {
    return this.#negotiation === undefined || this.#optimistic;
  }

  readonly #sendNegotiation = (bytes: Uint8Array): void => {
    if (this.#negotiationBytes === undefined) this.#negotiationBytes = bytes;
    else this.#negotiationBytes = concat([this.#negotiationBytes, bytes]);
    this.#yamux.wake();
  };

  // Behind a refusal comes what an optimistic dialer sent for the protocol that it did not get. It must read the refusal,
  // so the stream is not reset for it.
  #negotiate(negotiation: MultistreamDialer | MultistreamListener, chunk: Uint8Array): Uint8Array | undefined {
    try {
      return negotiation.receive(chunk, this.#sendNegotiation);
    } catch (cause) {
      if (!(negotiation instanceof MultistreamListener && negotiation.refused)) throw cause;
      this.#refuse();
      return undefined;
    }
  }

  #refuse(): void {
    this.#negotiation = undefined;
    this.#discarding = true;
    this.closeWrite();
  }

  #agree(protocol: string): void {
    this.#negotiation = undefined;
    this.#protocol = protocol;
    this.#agreed?.resolve();
    if (this.#writeClosed) this.#yamux.finish();
    else if (!this.#optimistic) this.#yamux.wake();
    this.#owner.agreed(this);
  }

  #endPipe(): void {
    if (this.#pipe === undefined || this.#pipeEnded) return;
    this.#pipeEnded = true;
    this.#pipe.ended(this.#reason);
  }
}
