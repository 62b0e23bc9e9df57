import { asP2pError } from "../base/errors.ts";
import { type Logger, logger } from "../base/log.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { concat } from "../codec/concat.ts";
import { FRAME_BODY_BYTES_MAX, FrameDecoder, MORE, writeFrame } from "../codec/frame.ts";
import { MESSAGE_COST, readControlFrame, writeControlFrame } from "./control_frame.ts";
import type { LinkHandler } from "./frame_link.ts";
import { CONTROL_CHANNEL } from "./framed_connection.ts";
import type { HeldMessages } from "./held_messages.ts";
import type { HostConnection } from "./libp2p/host_connection.ts";
import type { Libp2pHost } from "./libp2p/host.ts";
import { sendMessage } from "./libp2p/one_message_stream.ts";
import { PING } from "./libp2p/ping.ts";
import { encodeNodeInfo, type NodeInfo, POCKET_V1_VERSION } from "./node_info.ts";

/**
 * Messages under way at once, each on a stream that the peer has not ended yet; what comes behind waits in the socket's queue. js-libp2p resets
 * what goes beyond 32 streams of a protocol, Go's resource manager beyond 64.
 */
const SENDING_MAX = 32;

/** Bytes of messages under way at which no further one begins. */
const SENDING_BYTES_MAX = 1024 * 1024;

/** What the bridge takes of the socket's queue at a time. */
const TAKE_BYTES = 64 * 1024;

/** Credit that never runs out: the streams under way are the bound. */
const ENDLESS = Number.MAX_SAFE_INTEGER;

/** What a {@link PocketV1Bridge} stands between. */
export interface PocketV1BridgeOptions {
  /** Sends the messages. */
  host: Libp2pHost;
  /** To the peer. */
  connection: HostConnection;
  /** The peer's protocols by the channel whose messages they carry. */
  protocols: ReadonlyMap<number, string>;
  /** What this node says of itself; the peer is taken to be of the same network, since V1 does not tell. */
  info: NodeInfo;
  /** Node address URLs at which the peer says that it listens. */
  listen: readonly string[];
  /** Where frames come from and go to. */
  handler: LinkHandler;
  /** Messages that wait, those that came before the bridge was there among them. */
  held: HeldMessages;
}

interface Outgoing {
  readonly channel: number;
  readonly message: Uint8Array;
}

/**
 * Lets a Pocket V1 node look like one of ours: messages that the socket frames go out one a stream, a stream's message comes in as frames, pings
 * become libp2p pings. A message that the peer refuses is lost, alone: one that it does not take within the host's stream deadline ends the
 * connection.
 */
export class PocketV1Bridge {
  readonly #options: PocketV1BridgeOptions;
  readonly #out = new ByteWriter();
  readonly #decoder = new FrameDecoder((channel, flags, body) => this.#taken(channel, flags, body));
  readonly #parts = new Map<number, Uint8Array[]>();
  /** Taken from the socket and not begun; nothing more is taken before it has. */
  readonly #outgoing: Outgoing[] = [];
  /** What the node still accepts, by channel: the socket gives credit as it does to anyone. */
  readonly #credit: Map<number, number>;
  readonly #log: Logger = logger("transport");
  #awake = false;
  #sending = 0;
  #sendingBytes = 0;
  #closed = false;
  #idle: (() => void) | undefined;
  #finishing: Promise<void> | undefined;

  /** Introduces the peer to the handler. */
  constructor(options: PocketV1BridgeOptions) {
    const { connection, protocols, info, listen } = options;
    this.#options = options;
    this.#credit = new Map(info.channels.map(({ id, capacity }) => [id, capacity]));
    const channels = [...protocols.keys()].map((id) => ({ id, capacity: ENDLESS }));
    const { address } = connection.remote;
    const remote = { version: POCKET_V1_VERSION, network: info.network, address, listen, channels };
    this.#deliver(CONTROL_CHANNEL, encodeNodeInfo(remote));
    this.#acceptHeld();
    this.wake();
  }

