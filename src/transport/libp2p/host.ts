import { type Clock, deadline, systemClock } from "../../base/clock.ts";
import { abortError, asError, asP2pError, P2pError } from "../../base/errors.ts";
import { type Logger, logger } from "../../base/log.ts";
import { type Random, systemRandom } from "../../base/random.ts";
import { Routines } from "../../base/routines.ts";
import type { Address } from "../../identity/address.ts";
import { parseMultiaddr } from "../../identity/multiaddr.ts";
import type { NodeKey } from "../../identity/node_key.ts";
import { addressOfPeerId, type PeerId } from "../../identity/peer_id.ts";
import { NoiseKeys } from "../../security/libp2p_noise.ts";
import { ConnectionTable } from "./connection_table.ts";
import { type ConnectionHost, HostConnection } from "./host_connection.ts";
import { endpointMultiaddr, HostListener } from "./host_listener.ts";
import type { DialTarget, HostEvent, Libp2pHostOptions, ListenTarget, PeerRef, StreamHandler } from "./host_options.ts";
import { IDENTIFY, IDENTIFY_PUSH, type IdentifyInfo } from "./identify.ts";
import { IdentifyService } from "./identify_service.ts";
import type { Libp2pStream } from "./libp2p_stream.ts";
import { LinkBuffers } from "./link_buffers.ts";
import { PendingConnections } from "./pending_connections.ts";
import { answerPings, PING, ping } from "./ping.ts";
import { type RawConnection } from "./raw_connection.ts";
import { secureSocket } from "./secure_socket.ts";
import { dialTcp, listenTcp } from "./tcp_socket.ts";

interface Served {
  handler: StreamHandler;
  unhandled: () => void;
}

/**
 * A libp2p host over TCP in pure TypeScript: listens, dials, serves protocols and opens streams. Noise and yamux under
 * it, identify and ping always served.
 *
 * @example
 * ```ts
 * import { Libp2pHost, NodeKey } from "@raintree/p2p/transport";
 *
 * await using server = new Libp2pHost({ key: NodeKey.generate() });
 * server.handle("/hello/1.0.0", async (stream) => {
 *   await stream.write(new TextEncoder().encode("hello"));
 *   stream.closeWrite();
 * });
 * const { multiaddr } = server.listen("/ip4/127.0.0.1/tcp/0");
 *
 * await using client = new Libp2pHost({ key: NodeKey.generate() });
 * const connection = await client.dial(multiaddr);
 * await using stream = await client.openStream(connection, "/hello/1.0.0");
 * const said = new TextDecoder().decode(await stream.readAll(100));
 * if (said !== "hello") throw new Error(said);
 * ```
 */
export class Libp2pHost implements AsyncDisposable {
  /** The node's key. */
  readonly key: NodeKey;
  /** The host's clock. */
  readonly clock: Clock;
  /** The routines that run. */
  readonly routines: Routines;
  readonly #random: Random;
  readonly #keys: NoiseKeys;
  readonly #agentVersion: string;
  readonly #announce: readonly string[] | undefined;
  readonly #handshakeMs: number;
  readonly #pending: PendingConnections;
  readonly #side: ConnectionHost;
  readonly #identify: IdentifyService;
  readonly #served = new Map<string, Served>();
  readonly #listeners = new Set<HostListener>();
  readonly #connections = new ConnectionTable();
  readonly #subscribers = new Set<(event: HostEvent) => void>();
  readonly #stop = new AbortController();
  readonly #log: Logger = logger("transport");
  #pushDue = false;
  #closing: Promise<void> | undefined;

