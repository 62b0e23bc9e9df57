import { type Clock, systemClock } from "../base/clock.ts";
import { asP2pError, P2pError, ProtocolError } from "../base/errors.ts";
import type { ByteWriter } from "../codec/byte_writer.ts";
import type { Address } from "../identity/address.ts";
import type { NodeAddress } from "../identity/node_address.ts";
import { CONTROL_CHANNEL } from "../transport/framed_connection.ts";
import type { NodeInfo } from "../transport/node_info.ts";
import type { Connection, ConnectionHandler, Direction, Handshaken, Transport } from "../transport/transport.ts";
import { readControlFrame, writeControlFrame } from "../transport/control_frame.ts";
import { KeepAlive, type KeepAliveOptions } from "./keep_alive.ts";
import { Lanes } from "./lanes.ts";
import { createScheduler, type QueueKind, type Scheduler } from "./scheduler.ts";
import type { LaneOptions, SendLane } from "./send_lane.ts";
import { SocketLifecycle, type SocketState } from "./socket_state.ts";

/** Pongs owed at once; a peer that pings faster than it reads is closed with `ping_flood`. */
const PONGS_OWED_MAX = 16;

/** What became of a message offered to a socket. */
export type Offer = "accepted" | "full" | "unsupported" | "too_large" | "closed";

/** Options of a {@link Socket}. */
export interface SocketOptions {
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** How channels share the socket. @default {"wdrr"} */
  queue?: QueueKind;
  /** Pings. */
  keepAlive?: KeepAliveOptions;
  /** How long an orderly close waits for what is queued, milliseconds; all of it takes twice that at most, then the connection is cut. @default {1_000} */
  drainMs?: number;
  /** Whether an illegal transition throws (development) or is counted (production). @default {false} */
  strict?: boolean;
  /** The channels it carries from the start; {@link Socket.addLane} adds more. */
  lanes?: Iterable<LaneOptions>;
  /** A whole message arrived. It counts against the peer's credit until {@link Socket.consumed}. A throw closes the socket. */
  onMessage(socket: Socket, channel: number, message: Uint8Array): void;
  /** The socket is closed; `undefined` after an orderly close by either end, otherwise why. Called once. */
  onClosed?(socket: Socket, reason: P2pError | undefined): void;
  /** The socket moved from one state to another: `open`, `errored` and `closed` are what monitors wait for. */
  onState?(socket: Socket, state: SocketState, from: SocketState): void;
}

/**
 * One connected peer (Pocket's P2P module design, section 2.2): a life cycle of nine states, a read routine and a write routine (those of its
 * {@link Connection}), a bounded queue per channel with QoS and credit, keep-alive, and one way to close.
 *
 * The write routine takes everything queued in one turn: control frames first, then channels in the scheduler's order, each as far as
 * the peer's credit for it goes. So a slow handler stops its own channel's sender and nothing else.
 */
export class Socket implements ConnectionHandler {
  readonly #options: SocketOptions;
  readonly #clock: Clock;
  readonly #lifecycle: SocketLifecycle;
  readonly #scheduler: Scheduler;
  readonly #keepAlive: KeepAlive;
  readonly #lanes = new Lanes();
  #pongsOwed: number[] = [];
  #pingToSend: number | undefined;
  #turn = 0;
  #used = false;
  #connection: Connection | undefined;
  #handshaken: Handshaken | undefined;
  #drained: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #deaf = false;
  readonly #closed = Promise.withResolvers<void>();

