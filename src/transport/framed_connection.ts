import { abortable } from "../base/clock.ts";
import { asP2pError, P2pError, ProtocolError } from "../base/errors.ts";
import type { ByteWriter } from "../codec/byte_writer.ts";
import { compact } from "../codec/compact.ts";
import { FrameDecoder, writeFrame } from "../codec/frame.ts";
import type { FrameLink, LinkHandler } from "./frame_link.ts";
import { decodeNodeInfo, encodeNodeInfo, type NodeInfo, POCKET_V1_VERSION } from "./node_info.ts";
import type { Connection, ConnectionHandler, Direction, Endpoint, Handshaken, HandshakeOptions } from "./transport.ts";

/** The channel of the connection itself: the first frame each way is the sender's node info, later ones belong to the socket. */
export const CONTROL_CHANNEL = 0;

/** What may arrive between the end of our handshake and {@link FramedConnection.open}; more closes the connection. */
const EARLY_BYTES_MAX = 1 << 20;

/** What keeping a frame costs beside its body, so that empty frames count too. */
const EARLY_FRAME_COST = 64;

interface EarlyFrame {
  readonly channel: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** The {@link Connection} over any {@link FrameLink}: frames, the exchange of node info, and the checks on it. */
export class FramedConnection implements Connection, LinkHandler {
  readonly #link: FrameLink;
  readonly #decoder = new FrameDecoder((channel, flags, body) => this.#frame(channel, flags, body));
  readonly #remoteInfo = Promise.withResolvers<NodeInfo>();
  #hello: Uint8Array | undefined;
  #greeted = false;
  #early: EarlyFrame[] = [];
  #earlyBytes = 0;
  #handler: ConnectionHandler | undefined;
  #ended: { reason: P2pError | undefined } | undefined;

  /** Takes over a fresh link. */
  constructor(link: FrameLink) {
    this.#link = link;
    this.#remoteInfo.promise.catch(() => {}); // an end before the handshake is told by handshake() itself
  }

  /** Who opened it. */
  get direction(): Direction {
    return this.#link.direction;
  }

  /** This end. */
  get localEndpoint(): Endpoint {
    return this.#link.localEndpoint;
  }

  /** The other end. */
  get remoteEndpoint(): Endpoint {
    return this.#link.remoteEndpoint;
  }

  /** Bytes read so far, as the wire saw them. */
  get bytesRead(): number {
    return this.#link.bytesRead;
  }

  /** Bytes written so far, as the wire saw them. */
  get bytesWritten(): number {
    return this.#link.bytesWritten;
  }

  /**
   * Proves identities, then exchanges and checks node infos.
   *
   * @throws {P2pError} what the link's own handshake throws; `handshake_wrong_version`, `handshake_wrong_network`,
   * `handshake_wrong_identity`, `handshake_malformed`; the signal's reason, as `handshake_failed` where that is no {@link P2pError}. The connection is
   * closed then.
   */
  async handshake(info: NodeInfo, options: HandshakeOptions): Promise<Handshaken> {
    try {
      this.#hello = encodeNodeInfo(info);
      const identity = await this.#link.secure(this, info, options);
      this.#link.wake();
      const remote = await abortable(this.#remoteInfo.promise, options.signal);
      check(info, remote, identity.address);
      return { ...identity, info: remote };
    } catch (caught) {
      const error = asP2pError("handshake_failed", caught);
      await this.#link.close(error);
      throw error;
    }
  }

  /** Hands the frames over, first those that came early. */
  open(handler: ConnectionHandler): void {
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    try {
      for (const frame of early) handler.receive(frame.channel, frame.flags, frame.body);
    } catch (caught) {
      void this.#link.close(asP2pError("receive_failed", caught));
    }
    if (this.#ended) handler.closed(this.#ended.reason);
    else this.#link.wake();
  }

  /** There is something to take. */
  wake(): void {
    this.#link.wake();
  }

  /** Closes the link under it. */
  close(reason?: P2pError): Promise<void> {
    return this.#link.close(reason);
  }

  /** Bytes from the link. */
  data(chunk: Uint8Array): boolean {
    return this.#decoder.push(chunk);
  }

  /** The link's write routine asks: the node info goes first. */
  take(out: ByteWriter, budget: number): void {
    if (this.#hello !== undefined) {
      writeFrame(out, CONTROL_CHANNEL, 0, this.#hello);
      this.#hello = undefined;
    }
    this.#handler?.take(out, budget);
  }

  /** The link ended. */
  ended(reason: P2pError | undefined): void {
    this.#ended = { reason };
    this.#remoteInfo.reject(
      reason ?? new P2pError("connection_closed", "Peer closed the connection during the handshake"),
    );
    this.#handler?.closed(reason);
  }

  #frame(channel: number, flags: number, body: Uint8Array): void {
    if (this.#handler !== undefined) return this.#handler.receive(channel, flags, body);
    if (this.#greeted) {
      this.#earlyBytes += body.length + EARLY_FRAME_COST;
      if (this.#earlyBytes > EARLY_BYTES_MAX) {
        throw new ProtocolError("handshake_flood", `Peer sent over ${EARLY_BYTES_MAX} bytes before the socket opened`);
      }
      this.#early.push({ channel, flags, body: compact(body) });
      return;
    }
    this.#greeted = true;
    if (channel !== CONTROL_CHANNEL || flags !== 0) {
      throw new ProtocolError(
        "handshake_malformed",
        `First frame is on channel ${channel}, node info comes on channel 0`,
      );
    }
    this.#remoteInfo.resolve(decodeNodeInfo(body));
  }
}

/** What the node infos of both ends must agree on. */
function check(own: NodeInfo, remote: NodeInfo, proven: string): void {
  if (remote.version !== own.version && remote.version !== POCKET_V1_VERSION) {
    throw new P2pError(
      "handshake_wrong_version",
      `Peer speaks version ${remote.version} of the channel protocol, this node ${own.version}`,
      {
        hint: "Run releases of the same protocol version on both ends",
      },
    );
  }
  if (remote.network !== own.network) {
    throw new P2pError(
      "handshake_wrong_network",
      `Peer is of network "${remote.network}", this node of "${own.network}"`,
      {
        hint: "Check `network` in the configuration of both ends",
      },
    );
  }
  if (remote.address !== proven) {
    throw new ProtocolError("handshake_wrong_identity", `Peer says it is ${remote.address}, its key says ${proven}`);
  }
}