  /** The socket has something to send. Many calls make one turn, which begins when the caller's is over. */
  wake(): void {
    if (this.#awake || this.#closed) return;
    this.#awake = true;
    queueMicrotask(() => {
      this.#awake = false;
      this.#turn();
    });
  }

  /** A message of the peer came on the protocol of `channel`. Its stream may end now, or when the promise resolves. @throws {P2pError} (as a rejection) `messages_no_room` */
  receive(channel: number, message: Uint8Array): void | Promise<void> {
    const { held } = this.#options;
    if (held.has(channel) || !this.#accept(channel, message)) return held.hold(channel, message);
  }

  /** Resolves when everything that was taken from the socket has gone to the peer, at the latest `ms` after the first call. */
  finish(ms: number): Promise<void> {
    return this.#finishing ??= this.#finish(ms);
  }

  /** The connection is gone. */
  close(): void {
    this.#closed = true;
    this.#idle?.();
  }

  async #finish(ms: number): Promise<void> {
    if (this.#isIdle) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = resolve;
    const cancel = this.#options.host.clock.after(ms, resolve);
    await promise;
    cancel();
  }

  get #isIdle(): boolean {
    return this.#closed || (this.#sending === 0 && this.#outgoing.length === 0);
  }

  /** Whether another message may begin. One always may, however large. */
  get #hasRoom(): boolean {
    return this.#sending === 0 || (this.#sending < SENDING_MAX && this.#sendingBytes < SENDING_BYTES_MAX);
  }

  /** Takes of the socket as long as there is something and room for it. Pings and credit need no room. */
  #turn(): void {
    const { handler } = this.#options;
    while (!this.#closed) {
      while (this.#outgoing.length > 0 && this.#hasRoom) void this.#send(this.#outgoing.shift()!);
      this.#out.clear();
      handler.take(this.#out, this.#outgoing.length === 0 && this.#hasRoom ? TAKE_BYTES : 0);
      if (this.#out.length === 0) break;
      this.#decoder.push(this.#out.bytes().slice());
    }
    if (this.#isIdle) this.#idle?.();
  }

  /** A frame of the socket's. */
  #taken(channel: number, flags: number, body: Uint8Array): void {
    if (channel === CONTROL_CHANNEL) return this.#control(body);
    const parts = this.#parts.get(channel);
    if ((flags & MORE) !== 0) {
      if (parts === undefined) this.#parts.set(channel, [body]);
      else parts.push(body);
      return;
    }
    this.#parts.delete(channel);
    this.#outgoing.push({ channel, message: parts === undefined ? body : concat([...parts, body]) });
  }

  #control(body: Uint8Array): void {
    const frame = readControlFrame(body);
    if (frame?.type === "ping") void this.#ping(frame.nonce);
    if (frame?.type !== "credit") return; // our own node info, which V1 has no use for
    this.#credit.set(frame.channel, (this.#credit.get(frame.channel) ?? 0) + frame.bytes);
    this.#acceptHeld();
  }

  async #send({ channel, message }: Outgoing): Promise<void> {
    const { host, connection, protocols } = this.#options;
    this.#sending++;
    this.#sendingBytes += message.length;
    try {
      await sendMessage(host, connection, protocols.get(channel)!, message, { untilGone: true });
    } catch (caught) {
      const error = asP2pError("message_failed", caught);
      if (this.#closed) return;
      this.#log.warn("peer {peer} did not take a message: {error}", {
        peer: connection.remote.address,
        error: error.message,
      });
      // A reset refuses this message. Anything else says that the next one will fare no better.
      if (error.code !== "stream_reset") void connection.close(error);
    } finally {
      this.#sending--;
      this.#sendingBytes -= message.length;
      this.wake();
    }
  }

  /** A V1 node that does not serve libp2p's ping answers yamux's, as every libp2p node does. */
  async #ping(nonce: number): Promise<void> {
    const { host, connection } = this.#options;
    try {
      if (connection.info?.protocols.includes(PING)) await host.ping(connection);
      else await connection.ping();
    } catch {
      return; // no pong: the socket's own deadline closes it
    }
    const pong = new ByteWriter(16);
    writeControlFrame(pong, { type: "pong", nonce });
    this.#hand(pong.bytes());
  }

  /** Hands a message over if the node accepts it now. */
  #accept(channel: number, message: Uint8Array): boolean {
    const credit = this.#credit.get(channel) ?? 0;
    if (credit <= 0 || this.#closed) return false;
    this.#credit.set(channel, credit - message.length - MESSAGE_COST);
    this.#deliver(channel, message);
    return true;
  }

  #acceptHeld(): void {
    this.#options.held.offer((channel, message) => this.#accept(channel, message));
  }

  #deliver(channel: number, message: Uint8Array): void {
    const out = new ByteWriter(message.length + 64);
    let at = 0;
    for (; message.length - at > FRAME_BODY_BYTES_MAX; at += FRAME_BODY_BYTES_MAX) {
      writeFrame(out, channel, MORE, message.subarray(at, at + FRAME_BODY_BYTES_MAX));
    }
    writeFrame(out, channel, 0, message.subarray(at));
    this.#hand(out.bytes());
  }

  #hand(frames: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#options.handler.data(frames);
    } catch (caught) {
      void this.#options.connection.close(asP2pError("receive_failed", caught));
    }
  }
}
