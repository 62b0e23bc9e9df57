import { asError, asP2pError, P2pError } from "../base/errors.ts";
import { Shares } from "../base/shares.ts";
import { compact } from "../codec/compact.ts";
import { CHANNEL_ID_MAX } from "../codec/frame.ts";
import type { Address } from "../identity/address.ts";
import type { LaneOptions, WhenFull } from "../socket/send_lane.ts";
import type { Offer, Socket } from "../socket/socket.ts";
import { MESSAGE_COST } from "../transport/control_frame.ts";
import type { MessageCodec } from "./codec.ts";
import { messageTooLarge, WaitingSends } from "./waiting_sends.ts";

/** What a channel is. (ADR-062 "Channels") */
export interface ChannelDescriptor<T> {
  /** 1 to 16383, the same on every node; beside a `P2PModule` from 16 on, those below are reserved for it. */
  id: number;
  /** For people, logs and counters. */
  name: string;
  /** The one message type it carries. */
  codec: MessageCodec<T>;
  /** Share under `wdrr`, rank under `priority`; an integer from 1. @default {1} */
  priority?: number;
  /** Bytes that may be queued for one peer, and as many again in sends that wait for that or for a connection. More smooths bursts and costs memory per peer. @default {1048576} */
  sendCapacity?: number;
  /** Bytes one peer may send ahead of the handler. More keeps a fast connection busy and costs memory per peer whose handler is slow. @default {4194304} */
  receiveCapacity?: number;
  /** Largest message, bytes. @default {4 MiB + 64 KiB for headers} */
  messageBytesMax?: number;
  /** When `sendCapacity` is used up: the sender waits, the new message is dropped, or the oldest makes room. @default {"block"} */
  whenFull?: WhenFull;
}

/** A received message and who sent it. */
export interface Envelope<T> {
  /** The sender's proven address. */
  readonly from: Address;
  /** The message. */
  readonly message: T;
}

/** Options of {@link Channel.send}. */
export interface SendOptions {
  /** Ends the wait for a connection or for room. */
  signal?: AbortSignal;
  /** Whether to connect to a peer that is not connected. Where not, the send fails with `peer_disconnected`. @default {true} */
  connect?: boolean;
}

/** Called with each message. While its promise is pending the sender's next message waits, and its credit with it. */
export type MessageHandler<T> = (message: T, from: Address) => void | Promise<void>;

/** What a channel needs of its router. */
export interface ChannelHost {
  /** The open socket of a peer. */
  socket(peer: Address): Socket | undefined;
  /** All open sockets. */
  sockets(): Iterable<Socket>;
  /** Connects to a known peer. */
  connect(peer: Address, signal?: AbortSignal): Promise<Socket>;
  /** Counts a drop. */
  dropped(channel: number, peer: Address, reason: string): void;
  /** A peer sent what the codec refuses. */
  misbehaved(peer: Address, error: Error): void;
  /** A handler threw: a bug of the application, told and survived. */
  handlerFailed(channel: string, error: Error): void;
}

/** What a peer sent and the handler has not seen yet; bounded by the credit that was given to the peer. */
interface Inbox {
  readonly messages: Uint8Array[];
  /** A handler's promise is pending: it goes on when that settles. */
  running: boolean;
}

/** Most closed sockets whose messages may still wait for the handler; those of the oldest are dropped, so that reconnecting buys a peer no memory. */
const ORPHANS_MAX = 32;

/** Most sends to one peer that may wait at once for room or a connection; one more fails with `channel_full`. */
const WAITING_SENDS_MAX = 4096;

/** Bytes that may wait for all peers of a channel together. Peers that take nothing must not make the node hold gigabytes. */
const WAITING_BYTES_MAX = 128 * 1024 * 1024;

/** What {@link Channel.send} returns when there is nothing to wait for: one promise for all, so that a hot path may tell by comparing. */
export const ACCEPTED: Promise<void> = Promise.resolve();

