import { abortError, P2pError, ProtocolError } from "../../base/errors.ts";
import { abortable, type Clock, deadline } from "../../base/clock.ts";
import type { Routines } from "../../base/routines.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import type { RemoteIdentity } from "../../security/libp2p_noise.ts";
import type { Direction, Endpoint } from "../transport.ts";
import { DeadlineQueue } from "./deadline_queue.ts";
import type { IdentifyInfo } from "./identify.ts";
import { Libp2pStream, type StreamOwner } from "./libp2p_stream.ts";
import { Link } from "./link.ts";
import type { LinkBuffers } from "./link_buffers.ts";
import { MultistreamDialer, MultistreamListener, type MultistreamOffer } from "./multistream.ts";
import type { SecuredSocket } from "./secure_socket.ts";
import { Yamux, type YamuxLimits } from "./yamux.ts";
import type { YamuxStream, YamuxStreamHandler } from "./yamux_stream.ts";

/** What a {@link HostConnection} needs of its host. */
export interface ConnectionHost extends MultistreamOffer {
  /** The host's clock. */
  readonly clock: Clock;
  /** Where the routines of the connection run. */
  readonly routines: Routines;
  /** The host's large buffers. */
  readonly buffers: LinkBuffers;
  /** Limits of each connection. */
  readonly yamuxLimits: YamuxLimits;
  /** How long a stream may take to agree on a protocol, a released one to end, and a ping to be answered. */
  readonly streamDeadlineMs: number;
  /** The remote opened `stream` and agreed on its protocol. */
  serve(stream: Libp2pStream): void;
  /** Asks the remote what it is and serves. */
  askIdentify(connection: HostConnection): Promise<IdentifyInfo>;
  /** The connection ended. */
  ended(connection: HostConnection, reason: P2pError | undefined): void;
}

/**
 * Streams of the remote's that may come to nothing: that end before they agree on a protocol, or in breach of it. Each costs this node more than the
 * remote; one more closes the connection.
 */
const FUTILE_STREAMS = { burst: 1_000, perSecond: 100 };

/** A secured libp2p connection of a {@link Libp2pHost}: many streams, one read routine, one write routine. */
export class HostConnection implements AsyncDisposable {
  /** Who opened it. */
  readonly direction: Direction;
  /** Who is at the other end, proven by the handshake. */
  readonly remote: RemoteIdentity;
  /** This end. */
  readonly localEndpoint: Endpoint;
  /** The other end. */
  readonly remoteEndpoint: Endpoint;
  /** Resolves when the connection has ended: `undefined` after an orderly end, otherwise why. */
  readonly closed: Promise<P2pError | undefined>;
  readonly #host: ConnectionHost;
  readonly #secured: SecuredSocket;
  readonly #yamux: Yamux;
  readonly #link: Link;
  readonly #deadlines: DeadlineQueue<Libp2pStream>;
  readonly #futileStreams: TokenBucket;
  readonly #streamOwner: StreamOwner;
  #open = true;
  #identified: Promise<IdentifyInfo> | undefined;
  #info: IdentifyInfo | undefined;

