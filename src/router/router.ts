import { abortable, type Cancel, type Clock, deadline, systemClock } from "../base/clock.ts";
import { asP2pError, P2pError, ProtocolError } from "../base/errors.ts";
import { type Logger, logger } from "../base/log.ts";
import type { Address } from "../identity/address.ts";
import { type NodeAddress, parseNodeAddress } from "../identity/node_address.ts";
import type { Admission, DialCandidate } from "../peer/decisions.ts";
import type { PeerManager } from "../peer/peer_manager.ts";
import { Socket, type SocketOptions } from "../socket/socket.ts";
import { InboundGate } from "../transport/inbound_gate.ts";
import { CHANNEL_PROTOCOL_VERSION, type NodeInfo } from "../transport/node_info.ts";
import type { Connection, Endpoint, Handshaken, Transport } from "../transport/transport.ts";
import { Channel, type ChannelDescriptor, type ChannelHost } from "./channel.ts";
import { ConnectWaiters } from "./connect_waiters.ts";
import { DialLog } from "./dial_log.ts";
import { DropCounter, type Drops } from "./drop_counter.ts";
import { Losers } from "./losers.ts";
import type { RouterOptions } from "./router_options.ts";

/** The number of a connection that is only listened to; the manager begins with 1. */
const LISTENED_TO = 0;

/** Points a peer loses for breaking a protocol. */
const PENALTY_POINTS = 10;

/**
 * Owns the sockets: dials, accepts and evicts as the {@link PeerManager} says, and moves envelopes between sockets and channels. (ADR-062)
 *
 * Its loops: one listening routine per transport, and the read and the write routine of each socket. Dialling and evicting are no loops but answers to the
 * manager's {@link PeerManager.onWork} and to one timer.
 */
export class Router implements ChannelHost, AsyncDisposable {
  readonly #options: RouterOptions;
  readonly #clock: Clock;
  readonly #peers: PeerManager;
  readonly #gate: InboundGate;
  readonly #log: Logger = logger("router");
  readonly #dialLog = new DialLog();
  readonly #channels = new Map<number, Channel<unknown>>();
  /** Every socket that is not closed, with its number at the manager once it is admitted. */
  readonly #connections = new Map<Socket, number | undefined>();
  /** The socket of each peer, from open to closed. */
  readonly #open = new Map<Address, Socket>();
  readonly #waiters = new ConnectWaiters();
  readonly #losers: Losers;
  readonly #drops = new DropCounter();
  readonly #work = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #dialling = false;
  #pumpQueued = false;
  #cancelWake: Cancel | undefined;
  #stopped: Promise<void> | undefined;