/**
 * A bidirectional channel of one message type to any peer: asynchronous, at most once, in order per peer. (ADR-062)
 *
 * `send` resolves when the message is queued for the peer; that the queue is full is felt as a pending promise. Receive with
 * {@link handle}, or as an async iterable.
 */
export class Channel<T> implements AsyncIterable<Envelope<T>> {
  /** The descriptor with its defaults filled in. */
  readonly lane: LaneOptions;
  /** For people. */
  readonly name: string;
  readonly #codec: MessageCodec<T>;
  readonly #host: ChannelHost;
  /** Whoever could not be served at once, by peer; nobody is in here in vain. */
  readonly #waiting = new Map<Address, WaitingSends>();
  readonly #inboxes = new Map<Socket, Inbox>();
  /** Closed sockets whose messages still wait, oldest first. */
  readonly #orphans = new Set<Socket>();
  #ended: P2pError | undefined;
  readonly #waitingShares: Shares<Address>;
  #handler: MessageHandler<T> | undefined;
  #endIteration = () => {};

  /** Made by `Router.openChannel`. @throws {RangeError} for a descriptor out of range. */
  constructor(descriptor: ChannelDescriptor<T>, host: ChannelHost) {
    const {
      id,
      priority = 1,
      sendCapacity = 1 << 20,
      receiveCapacity = 4 << 20,
      messageBytesMax = 4 * (1 << 20) + (1 << 16),
      whenFull = "block",
    } = descriptor;
    for (const [field, value] of Object.entries({ id, priority, sendCapacity, receiveCapacity, messageBytesMax })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new RangeError(`Channel ${field} is ${value}, it takes an integer from 1`);
      }
    }
    if (id > CHANNEL_ID_MAX) throw new RangeError(`Channel id is ${id}, the largest is ${CHANNEL_ID_MAX}`);
    this.lane = { id, priority, sendCapacity, receiveCapacity, messageBytesMax, whenFull };
    this.#waitingShares = new Shares({
      each: { count: WAITING_SENDS_MAX, bytes: sendCapacity },
      all: { count: Infinity, bytes: WAITING_BYTES_MAX },
    });
    this.name = descriptor.name;
    this.#codec = descriptor.codec;
    this.#host = host;
  }

  /** Channel ID. */
  get id(): number {
    return this.lane.id;
  }

  /** Whether {@link close} was called. Its ID may be opened again then. */
  get closed(): boolean {
    return this.#ended !== undefined;
  }

  /** Sends that wait for a connection or for room in a queue, and their bytes. */
  get waiting(): { readonly count: number; readonly bytes: number } {
    return this.#waitingShares.total;
  }

  /**
   * Queues a message for one peer, connecting to it first where needed. Messages to one peer arrive in the order of the calls. Those that wait for a
   * connection share one dial, and all fail with it.
   *
   * @throws {P2pError} (as a rejection) `channel_full` at once when 4,096 sends or `sendCapacity` bytes for the peer wait already (one message always
   * may), or 128 MiB for all peers, or where the channel drops the newest; `channel_unsupported` when the peer does not carry it; `message_too_large`; `peer_disconnected`;
   * `channel_closed`; `encode_failed` where the codec threw no {@link P2pError}; what the dial failed with; the signal's reason.
   */
  send(to: Address, message: T, options: SendOptions = {}): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    let bytes: Uint8Array;
    try {
      bytes = this.#codec.encode(message);
    } catch (caught) {
      return Promise.reject(asP2pError("encode_failed", caught));
    }
    if (this.#waiting.size === 0 || !this.#waiting.has(to)) {
      if (this.#host.socket(to)?.offer(this.lane.id, bytes) === "accepted") return ACCEPTED;
    }
    return this.#sendLater(to, bytes, options);
  }

  /** Queues a message if the peer is connected and there is room; otherwise counts a drop and returns false. Throws what the codec throws. */
  trySend(to: Address, message: T): boolean {
    const socket = this.#host.socket(to);
    const offer = socket === undefined ? "not_connected" : this.#offer(socket, this.#codec.encode(message));
    if (offer === "accepted") return true;
    this.#host.dropped(this.lane.id, to, offer);
    return false;
  }

  /** Queues a message for every connected peer that carries the channel, encoded once; where there is no room it is dropped and counted. Throws what the codec throws. */
  broadcast(message: T): void {
    const bytes = this.#codec.encode(message);
    for (const socket of this.#host.sockets()) {
      const offer = this.#offer(socket, bytes);
      if (offer !== "accepted" && offer !== "unsupported") this.#host.dropped(this.lane.id, socket.address, offer);
    }
  }

  /**
   * Receives with a function. Messages that came before wait for it, as far as the credit of their senders goes. One peer's messages come
   * one after the other, those of different peers do not wait for each other.
   *
   * @throws {P2pError} `channel_handled` when it has a handler already.
   */
  handle(handler: MessageHandler<T>): void {
    if (this.#handler !== undefined) {
      throw new P2pError("channel_handled", `Channel "${this.name}" has a handler already`);
    }
    this.#handler = handler;
    for (const [socket, inbox] of [...this.#inboxes]) if (!inbox.running) this.#next(socket, inbox);
  }

  /** Receives as a loop: `for await (const { from, message } of channel)`. Ends when the channel closes. */
  async *[Symbol.asyncIterator](): AsyncIterator<Envelope<T>> {
    const arrived: { envelope: Envelope<T>; take: () => void }[] = [];
    let wake = () => {};
    this.handle((message, from) =>
      new Promise((take) => {
        arrived.push({ envelope: { from, message }, take });
        wake();
      })
    );
    this.#endIteration = () => wake();
    try {
      for (;;) {
        const next = arrived.shift();
        if (next === undefined) {
          if (this.closed) return;
          await new Promise<void>((resolve) => wake = resolve);
          continue;
        }
        next.take();
        yield next.envelope;
      }
    } finally {
      this.#handler = undefined;
      for (const { take } of arrived) take();
    }
  }

  /** A message arrived; called by the router. */
  deliver(socket: Socket, bytes: Uint8Array): void {
    if (this.closed) return this.#discard(socket, bytes);
    const inbox = this.#inboxes.size === 0 ? undefined : this.#inboxes.get(socket);
    if (inbox !== undefined) {
      inbox.messages.push(compact(bytes));
      return;
    }
    if (this.#handler === undefined) {
      this.#inboxes.set(socket, { messages: [compact(bytes)], running: false });
      return;
    }
    const pending = this.#consume(socket, bytes);
    if (pending === undefined || this.closed) return;
    const opened: Inbox = { messages: [], running: true };
    this.#inboxes.set(socket, opened);
    void pending.then(() => this.#next(socket, opened));
  }

  /** The socket closed; called by the router. What it brought is still handed over, unless too many closed sockets wait for that. */
  disconnected(socket: Socket): void {
    if (!this.#inboxes.has(socket)) return;
    this.#orphans.add(socket);
    if (this.#orphans.size <= ORPHANS_MAX) return;
    const [oldest] = this.#orphans;
    this.#forget(oldest);
  }

  /** Stops receiving and sending: what waits to be sent rejects with `channel_closed`, what arrives is dropped and counted. Idempotent. */
  close(): void {
    if (this.#ended !== undefined) return;
    this.#ended = new P2pError("channel_closed", `Channel "${this.name}" is closed`);
    for (const waiting of [...this.#waiting.values()]) waiting.fail(this.#ended, "channel_closed");
    this.#endIteration();
    for (const socket of [...this.#inboxes.keys()]) this.#forget(socket);
  }

  /** Offers a message to a socket, unless earlier ones wait for the same peer. */
  #offer(socket: Socket, bytes: Uint8Array): Offer | "channel_closed" {
    if (this.closed) return "channel_closed";
    return this.#waiting.has(socket.address) ? "full" : socket.offer(this.lane.id, bytes);
  }

  /** Drops what a socket brought and the handler has not seen. */
  #forget(socket: Socket): void {
    for (const bytes of this.#inboxes.get(socket)!.messages.splice(0)) this.#discard(socket, bytes);
    this.#inboxes.delete(socket);
    this.#orphans.delete(socket);
  }

  #discard(socket: Socket, bytes: Uint8Array): void {
    this.#host.dropped(this.lane.id, socket.address, this.closed ? "channel_closed" : "peer_disconnected");
    socket.consumed(this.lane.id, bytes.length);
  }

  /** Hands one message to the handler. Returns a promise, which never rejects, only if the handler did. */
  #consume(socket: Socket, bytes: Uint8Array): Promise<void> | undefined {
    const { id } = this.lane;
    let message: T;
    try {
      message = this.#codec.decode(bytes);
    } catch (caught) {
      socket.consumed(id, bytes.length);
      this.#host.dropped(id, socket.address, "malformed");
      this.#host.misbehaved(socket.address, asError(caught));
      return undefined;
    }
    try {
      const pending = this.#handler!(message, socket.address);
      if (pending instanceof Promise) {
        return pending.catch((caught) => this.#host.handlerFailed(this.name, asError(caught)))
          .then(() => socket.consumed(id, bytes.length));
      }
    } catch (caught) {
      this.#host.handlerFailed(this.name, asError(caught));
    }
    socket.consumed(id, bytes.length);
    return undefined;
  }

  /** Works a peer's inbox off until the handler returns a promise again, or is gone. */
  #next(socket: Socket, inbox: Inbox): void {
    inbox.running = false;
    while (inbox.messages.length > 0) {
      if (this.#handler === undefined) return;
      const pending = this.#consume(socket, inbox.messages.shift()!);
      if (pending !== undefined) {
        inbox.running = true;
        void pending.then(() => this.#next(socket, inbox));
        return;
      }
    }
    if (this.#inboxes.get(socket) !== inbox) return;
    this.#inboxes.delete(socket);
    this.#orphans.delete(socket);
  }

  /** The slow path of {@link send}: behind whoever waits for the same peer. */
  #sendLater(to: Address, bytes: Uint8Array, options: SendOptions): Promise<void> {
    const { id, messageBytesMax, sendCapacity } = this.lane;
    if (bytes.length > messageBytesMax) {
      this.#host.dropped(id, to, "too_large");
      return Promise.reject(messageTooLarge(this.name, bytes.length, messageBytesMax));
    }
    if (!this.#waitingShares.fits(to, bytes.length + MESSAGE_COST)) {
      this.#host.dropped(id, to, "full");
      const { count, bytes: held } = this.#waitingShares.of(to);
      return Promise.reject(
        new P2pError(
          "channel_full",
          `${count} messages of ${held} bytes to ${to} wait on channel "${this.name}"; at most ${WAITING_SENDS_MAX} and ${sendCapacity} bytes may, and ${WAITING_BYTES_MAX} bytes to all peers`,
          { hint: "Await send() before sending more, or raise the channel's sendCapacity" },
        ),
      );
    }
    this.#waitingShares.take(to, bytes.length + MESSAGE_COST);
    const waiting = this.#waiting.get(to) ?? this.#newWaiting(to);
    this.#waiting.set(to, waiting);
    return waiting.add(bytes, options);
  }

  #newWaiting(to: Address): WaitingSends {
    const { lane, name } = this;
    return new WaitingSends({
      to,
      lane,
      name,
      host: this.#host,
      over: (bytes, left) => {
        this.#waitingShares.give(to, bytes.length + MESSAGE_COST);
        if (left === 0) this.#waiting.delete(to);
      },
    });
  }
}
