import { asP2pError, P2pError } from "../base/errors.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { concat } from "../codec/concat.ts";
import { FRAME_BODY_BYTES_MAX, FrameDecoder, MORE, writeFrame } from "../codec/frame.ts";
import type { LinkHandler } from "./frame_link.ts";
import { readControlFrame, writeControlFrame } from "./control_frame.ts";
import { CONTROL_CHANNEL } from "./framed_connection.ts";
import type { HostConnection } from "./libp2p/host_connection.ts";
import type { Libp2pHost } from "./libp2p/host.ts";
import { sendMessage } from "./libp2p/one_message_stream.ts";
import { encodeNodeInfo, type NodeInfo, POCKET_V1_VERSION } from "./node_info.ts";

/** Streams with a message of ours under way at once; what is queued behind waits in the socket's queue. */
const SENDING_MAX = 64;

/** Messages of the peer that wait for the node to catch up; further ones are refused by a reset. */
const HELD_MAX = 64;

/** What the bridge takes of the socket's queue at a time. */
const TAKE_BYTES = 64 * 1024;

/** Credit that never runs out: the number of streams under way is the bound. */
const ENDLESS = 2 ** 40;

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
  /** Where frames come from and go to. */
  handler: LinkHandler;
}

/**
 * Lets a Pocket V1 node look like one of ours: messages that the socket frames go out one a stream, a stream's message comes in as frames, pings
 * become libp2p pings. (spec/wire.md section 2, "Our protocols on top")
 */
export class PocketV1Bridge {
  readonly #options: PocketV1BridgeOptions;
  readonly #out = new ByteWriter();
  readonly #decoder = new FrameDecoder((channel, flags, body) => this.#taken(channel, flags, body));
  readonly #parts = new Map<number, Uint8Array[]>();
  /** What the node still accepts, by channel: the socket gives credit as it does to anyone. */
  readonly #credit: Map<number, number>;
  #sending = 0;
  #held: (() => void)[] = [];
  #closed = false;

  /** Introduces the peer to the handler. */
  constructor(options: PocketV1BridgeOptions) {
    const { connection, protocols, info } = options;
    this.#options = options;
    this.#credit = new Map(info.channels.map(({ id, capacity }) => [id, capacity]));
    const channels = [...protocols.keys()].map((id) => ({ id, capacity: ENDLESS }));
    const { address } = connection.remote;
    const remote = { version: POCKET_V1_VERSION, network: info.network, address, listen: [], channels };
    this.#deliver(CONTROL_CHANNEL, encodeNodeInfo(remote));
    this.wake();
  }

  /** The socket has something to send. */
  wake(): void {
    while (!this.#closed && this.#sending < SENDING_MAX) {
      this.#out.clear();
      this.#options.handler.take(this.#out, TAKE_BYTES);
      if (this.#out.length === 0) return;
      this.#decoder.push(this.#out.bytes().slice());
    }
  }

  /** A message of the peer came on the protocol of `channel`. Resolves when it is handed over, which ends its stream. */
  async receive(channel: number, message: Uint8Array): Promise<void> {
    while (!this.#closed && (this.#credit.get(channel) ?? 0) <= 0) {
      if (this.#held.length >= HELD_MAX) {
        throw new P2pError("messages_no_room", `${HELD_MAX} messages of the peer wait already`);
      }
      await new Promise<void>((resolve) => this.#held.push(resolve));
    }
    if (this.#closed) return;
    this.#credit.set(channel, this.#credit.get(channel)! - message.length);
    this.#deliver(channel, message);
  }

  /** The connection is gone. */
  close(): void {
    this.#closed = true;
    this.#release();
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
    void this.#send(channel, parts === undefined ? body : concat([...parts, body]));
  }

  #control(body: Uint8Array): void {
    const frame = readControlFrame(body);
    if (frame?.type === "ping") void this.#ping(frame.nonce);
    if (frame?.type !== "credit") return; // our own node info, which V1 has no use for
    this.#credit.set(frame.channel, (this.#credit.get(frame.channel) ?? 0) + frame.bytes);
    this.#release();
  }

  async #send(channel: number, message: Uint8Array): Promise<void> {
    const { host, connection, protocols } = this.#options;
    this.#sending++;
    try {
      await sendMessage(host, connection, protocols.get(channel)!, message);
    } catch (cause) {
      if (!this.#closed) void connection.close(asP2pError("message_failed", cause));
    } finally {
      this.#sending--;
      this.wake();
    }
  }

  async #ping(nonce: number): Promise<void> {
    const { host, connection } = this.#options;
    try {
      await host.ping(connection);
    } catch {
      return; // no pong: the socket's own deadline closes it
    }
    if (this.#closed) return;
    this.#out.clear();
    writeControlFrame(this.#out, { type: "pong", nonce });
    this.#options.handler.data(this.#out.bytes().slice());
  }

  #deliver(channel: number, message: Uint8Array): void {
    const out = new ByteWriter(message.length + 64);
    let at = 0;
    for (; message.length - at > FRAME_BODY_BYTES_MAX; at += FRAME_BODY_BYTES_MAX) {
      writeFrame(out, channel, MORE, message.subarray(at, at + FRAME_BODY_BYTES_MAX));
    }
    writeFrame(out, channel, 0, message.subarray(at));
    this.#options.handler.data(out.bytes());
  }

  #release(): void {
    const held = this.#held;
    this.#held = [];
    for (const resume of held) resume();
  }
}
