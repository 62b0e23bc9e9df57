import { P2pError, ProtocolError } from "../base/errors.ts";
import type { ByteWriter } from "../codec/byte_writer.ts";
import type { Address } from "../identity/address.ts";
import { multiaddrToServiceUrl } from "../identity/address_conversions.ts";
import { parseMultiaddr } from "../identity/multiaddr.ts";
import { formatNodeAddress } from "../identity/node_address.ts";
import type { FrameLink, LinkHandler, ProvenIdentity } from "./frame_link.ts";
import { HeldMessages } from "./held_messages.ts";
import type { HostConnection } from "./libp2p/host_connection.ts";
import type { Libp2pStream } from "./libp2p/libp2p_stream.ts";
import type { Libp2pHost } from "./libp2p/host.ts";
import { LINGER_MS } from "./libp2p/link.ts";
import type { RawConnection } from "./libp2p/raw_connection.ts";
import type { NodeInfo } from "./node_info.ts";
import { PocketV1Bridge } from "./pocket_v1_bridge.ts";
import type { Direction, Endpoint, HandshakeOptions } from "./transport.ts";

/** Our own protocol: one long-lived stream per peer and direction, full of frames. */
export const CHANNEL_PROTOCOL = "/raintree/channel/1";

/** How far a peer may send ahead of our read routine on its channel stream. */
const WINDOW_BYTES = 4 << 20;

/** How long an orderly end may take in all, as that of a connection does, since a node's stop adds its socket's drain to it. */
const CLOSE_MS = LINGER_MS;

/** How much of that a V1 peer may take for the messages on the way; the rest is for the goodbye. */
const FINISH_MS = 750;

/** What a {@link ChannelLink} needs of its transport. */
export interface ChannelLinkHost {
  /** Secures and opens streams. */
  readonly host: Libp2pHost;
  /** Pocket V1's protocols by channel. */
  readonly messageProtocols: ReadonlyMap<number, string>;
  /** The link serves this connection from now on, what the peer opens on it goes there. */
  bind(connection: HostConnection, link: ChannelLink): void;
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
  /** Messages that came on Pocket V1's protocols before it was clear whether the peer speaks them. */
  readonly #held = new HeldMessages();
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

  /** Noise and yamux, then our channel stream; whether the peer knows the protocol shows while it is in use. */
  async secure(handler: LinkHandler, info: NodeInfo, options: HandshakeOptions): Promise<ProvenIdentity> {
    this.#handler = handler;
    this.#info = info;
    const secured = (connection: HostConnection) => this.#serve(connection);
    const connection = await this.#transport.host.secure(this.#raw, { ...options, secured }).catch((error) => {
      throw toHandshakeError(error);
    });
    this.#outbound = connection.newStream(CHANNEL_PROTOCOL);
    this.#outbound.pipe({
      data: () => {
        throw new ProtocolError("channel_wrong_way", "Peer sent on the stream that is ours to send on");
      },
      take: (out: ByteWriter, budget: number) => handler.take(out, budget),
      ended: (reason) => this.#outboundEnded(reason),
    });
    return connection.remote;
  }

  /** The peer opened its channel stream. */
  receiveOn(stream: Libp2pStream): void {
    if (this.#inbound !== undefined || this.#v1 !== undefined) {
      return stream.reset(
        new ProtocolError("channel_twice", "Peer opened a second channel stream, or one beside V1's"),
      );
    }
    this.#inbound = stream;
    this.#held.end(new P2pError("protocol_unexpected", `Peer speaks ${CHANNEL_PROTOCOL}, messages belong there`));
    stream.pipe({
      data: (chunk) => this.#handler!.data(chunk),
      take: () => {},
      ended: (reason) => void this.close(reason),
    }, { windowBytes: WINDOW_BYTES });
  }

  /**
   * A message of the peer came on the Pocket V1 protocol of `channel`. Its stream may end now, or when the promise resolves.
   *
   * @throws {P2pError} (as a rejection) `messages_no_room`; `protocol_unexpected` from a peer that speaks our own protocol; why the connection ended.
   */
  receiveMessage(channel: number, message: Uint8Array): void | Promise<void> {
    return this.#v1 === undefined ? this.#held.hold(channel, message) : this.#v1.receive(channel, message);
  }

  wake(): void {
    if (this.#v1 === undefined) this.#outbound?.wake();
    else this.#v1.wake();
  }

  async close(reason?: P2pError): Promise<void> {
    if (this.#connection === undefined) return this.#raw.close(reason);
    const { clock } = this.#transport.host;
    const start = clock.now();
    if (reason === undefined) await this.#v1?.finish(FINISH_MS);
    await this.#connection.close(reason, { lingerMs: Math.max(0, CLOSE_MS - (clock.now() - start)) });
  }

  /** Called before anything that came on the connection is served. */
  #serve(connection: HostConnection): void {
    this.#connection = connection;
    this.#transport.bind(connection, this);
    void connection.closed.then((reason) => {
      this.#held.end(reason ?? new P2pError("connection_closed", "The connection was closed"));
      this.#v1?.close();
      this.#handler!.ended(reason);
    });
  }

  // Who does not know the protocol says so, and may reset the stream for what came on it, which is then all that is heard.
  #outboundEnded(reason: P2pError | undefined): void {
    const refused = reason?.code === "protocol_unsupported" || reason?.code === "stream_reset";
    if (refused && this.#inbound === undefined) void this.#tryPocketV1(reason);
    else void this.close(reason);
  }

  async #tryPocketV1(refused: P2pError): Promise<void> {
    const connection = this.#connection!;
    const { host, messageProtocols } = this.#transport;
    const { address } = connection.remote;
    try {
      const { protocols, listen } = await connection.identify();
      if (this.#inbound !== undefined || protocols.includes(CHANNEL_PROTOCOL)) return await this.close(refused);
      const spoken = new Map([...messageProtocols].filter(([, protocol]) => protocols.includes(protocol)));
      if (spoken.size === 0) throw refused;
      if (!connection.open) return;
      this.#v1 = new PocketV1Bridge({
        host,
        connection,
        protocols: spoken,
        info: this.#info!,
        listen: listen.flatMap((multiaddr) => nodeAddressUrl(multiaddr, address)),
        handler: this.#handler!,
        held: this.#held,
      });
    } catch (cause) {
      void this.close(
        new P2pError(
          "handshake_unsupported",
          `Peer ${address} speaks neither ${CHANNEL_PROTOCOL} nor Pocket V1`,
          { cause },
        ),
      );
    }
  }
}

/** Where a peer may be dialled that says it listens at a multiaddr; nothing for one that is not of TCP. */
function nodeAddressUrl(multiaddr: string, id: Address): string[] {
  try {
    const { host, port } = multiaddrToServiceUrl(parseMultiaddr(multiaddr));
    return [formatNodeAddress({ protocol: "tcp", id, host, port })];
  } catch {
    return []; // another transport, or hearsay of no use
  }
}

/** All transports have one code for an identity that was not expected, whatever their security calls it. */
function toHandshakeError(error: unknown): unknown {
  if (!(error instanceof ProtocolError) || error.code !== "noise_wrong_identity") return error;
  return new ProtocolError("handshake_wrong_identity", error.message, { cause: error, hint: error.hint });
}