  /** Makes a router that accepts after {@link listen} and dials after {@link start}. */
  constructor(options: RouterOptions) {
    const { clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#peers = options.peers;
    this.#gate = new InboundGate(clock, options.inbound);
    this.#losers = new Losers(clock, this.#stop.signal);
  }

  /** Peers with an open socket. */
  get connected(): Address[] {
    return [...this.#open.keys()];
  }

  /** The channels that are open. */
  get channels(): Channel<unknown>[] {
    return [...this.#channels.values()].filter(({ closed }) => !closed);
  }

  /** Inbound connections turned away before their handshake. */
  get refused(): number {
    return this.#gate.refused;
  }

  /** Opens a channel on every socket, present and future. @throws {P2pError} `channel_taken` when the ID is in use; one that was closed is free. @throws {RangeError} for what the descriptor cannot take. */
  openChannel<T>(descriptor: ChannelDescriptor<T>): Channel<T> {
    const channel = new Channel(descriptor, this);
    if (this.#channels.get(channel.id)?.closed === false) {
      throw new P2pError("channel_taken", `Channel ${channel.id} is open already`);
    }
    this.#channels.set(channel.id, channel as Channel<unknown>);
    for (const socket of this.#connections.keys()) socket.addLane(channel.lane);
    return channel;
  }

  /** Accepts at an endpoint. Returns it with the port the system chose. @throws {P2pError} what `Transport.listen` throws; `transport_unknown`. */
  listen(endpoint: Endpoint): Promise<Endpoint> {
    return this.#transport(endpoint.protocol).listen(endpoint, (connection) => {
      this.#track(this.#accept(connection));
    });
  }

  /** Begins to dial whom the manager names. */
  start(): void {
    this.#dialling = true;
    this.#peers.onWork(() => this.#queuePump());
    this.#queuePump();
  }

  /** The open socket of a peer; not one that is being closed. */
  socket(peer: Address): Socket | undefined {
    const socket = this.#open.get(peer);
    return socket?.state === "open" ? socket : undefined;
  }

  /** All open sockets. */
  sockets(): Iterable<Socket> {
    return this.#open.values();
  }

  /**
   * The socket of a peer, dialled now if there is none.
   *
   * @throws {P2pError} (as a rejection) `peer_unknown`, `peer_banned`, `peer_unreachable`, what dial and handshake fail with, `router_stopped`, `deadline`;
   * the signal's reason.
   */
  async connect(peer: Address, signal?: AbortSignal): Promise<Socket> {
    const open = this.socket(peer);
    if (open !== undefined) return open;
    if (this.#stop.signal.aborted) throw stopped();
    const { dialTimeoutMs = 5_000, handshakeTimeoutMs = 10_000 } = this.#options;
    using limit = deadline(this.#clock, dialTimeoutMs + handshakeTimeoutMs, `Connecting to ${peer}`, signal);
    // One that is being closed has to be gone first: nothing more can be sent on it.
    for (let old = this.#open.get(peer); old !== undefined; old = this.#open.get(peer)) {
      if (old.state === "open") return old;
      await abortable(old.close(), limit.signal);
    }
    if (this.#stop.signal.aborted) throw stopped();
    const place = this.#peers.status(peer) === "unknown" ? this.#options.locate?.(peer) : undefined;
    if (place !== undefined) this.#peers.add(place);
    limit.signal.throwIfAborted();
    this.#peers.dialNow(peer);
    return await this.#waiters.wait(peer, limit.signal, () => this.#peers.dialNoMore(peer));
  }

  /** Messages dropped so far, by channel, peer and reason. */
  drops(): Drops[] {
    const rows = new DropCounter();
    for (const { channel, peer, reason, count } of this.#drops.rows()) rows.add(channel, peer, reason, count);
    for (const socket of this.#connections.keys()) rows.addLanes(socket);
    return rows.rows();
  }

  /** Stops listening and dialling, drains and closes every socket. Idempotent, takes at most twice the drain time and a moment. */
  stop(): Promise<void> {
    return this.#stopped ??= this.#shut();
  }

  /** Stops. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** For channels: counts a drop. */
  dropped(channel: number, peer: Address, reason: string): void {
    this.#drops.add(channel, peer, reason);
  }

  /** For channels: a peer sent what a codec refuses. */
  misbehaved(peer: Address, error: Error): void {
    this.#log.warn("peer {peer} sent a malformed message: {error}", { peer, error: error.message });
    const bearable = this.#peers.report(peer, { kind: "bad", points: PENALTY_POINTS, reason: error.message });
    // At once and not in order, as the manager's evictions: the rest of what it sent may be in the same read.
    if (!bearable) void this.#open.get(peer)?.close(new P2pError("peer_misbehaved", error.message));
  }

  /** For channels: the application's handler threw. */
  handlerFailed(channel: string, error: Error): void {
    this.#log.error("handler of channel {channel} threw: {error}", { channel, error });
  }

  #queuePump(): void {
    if (this.#pumpQueued || !this.#dialling) return;
    this.#pumpQueued = true;
    queueMicrotask(() => {
      this.#pumpQueued = false;
      this.#pump();
    });
  }

  /** Does what the manager has for us now and sets the timer for what comes later. */
  #pump(): void {
    if (this.#stop.signal.aborted) return;
    for (let dial = this.#peers.dialNext(); dial !== undefined; dial = this.#peers.dialNext()) {
      this.#track(this.#dial(dial));
    }
    this.#open.forEach((socket, peer) => socket.takeUsed() && this.#peers.markUsed(peer));
    for (let eviction = this.#peers.evictNext(); eviction !== undefined; eviction = this.#peers.evictNext()) {
      const { id, connection, reason } = eviction;
      this.#log.info("evicting peer {peer}: {reason}", { peer: id, reason });
      this.#retire(connection);
    }
    this.#cancelWake?.();
    const wakeMs = this.#peers.nextWakeMs();
    this.#cancelWake = wakeMs === undefined ? undefined : this.#clock.after(Math.max(1, wakeMs), () => this.#pump());
  }

  async #dial({ address }: DialCandidate): Promise<void> {
    const socket = this.#socket();
    const peer = address.id;
    try {
      const { dialTimeoutMs = 5_000 } = this.#options;
      {
        using limit = deadline(this.#clock, dialTimeoutMs, `Dialling ${peer}`, this.#stop.signal);
        await socket.dial(this.#transport(address.protocol), address, limit.signal);
      }
      await this.#authenticate(socket, peer);
    } catch (caught) {
      const error = asP2pError("dial_failed", caught);
      this.#dialLog.failed(peer, error);
      this.#peers.dialFailed(address, error);
      if (error.code === "handshake_wrong_network") this.#peers.inactivate(peer, error.message);
      // A connection that the peer opened meanwhile answers for the dial as well.
      if (!this.#open.has(peer)) this.#waiters.answer(peer, error);
      return;
    }
    const admission = this.#peers.dialed(peer, socket.remote.publicKey);
    if (!admission.admitted && !this.#open.has(peer)) this.#waiters.answer(peer, admission.error);
    await this.#admit(socket, admission);
  }

  async #accept(connection: Connection): Promise<void> {
    const giveUp = () => void connection.close(new P2pError("handshake_displaced", "Others wait for their handshake"));
    const leave = this.#gate.enter(connection.remoteEndpoint.host ?? "", giveUp);
    if (typeof leave === "string") return connection.close(new P2pError(leave, "Too many inbound connections"));
    const socket = this.#socket();
    socket.accept(connection);
    let remote: Handshaken;
    try {
      remote = await this.#authenticate(socket);
    } catch (caught) {
      this.#log.debug("inbound handshake failed: {error}", { error: asP2pError("handshake_failed", caught).message });
      return;
    } finally {
      leave();
    }
    const endpoints = remote.info.listen.flatMap((url) => parsedOrNone(url));
    await this.#admit(socket, this.#peers.accepted(remote.address, { publicKey: remote.publicKey, endpoints }));
  }

  async #authenticate(socket: Socket, expected?: Address): Promise<Handshaken> {
    const { handshakeTimeoutMs = 10_000 } = this.#options;
    using limit = deadline(this.#clock, handshakeTimeoutMs, "The handshake", this.#stop.signal);
    return await socket.authenticate(this.#info(), limit.signal, expected);
  }

  async #admit(socket: Socket, admission: Admission): Promise<void> {
    const { address } = socket;
    if (this.#stop.signal.aborted) return await socket.close();
    if (!admission.admitted) {
      return await (admission.error.code === "peer_duplicate" ? this.#refuse(socket) : socket.close());
    }
    const replaced = this.#open.get(address);
    this.#connections.set(socket, admission.connection);
    socket.admit();
    this.#open.set(address, socket);
    this.#dialLog.connected(address);
    socket.open();
    if (replaced !== undefined) this.#track(this.#losers.hearOut(replaced, socket));
    this.#peers.ready(address, admission.connection);
    this.#waiters.answer(address, socket);
    if (replaced === undefined) this.#options.onUp?.(socket);
  }

  /** Takes in a connection that lost the tie-break, only to listen: the peer may have admitted it before it saw the other one. One per peer. */
  async #refuse(socket: Socket): Promise<void> {
    const winner = this.#open.get(socket.address);
    if (winner === undefined || this.#losers.has(socket.address)) return await socket.close();
    this.#connections.set(socket, LISTENED_TO);
    socket.admit();
    socket.open();
    await this.#losers.hearOut(socket, winner);
  }

  /** Closes a connection in order: what it has accepted is still written. */
  #retire(connection: number): void {
    for (const [socket, number] of this.#connections) {
      if (number === connection) this.#track(socket.close());
    }
  }

  #socket(): Socket {
    const { queue, keepAlive, drainMs, strict } = this.#options;
    const options: SocketOptions = {
      clock: this.#clock,
      queue,
      keepAlive,
      drainMs,
      strict,
      lanes: [...this.#channels.values()].map((channel) => channel.lane),
      onMessage: (socket, channel, message) => this.#channels.get(channel)!.deliver(socket, message),
      onClosed: (socket, reason) => this.#closed(socket, reason),
    };
    const socket = new Socket(options);
    this.#connections.set(socket, undefined);
    return socket;
  }

  #closed(socket: Socket, reason: P2pError | undefined): void {
    const connection = this.#connections.get(socket);
    this.#connections.delete(socket);
    this.#drops.addLanes(socket);
    for (const channel of this.#channels.values()) channel.disconnected(socket);
    if (connection === undefined) return; // never admitted: told by dial or accept
    const { address } = socket;
    const current = this.#open.get(address);
    if (current === socket) this.#open.delete(address);
    if (reason instanceof ProtocolError) {
      this.#log.warn("peer {peer} broke the protocol: {error}", { peer: address, error: reason.message });
      this.#peers.report(address, { kind: "bad", points: PENALTY_POINTS, reason: reason.message });
    }
    this.#peers.disconnected(address, connection);
    if (current === socket) this.#options.onDown?.(address);
  }

  #info(): NodeInfo {
    const { address, network, advertise = () => [] } = this.#options;
    const channels = [...this.#channels.values()].map(({ lane }) => ({ id: lane.id, capacity: lane.receiveCapacity }));
    return { version: CHANNEL_PROTOCOL_VERSION, network, address, listen: advertise(), channels };
  }

  #transport(protocol: string): Transport {
    const transport = this.#options.transports.find(({ protocols }) => protocols.includes(protocol));
    if (transport !== undefined) return transport;
    throw new P2pError("transport_unknown", `No transport for protocol "${protocol}"`);
  }

  /** Remembers work under way until it has ended; it handles its own failures. */
  #track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  async #shut(): Promise<void> {
    this.#stop.abort(stopped());
    this.#cancelWake?.();
    this.#waiters.close(stopped());
    await Promise.all(this.#options.transports.map((transport) => transport.close()));
    await Promise.all([...this.#connections.keys()].map((socket) => socket.close()));
    for (const channel of this.#channels.values()) channel.close();
    await Promise.all(this.#work);
  }
}

function parsedOrNone(url: string): NodeAddress[] {
  try {
    return [parseNodeAddress(url)];
  } catch {
    return []; // hearsay of a later release or of a liar: of no use either way
  }
}

function stopped(): P2pError {
  return new P2pError("router_stopped", "Router is stopped");
}