  /** Makes a socket in state `opening`. */
  constructor(options: SocketOptions) {
    const { clock = systemClock, queue = "wdrr", strict = false, lanes = [] } = options;
    this.#options = options;
    this.#clock = clock;
    this.#lifecycle = new SocketLifecycle(strict, (state, from) => options.onState?.(this, state, from));
    this.#scheduler = createScheduler(queue);
    this.#keepAlive = new KeepAlive(
      clock,
      (nonce) => {
        this.#pingToSend = nonce;
        this.#connection!.wake();
      },
      () => void this.close(new P2pError("ping_timeout", `Peer ${this.address} did not answer a ping in time`)),
      options.keepAlive,
    );
    for (const lane of lanes) this.addLane(lane);
  }

  /** Where in its life it is. */
  get state(): SocketState {
    return this.#lifecycle.state;
  }

  /** Illegal transitions refused so far (when not strict). */
  get illegalTransitions(): number {
    return this.#lifecycle.illegalTransitions;
  }

  /** Who opened it. Known from `authenticating` on. */
  get direction(): Direction {
    return this.connection.direction;
  }

  /** The peer's proven address. Known from `authenticated` on. */
  get address(): Address {
    return this.remote.address;
  }

  /** What the handshake proved. Known from `authenticated` on. */
  get remote(): Handshaken {
    if (this.#handshaken === undefined) throw new P2pError("socket_not_authenticated", "Socket knows no peer yet");
    return this.#handshaken;
  }

  /** The connection under it. Known from `authenticating` on. */
  get connection(): Connection {
    if (this.#connection === undefined) throw new P2pError("socket_not_connected", "Socket has no connection yet");
    return this.#connection;
  }

  /** Smoothed round trip in milliseconds; `undefined` before the first pong. */
  get rttMs(): number | undefined {
    return this.#keepAlive.rttMs;
  }

  /** The outgoing queues, for counters. */
  get sendLanes(): readonly SendLane[] {
    return this.#lanes.sending;
  }

  /** Messages received whose handler has not finished with them. */
  get receivedWaiting(): number {
    return this.#lanes.received;
  }

  /** Dials: `opening` to `connecting`. Throws what the transport throws, after closing. */
  async dial(transport: Transport, address: NodeAddress, signal: AbortSignal): Promise<void> {
    this.#lifecycle.go("connecting");
    try {
      this.#connection = await transport.dial(address, signal);
      signal.throwIfAborted();
    } catch (caught) {
      throw await this.#failed(asP2pError("dial_failed", caught));
    }
    if (this.#closing) await this.#abandon();
  }

  /** Takes over an inbound connection: `opening` to `connecting`. */
  accept(connection: Connection): void {
    this.#lifecycle.go("connecting");
    this.#connection = connection;
  }

  /** Handshakes: `authenticating` to `authenticated`. Throws what the connection throws, after closing. */
  async authenticate(info: NodeInfo, signal: AbortSignal, expected?: Address): Promise<Handshaken> {
    this.#lifecycle.go("authenticating");
    // Credit follows with open(): what came before it would be kept by nobody who counts.
    const channels = info.channels.map(({ id }) => ({ id, capacity: 0 }));
    try {
      this.#handshaken = await this.connection.handshake({ ...info, channels }, { signal, expected });
    } catch (caught) {
      throw await this.#failed(asP2pError("handshake_failed", caught));
    }
    if (this.#closing) await this.#abandon();
    for (const { id, capacity } of this.#handshaken.info.channels) this.#lanes.credited(id, capacity);
    this.#lifecycle.go("authenticated");
    return this.#handshaken;
  }

  /** The router admits it: `connected`. */
  admit(): void {
    this.#lifecycle.go("connected");
  }

  /** Lets messages flow: `open`. */
  open(): void {
    if (!this.#lifecycle.go("open")) return;
    this.#lanes.announce();
    this.#keepAlive.start();
    this.connection.open(this);
  }

  /** Carries one more channel from now on, or one it carries already with other options; the peer is told. */
  addLane(options: LaneOptions): void {
    const open = this.state === "open";
    this.#lanes.add(options, open);
    if (open) this.connection.wake();
  }

  /** Queues a message for the peer. The bytes must not change afterwards. */
  offer(channel: number, message: Uint8Array): Offer {
    const lane = this.#lanes.sendLane(channel);
    if (lane === undefined || (!lane.supported && this.state === "open")) return "unsupported";
    if (this.state !== "open") return "closed";
    if (message.length > lane.options.messageBytesMax) return "too_large";
    if (!lane.fits(message)) {
      if (lane.options.whenFull !== "drop-oldest") return "full";
      lane.makeRoom(message);
    }
    lane.push(message, this.#turn++);
    this.#used = true;
    this.#connection!.wake();
    return "accepted";
  }

  /** Resolves when the channel's queue has fallen to half, or the socket is closing. */
  room(channel: number): Promise<void> {
    const lane = this.#lanes.sendLane(channel);
    return lane === undefined || this.state !== "open" ? Promise.resolve() : lane.room();
  }

  /** A message of `length` bytes was consumed: its credit goes back to the peer. */
  consumed(channel: number, length: number): void {
    if (this.state === "open" && this.#lanes.consumed(channel, length)) this.#connection!.wake();
  }

  /** Whether a message was queued or arrived since the last call. */
  takeUsed(): boolean {
    const used = this.#used;
    this.#used = false;
    return used;
  }

  /** Measures a round trip, in milliseconds. Rejects when the socket closes first. */
  ping(): Promise<number> {
    if (this.state !== "open") return Promise.reject(new P2pError("socket_closed", `Socket is ${this.state}`));
    return this.#keepAlive.measure();
  }

  /**
   * Closes: without a reason what is queued is written first, for at most `drainMs`, and the connection ends in order, within `2 * drainMs` of the call;
   * after that it fails with `drain_timeout`. With a reason it fails at once. Idempotent, resolves when the socket is `closed` and its routines have ended.
   */
  close(reason?: P2pError): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    const wasOpen = this.state === "open";
    // Set before anyone is told: a monitor may close from within onState.
    const shut = Promise.withResolvers<void>();
    this.#closing = shut.promise;
    this.#deaf = reason !== undefined;
    if (this.#deaf) this.#lifecycle.go("errored");
    this.#lifecycle.go("closing");
    this.#keepAlive.stop(reason ?? new P2pError("socket_closed", "Socket closed"));
    shut.resolve(this.#shut(reason, wasOpen));
    return shut.promise;
  }

  /** A frame, from the read routine. Those that came in one read with the error are not looked at. */
  receive(channel: number, flags: number, body: Uint8Array): void {
    if (this.#deaf) return;
    if (channel === CONTROL_CHANNEL) return this.#control(body);
    const message = this.#lanes.receive(channel, flags, body);
    this.#used = true;
    if (message !== undefined) this.#options.onMessage(this, channel, message);
  }

  /** One turn of the write routine. */
  take(out: ByteWriter, budget: number): void {
    const end = out.length + budget;
    if (this.#pongsOwed.length > 0 || this.#pingToSend !== undefined || this.#lanes.owing) this.#takeControl(out);
    const lanes = this.#lanes.sending;
    while (out.length < end) {
      const lane = this.#scheduler.next(lanes);
      if (lane === undefined) break;
      lane.takeFrame(out);
    }
    if (this.#drained !== undefined && this.#lanes.empty) this.#drained();
  }

  /** The connection ended under it. */
  closed(reason: P2pError | undefined): void {
    void this.close(reason);
    this.#drained?.();
    this.#closed.resolve();
  }

  #takeControl(out: ByteWriter): void {
    if (this.#pingToSend !== undefined) writeControlFrame(out, { type: "ping", nonce: this.#pingToSend });
    this.#pingToSend = undefined;
    for (const nonce of this.#pongsOwed) writeControlFrame(out, { type: "pong", nonce });
    this.#pongsOwed.length = 0;
    this.#lanes.takeCredit(out);
  }

  #control(body: Uint8Array): void {
    const frame = readControlFrame(body);
    if (frame === undefined) return;
    switch (frame.type) {
      case "ping":
        if (this.#pongsOwed.length >= PONGS_OWED_MAX) {
          throw new ProtocolError("ping_flood", `Peer sent over ${PONGS_OWED_MAX} pings without reading the answers`);
        }
        this.#pongsOwed.push(frame.nonce);
        return this.#connection!.wake();
      case "pong":
        this.#keepAlive.pong(frame.nonce);
        return;
      case "credit":
        this.#lanes.credited(frame.channel, frame.bytes);
        this.#connection!.wake();
    }
  }

  async #shut(reason: P2pError | undefined, wasOpen: boolean): Promise<void> {
    const { drainMs = 1_000 } = this.#options;
    let why = reason;
    const cut = this.#clock.after(2 * drainMs, () => {
      why ??= drainTimeout(2 * drainMs);
      void this.#connection?.close(why);
    });
    if (wasOpen && why === undefined && !await this.#drain(drainMs)) why = drainTimeout(drainMs);
    this.#lanes.clear();
    await this.#connection?.close(why);
    if (wasOpen) await this.#closed.promise;
    cut();
    this.#lifecycle.go("closed");
    this.#options.onClosed?.(this, why);
  }

  /** Waits until everything queued was taken or the connection ended; false if the time was up first. */
  async #drain(ms: number): Promise<boolean> {
    if (this.#lanes.empty) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#drained = () => resolve(true);
    const cancel = this.#clock.after(ms, () => resolve(false));
    this.#connection!.wake();
    const drained = await promise;
    cancel();
    this.#drained = undefined;
    return drained;
  }

  async #failed(reason: P2pError): Promise<P2pError> {
    await this.close(reason);
    return reason;
  }

  /** close() was called while a dial or a handshake was under way. */
  async #abandon(): Promise<never> {
    await this.#connection?.close();
    await this.#closing;
    throw new P2pError("socket_closed", "Socket was closed while it connected");
  }
}

function drainTimeout(ms: number): P2pError {
  return new P2pError("drain_timeout", `Peer did not take what was left within ${ms} ms of closing`);
}