  /** See {@link Libp2pHostOptions}. Does no I/O. */
  constructor(options: Libp2pHostOptions) {
    const {
      key,
      clock = systemClock,
      random = systemRandom,
      routines = new Routines(),
      agentVersion = "raintree/0.1.0",
      announce,
      handshakeMs = 10_000,
      streamDeadlineMs = 10_000,
      pendingInboundMax = 128,
      pendingInboundPerIpMax = 64,
      streams = {},
    } = options;
    this.key = key;
    this.clock = clock;
    this.routines = routines;
    this.#random = random;
    this.#keys = NoiseKeys.generate(key);
    this.#agentVersion = agentVersion;
    this.#announce = announce;
    this.#handshakeMs = handshakeMs;
    this.#pending = new PendingConnections({ clock, handshakeMs, pendingInboundMax, pendingInboundPerIpMax });
    this.#identify = new IdentifyService({
      publicKey: key.publicKey,
      clock,
      deadlineMs: streamDeadlineMs,
      describe: (connection) => this.#describe(connection),
    });
    this.#side = {
      clock,
      routines,
      buffers: new LinkBuffers(),
      yamuxLimits: streams,
      streamDeadlineMs,
      supports: (protocol) => this.#served.has(protocol),
      list: () => [...this.#served.keys()],
      serve: (stream) => this.#serve(stream),
      askIdentify: (connection) => this.#identify.ask(connection),
      ended: (connection, reason) => {
        this.#connections.delete(connection);
        this.#emit({ type: "closed", connection, reason });
      },
    };
    this.handle(IDENTIFY, (stream) => this.#identify.answer(stream));
    this.handle(IDENTIFY_PUSH, (stream) => this.#identify.accept(stream));
    this.handle(PING, answerPings);
  }

  /** The node's address. */
  get address(): Address {
    return this.key.address;
  }

  /** The node's peer ID. */
  get peerId(): PeerId {
    return this.key.peerId;
  }

  /** Inbound connections that were closed at once because too many were not secured yet. */
  get refused(): number {
    return this.#pending.refused;
  }

  /**
   * Listens. Inbound connections are secured and announced as `opened`, or handed to `onRaw` as they are, which then calls
   * {@link secure} or closes them.
   *
   * @throws {P2pError} `port_in_use`, `port_forbidden`, `listen_failed`, `listen_needs_ip`, `multiaddr_*`, `host_closed`
   */
  listen(target: ListenTarget, options: { onRaw?: (raw: RawConnection) => void } = {}): HostListener {
    this.#checkOpen();
    const { host, port } = typeof target === "string" ? listenTarget(target) : target;
    const { onRaw = (raw) => void this.#secureInbound(raw) } = options;
    const listener = new HostListener({
      listener: listenTcp(host, port),
      peerId: this.peerId,
      clock: this.clock,
      routines: this.routines,
      accepted: (socket) => {
        const raw = this.#pending.accept(socket);
        if (raw !== undefined) onRaw(raw);
      },
      failed: (error) => this.#emit({ type: "accept_failed", error }),
      closed: () => this.#listeners.delete(listener),
    });
    this.#listeners.add(listener);
    return listener;
  }

  /** Where it listens now. */
  listeners(): HostListener[] {
    return [...this.#listeners];
  }

  /**
   * Connects and secures. The peer ID of a multiaddr, or `expected`, must prove itself.
   *
   * @throws {P2pError} what {@link connect} and {@link secure} throw
   */
  async dial(target: DialTarget, options: { signal?: AbortSignal } = {}): Promise<HostConnection> {
    const { expected, ...where } = typeof target === "string" ? dialTarget(target) : target;
    const raw = await this.connect(where, options);
    return await this.secure(raw, { ...options, expected });
  }

  /**
   * Opens a TCP connection. A DNS name is resolved now.
   *
   * @throws {P2pError} `dial_refused`, `dial_timeout`, `dial_unreachable`, `dial_unresolved`, `dial_forbidden`, `host_closed`; the signal's reason.
   */
  async connect(where: { host: string; port: number }, options: { signal?: AbortSignal } = {}): Promise<RawConnection> {
    this.#checkOpen();
    const { signal } = options;
    const stop = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    using limit = deadline(this.clock, this.#handshakeMs, "Connecting", stop);
    const socket = await dialTcp(where.host, where.port, limit.signal);
    return this.#pending.dialled(socket);
  }

  /**
   * Proves both ends of a raw connection to each other and starts its routines. On failure the connection is closed. `secured` is told of
   * the connection before anything that came on it is served.
   *
   * @throws {P2pError} `handshake_timeout`, `handshake_cut_off`, `connection_lost`, `protocol_unsupported`, `host_closed`; `aborted` with the signal.
   * @throws {ProtocolError} `multistream_*`, `noise_*` (`noise_wrong_identity` if another than `expected` answers), `key_not_ed25519`
   */
  async secure(
    raw: RawConnection,
    options: { expected?: Address; signal?: AbortSignal; secured?: (connection: HostConnection) => void } = {},
  ): Promise<HostConnection> {
    const { expected, signal } = options;
    const abort = () => raw.close(abortError(signal!, "The handshake"));
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    try {
      if (this.#closing) raw.close(hostClosed());
      const { direction } = raw;
      const secured = await secureSocket(this.#pending.claim(raw), { direction, keys: this.#keys, expected });
      raw.secured();
      const connection = new HostConnection(this.#side, secured, direction);
      this.#connections.add(connection);
      this.#emit({ type: "opened", connection });
      try {
        options.secured?.(connection);
      } catch (caught) {
        void connection.close(asP2pError("handshake_failed", caught));
        throw caught;
      } finally {
        connection.start(); // what is in the table runs, if only to end
      }
      return connection;
    } catch (caught) {
      const error = raw.reason ?? asP2pError("handshake_failed", caught);
      raw.close(error);
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Serves `protocol`. `unhandled` is called once, when it is no longer served. @throws {P2pError} `protocol_handled` if it is served already. */
  handle(protocol: string, handler: StreamHandler, options: { unhandled?: () => void } = {}): void {
    if (this.#served.has(protocol)) {
      throw new P2pError("protocol_handled", `Cannot handle "${protocol}": it has a handler already`);
    }
    const { unhandled = () => {} } = options;
    this.#served.set(protocol, { handler, unhandled });
    this.#protocolsChanged();
  }

  /** Serves `protocol` no longer; open streams stay. */
  unhandle(protocol: string): void {
    const served = this.#served.get(protocol);
    if (served === undefined) return;
    this.#served.delete(protocol);
    served.unhandled();
    this.#protocolsChanged();
  }

  /** The protocols that are served. */
  protocols(): string[] {
    return [...this.#served.keys()];
  }

  /**
   * Opens a stream to a connected peer; dials nothing. See {@link HostConnection.openStream}.
   *
   * @throws {P2pError} `peer_not_connected`, and what {@link HostConnection.openStream} throws
   */
  async openStream(
    peer: PeerRef,
    protocols: string | readonly string[],
    options: { signal?: AbortSignal } = {},
  ): Promise<Libp2pStream> {
    return await this.connectionTo(peer).openStream(protocols, options);
  }

  /** The round trip to a connected peer by `/ipfs/ping/1.0.0`, in milliseconds. @throws {P2pError} `peer_not_connected`, `ping_wrong_answer`, `deadline`, why the stream is gone */
  async ping(peer: PeerRef, options: { signal?: AbortSignal } = {}): Promise<number> {
    const { clock, streamDeadlineMs: deadlineMs } = this.#side;
    return await ping(this.connectionTo(peer), { clock, random: this.#random, deadlineMs, ...options });
  }

  /** All connections, the oldest first. */
  connections(): HostConnection[] {
    return this.#connections.all();
  }

  /** The newest connection to a peer, by address or peer ID; `undefined` if there is none. */
  peer(peer: Address | PeerId): HostConnection | undefined {
    return this.#connections.newest(peer);
  }

  /** The connection that `peer` stands for. @throws {P2pError} `peer_not_connected` */
  connectionTo(peer: PeerRef): HostConnection {
    const connection = typeof peer === "string" ? this.peer(peer) : peer;
    if (connection?.open) return connection;
    const name = typeof peer === "string" ? peer : peer.remote.address;
    throw new P2pError("peer_not_connected", `Peer "${name}" is not connected`, { hint: "Dial it first" });
  }

  /** Calls `subscriber` for every {@link HostEvent}, synchronously, until the returned function is called. What it throws is logged. */
  subscribe(subscriber: (event: HostEvent) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** Stops listening, ends every connection in order and closes, within two seconds. Idempotent; resolves when nothing is left. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Like {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const listeners = [...this.#listeners].map((listener) => listener.close());
    this.#stop.abort(hostClosed());
    this.#pending.close(hostClosed());
    const connections = this.connections().map((connection) => connection.close());
    await Promise.all([...listeners, ...connections]);
    for (const { unhandled } of this.#served.values()) unhandled();
    this.#served.clear();
  }

  async #secureInbound(raw: RawConnection): Promise<void> {
    try {
      await this.secure(raw);
    } catch (caught) {
      this.#emit({ type: "handshake_failed", error: asP2pError("handshake_failed", caught) });
    }
  }

  #serve(stream: Libp2pStream): void {
    const handled = this.#served.get(stream.protocol)?.handler(stream);
    handled?.catch((caught) => stream.reset(asP2pError("stream_handler_failed", caught)));
  }

  #emit(event: HostEvent): void {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(event);
      } catch (caught) {
        this.#log.error("subscriber failed at {event}: {error}", { event: event.type, error: asError(caught).message });
      }
    }
  }

  #describe(connection: HostConnection): IdentifyInfo {
    return {
      protocols: this.protocols(),
      listen: this.#announce ??
        this.listeners().filter(({ endpoint }) => isReachable(endpoint.host!)).map((listener) => listener.multiaddr),
      observed: endpointMultiaddr(connection.remoteEndpoint),
      agentVersion: this.#agentVersion,
      protocolVersion: "ipfs/0.1.0",
    };
  }

  // Many changes in a row make one push.
  #protocolsChanged(): void {
    if (this.#pushDue || this.#connections.size === 0) return;
    this.#pushDue = true;
    queueMicrotask(() => {
      this.#pushDue = false;
      for (const connection of this.connections()) {
        if (connection.open && !this.#closing) this.#identify.push(connection);
      }
    });
  }

  #checkOpen(): void {
    if (this.#closing) throw hostClosed();
  }
}

function listenTarget(multiaddr: string): { host: string; port: number } {
  const { kind, host, port } = parseMultiaddr(multiaddr);
  if (kind === "ip4" || kind === "ip6") return { host, port };
  throw new P2pError("listen_needs_ip", `Cannot listen on "${multiaddr}": it names no IP address`, {
    hint: "Listen on /ip4/0.0.0.0/tcp/PORT and announce the name",
  });
}

function dialTarget(multiaddr: string): { host: string; port: number; expected: Address | undefined } {
  const { host, port, peerId } = parseMultiaddr(multiaddr);
  return { host, port, expected: peerId === undefined ? undefined : addressOfPeerId(peerId) };
}

function isReachable(host: string): boolean {
  return host !== "0.0.0.0" && host !== "::";
}

function hostClosed(): P2pError {
  return new P2pError("host_closed", "The host is closed");
}
