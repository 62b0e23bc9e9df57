import { P2pError, ProtocolError } from "../base/errors.ts";
import type { ByteWriter } from "../codec/byte_writer.ts";
import type { FrameLink, LinkHandler, ProvenIdentity } from "./frame_link.ts";
import type { HostConnection } from "./libp2p/host_connection.ts";
import type { Libp2pStream } from "./libp2p/libp2p_stream.ts";
import type { Libp2pHost } from "./libp2p/host.ts";
import type { RawConnection } from "./libp2p/raw_connection.ts";
import type { NodeInfo } from "./node_info.ts";
import { PocketV1Bridge } from "./pocket_v1_bridge.ts";
import type { Direction, Endpoint, HandshakeOptions } from "./transport.ts";

/** Our own protocol: one long-lived stream per peer and direction, full of frames. (spec/wire.md section 2) */
export const CHANNEL_PROTOCOL = "/raintree/channel/1";

/** How far a peer may send ahead of our read routine on its channel stream. */
const WINDOW_BYTES = 4 << 20;

/** What a {@link ChannelLink} needs of its transport. */
export interface ChannelLinkHost {
  /** Secures and opens streams. */
  readonly host: Libp2pHost;
  /** Pocket V1's protocols by channel. */
  readonly messageProtocols: ReadonlyMap<number, string>;
  /** The link serves this connection from now on; returns the channel stream that the peer has opened already, if it has. */
  bind(connection: HostConnection, link: ChannelLink): Libp2pStream | undefined;
}

/**
 * Frames over a libp2p connection: what we send goes out on the stream we open, what we receive comes in on the one the peer opens. A peer that
 * does not know the protocol but Pocket V1's is served by a {@link PocketV1Bridge} instead.
 */
export class ChannelLink implements FrameLink {
  readonly direction: Direction;
  readonly localEndpoint: Endpoint;
  readonly remoteEndpoint: Endpoint;
  readonly #transport: ChannelLinkHost;
  readonly #raw: RawConnection;
  readonly #bridge = Promise.withResolvers<PocketV1Bridge | undefined>();
  #connection: HostConnection | undefined;
  #handler: LinkHandler | undefined;
  #info: NodeInfo | undefined;
  #outbound: Libp2pStream | undefined;
  #inbound: Libp2pStream | undefined;
  #v1: PocketV1Bridge | undefined;

  /** Takes over a raw connection. */
  constructor(transport: ChannelLinkHost, raw: RawConnection) {
    this.#transport = transport;
    this.#raw = raw;
    this.direction = raw.direction;
    this.localEndpoint = raw.localEndpoint;
    this.remoteEndpoint = raw.remoteEndpoint;
  }

  get bytesRead(): number {
    return this.#connection?.bytesRead ?? 0;
  }

  get bytesWritten(): number {
    return this.#connection?.bytesWritten ?? 0;
  }

  /** The bridge of a Pocket V1 peer; `undefined` once the peer has turned out to be one of ours, or is gone. */
  get bridge(): Promise<PocketV1Bridge | undefined> {
    return this.#bridge.promise;
  }

  /** Noise and yamux, then our channel stream; whether the peer knows the protocol shows while it is in use. */
  async secure(handler: LinkHandler, info: NodeInfo, options: HandshakeOptions): Promise<ProvenIdentity> {
    this.#handler = handler;
    this.#info = info;
    const connection = await this.#transport.host.secure(this.#raw, options).catch((error) => {
      throw toHandshakeError(error);
    });
    this.#connection = connection;
    const inbound = this.#transport.bind(connection, this);
    this.#outbound = connection.newStream(CHANNEL_PROTOCOL);
    this.#outbound.pipe({
      data: () => {
        throw new ProtocolError("channel_wrong_way", "Peer sent on the stream that is ours to send on");
      },
      take: (out: ByteWriter, budget: number) => handler.take(out, budget),
      ended: (reason) => this.#outboundEnded(reason),
    });
    if (inbound !== undefined) this.receiveOn(inbound);
    void connection.closed.then((reason) => {
      this.#bridge.resolve(undefined);
      this.#v1?.close();
      handler.ended(reason);
    });
    return connection.remote;
  }

  /** The peer opened its channel stream. */
  receiveOn(stream: Libp2pStream): void {
    if (this.#inbound !== undefined) {
      return stream.reset(new ProtocolError("channel_twice", "Peer opened a second channel stream"));
    }
    this.#inbound = stream;
    this.#bridge.resolve(undefined);
    stream.pipe({
      data: (chunk) => this.#handler!.data(chunk),
      take: () => {},
      ended: (reason) => void this.close(reason),
    }, { windowBytes: WINDOW_BYTES });
  }

  wake(): void {
    if (this.#v1 === undefined) this.#outbound?.wake();
    else this.#v1.wake();
  }

  async close(reason?: P2pError): Promise<void> {
    if (this.#connection === undefined) this.#raw.close(reason);
    else await this.#connection.close(reason);
  }

  #outboundEnded(reason: P2pError | undefined): void {
    if (reason?.code === "protocol_unsupported" && this.#inbound === undefined) void this.#tryPocketV1(reason);
    else void this.close(reason);
  }

  async #tryPocketV1(unsupported: P2pError): Promise<void> {
    const connection = this.#connection!;
    const { host, messageProtocols } = this.#transport;
    try {
      const { protocols } = await connection.identify();
      const spoken = new Map([...messageProtocols].filter(([, protocol]) => protocols.includes(protocol)));
      if (spoken.size === 0) throw unsupported;
      this.#v1 = new PocketV1Bridge({
        host,
        connection,
        protocols: spoken,
        info: this.#info!,
        handler: this.#handler!,
      });
      this.#bridge.resolve(this.#v1);
    } catch (cause) {
      void this.close(
        new P2pError(
          "handshake_unsupported",
          `Peer ${connection.remote.address} speaks neither ${CHANNEL_PROTOCOL} nor Pocket V1`,
          { cause },
        ),
      );
    }
  }
}

/** All transports have one code for an identity that was not expected, whatever their security calls it. */
function toHandshakeError(error: unknown): unknown {
  if (!(error instanceof ProtocolError) || error.code !== "noise_wrong_identity") return error;
  return new ProtocolError("handshake_wrong_identity", error.message, { cause: error, hint: error.hint });
}