  /**
   * Made by {@link Libp2pHost} from a finished handshake.
   *
   * @internal
   */
  constructor(host: ConnectionHost, secured: SecuredSocket, direction: Direction) {
    const { socket, remote } = secured;
    this.#host = host;
    this.#secured = secured;
    this.direction = direction;
    this.remote = remote;
    this.localEndpoint = socket.local;
    this.remoteEndpoint = socket.remote;
    this.#deadlines = new DeadlineQueue(host.clock, host.streamDeadlineMs, (stream) => {
      if (!stream.stalled()) return this.#deadlines.add(stream);
      const what = `Stream ${stream.id} made no progress within ${host.streamDeadlineMs} ms`;
      stream.reset(new P2pError("stream_timeout", what));
    });
    this.#futileStreams = new TokenBucket(host.clock, FUTILE_STREAMS);
    this.#streamOwner = {
      agreed: (stream) => {
        if (stream.direction === "outbound") return;
        this.#deadlines.delete(stream);
        host.serve(stream);
      },
      released: (stream) => this.#deadlines.add(stream),
      gone: (stream) => this.#gone(stream),
    };
    this.#yamux = new Yamux(direction === "outbound", {
      opened: (stream) => this.#accept(stream),
      wake: () => this.#link.wake(),
      failed: (reason) => void this.close(reason),
    }, host.yamuxLimits);
    const { promise, resolve } = Promise.withResolvers<P2pError | undefined>();
    this.closed = promise;
    this.#link = new Link({
      socket,
      sealer: secured.sealer,
      opener: secured.opener,
      session: this.#yamux,
      routines: host.routines,
      name: remote.address,
      clock: host.clock,
      buffers: host.buffers,
      ended: (reason) => {
        this.#open = false;
        this.#deadlines.clear();
        resolve(reason);
        host.ended(this, reason);
      },
    });
  }

  /**
   * Starts the read and the write routine. Called once, by the host.
   *
   * @internal
   */
  start(): void {
    this.#link.start(this.#secured.session, this.#secured.received);
  }

  /** Whether it has not ended. */
  get open(): boolean {
    return this.#open;
  }

  /** Bytes read so far, as the wire saw them. */
  get bytesRead(): number {
    return this.#secured.socket.bytesRead;
  }

  /** Bytes written so far, as the wire saw them. */
  get bytesWritten(): number {
    return this.#secured.socket.bytesWritten;
  }

  /** Streams that exist, of both sides. */
  get streamCount(): number {
    return this.#yamux.streamCount;
  }

  /** Streams of the remote's that were refused because of a limit. */
  get streamsRefused(): number {
    return this.#yamux.refused;
  }

  /** What the remote said of itself last, by {@link identify} or of its own accord; `undefined` before. */
  get info(): IdentifyInfo | undefined {
    return this.#info;
  }

  /**
   * Opens a stream for one protocol without waiting for the remote: the proposal goes out with the first data, or when reading begins. A remote that
   * does not serve it resets the stream with `protocol_unsupported`.
   *
   * @throws {P2pError} `streams_exhausted`, `connection_closing`, or why the connection ended.
   */
  newStream(protocol: string): Libp2pStream {
    return this.#newStream(new MultistreamDialer([protocol]));
  }

  /**
   * Opens a stream. For one protocol it resolves at once, see {@link newStream}; of several the remote chooses first, in order of preference.
   *
   * @throws {P2pError} `protocol_unsupported`, `deadline` if the remote has not chosen within the host's stream deadline, `streams_exhausted`, `connection_closing`, why the connection ended; `aborted`, or the signal's
   * reason if that is a {@link P2pError}.
   */
  async openStream(
    protocols: string | readonly string[],
    options: { signal?: AbortSignal } = {},
  ): Promise<Libp2pStream> {
    const { signal } = options;
    if (signal?.aborted) throw abortError(signal, "Opening a stream");
    const stream = this.#newStream(new MultistreamDialer(typeof protocols === "string" ? [protocols] : protocols));
    if (stream.protocol !== "") return stream;
    using limit = deadline(this.#host.clock, this.#host.streamDeadlineMs, "Opening a stream", signal);
    limit.signal.addEventListener("abort", () => stream.reset(abortError(limit.signal, "Opening a stream")));
    await stream.negotiated();
    return stream;
  }

  /**
   * Yamux's ping: milliseconds until the answer.
   *
   * @throws {P2pError} `deadline` without one within the host's stream deadline, `pings_exhausted`, `connection_closed`
   */
  async ping(): Promise<number> {
    const { clock, streamDeadlineMs } = this.#host;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const start = clock.now();
    this.#yamux.ping((answered) => {
      if (answered) resolve();
      else reject(new P2pError("connection_closed", "The connection ended before the ping was answered"));
    });
    using limit = deadline(clock, streamDeadlineMs, "Ping");
    await abortable(promise, limit.signal);
    return clock.now() - start;
  }

  /**
   * What the remote is and which protocols it serves: asked once by `/ipfs/id/1.0.0`, kept, and brought up to date when the
   * remote pushes. A failed attempt is forgotten, so that the next call asks again.
   *
   * @throws {P2pError} `protocol_unsupported`, `stream_timeout`, or why the stream or the connection ended.
   */
  identify(): Promise<IdentifyInfo> {
    if (this.#info !== undefined) return Promise.resolve(this.#info);
    if (this.#identified === undefined) {
      this.#identified = this.#host.askIdentify(this).then((info) => this.#info = info);
      this.#identified.catch(() => this.#identified = undefined);
    }
    return this.#identified;
  }

  /**
   * Takes over what the remote pushed. Called by the host.
   *
   * @internal
   */
  identified(info: IdentifyInfo): void {
    this.#info = info;
  }

  /**
   * Without a reason: sends what was written, says goodbye and closes, within `lingerMs`, by default a second. With a reason: resets all streams with it
   * and closes at once, within a second if it takes the remote so long to be told. Idempotent; resolves when both routines have ended.
   */
  close(reason?: P2pError, options: { lingerMs?: number } = {}): Promise<void> {
    return this.#link.close(reason, options.lingerMs);
  }

  /** Like {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #newStream(negotiation: MultistreamDialer): Libp2pStream {
    const yamux = this.#yamux.open();
    const stream = new Libp2pStream(this, yamux, negotiation, this.#streamOwner);
    yamux.handler = stream;
    return stream;
  }

  #accept(yamux: YamuxStream): YamuxStreamHandler {
    const stream = new Libp2pStream(this, yamux, new MultistreamListener(this.#host), this.#streamOwner);
    this.#deadlines.add(stream);
    return stream;
  }

  #gone(stream: Libp2pStream): void {
    this.#deadlines.delete(stream);
    const futile = stream.direction === "inbound" && (stream.protocol === "" || stream.reason instanceof ProtocolError);
    if (!futile || !this.#open || this.#futileStreams.take()) return;
    const { burst, perSecond } = FUTILE_STREAMS;
    const what = `Remote opened over ${burst} streams, and ${perSecond} per second, that came to nothing`;
    void this.close(new ProtocolError("stream_flood", what));
  }
}
