import type { Clock } from "../base/clock.ts";
import { P2pError, type ProtocolError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Routines } from "../base/routines.ts";
import type { NodeAddress } from "../identity/node_address.ts";
import type { NodeKey } from "../identity/node_key.ts";
import { CHANNEL_PROTOCOL, ChannelLink, type ChannelLinkHost } from "./channel_link.ts";
import { FramedConnection } from "./framed_connection.ts";
import type { HostConnection } from "./libp2p/host_connection.ts";
import { Libp2pHost } from "./libp2p/host.ts";
import { handleMessages } from "./libp2p/one_message_stream.ts";
import type { RawConnection } from "./libp2p/raw_connection.ts";
import type { Connection, Endpoint, Transport } from "./transport.ts";

/** Options of a {@link TcpTransport}. */
export interface TcpTransportOptions {
  /** The node's key. */
  key: NodeKey;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Randomness of pings. @default {systemRandom} */
  random?: Random;
  /** Where the routines run: one per listener, two per connection. @default {a registry of its own} */
  routines?: Routines;
  /** How long a connection may stay unsecured, milliseconds. @default {10_000} */
  handshakeMs?: number;
  /** Pocket V1's one-message protocols by the channel whose messages they carry. @default {none} */
  messageProtocols?: ReadonlyMap<number, string>;
}

/** The libp2p stack as a {@link Transport}: Noise, yamux, and our frames on `/raintree/channel/1`. */
export class TcpTransport implements Transport, ChannelLinkHost {
  readonly protocols: readonly string[] = ["tcp"];
  /** The host under it, for protocols of the application's own. */
  readonly host: Libp2pHost;
  /** Pocket V1's protocols by channel. */
  readonly messageProtocols: ReadonlyMap<number, string>;
  readonly #links = new Map<HostConnection, ChannelLink>();
  #closing: Promise<void> | undefined;

  /** Makes the transport of one node; listens and dials nothing yet. */
  constructor(options: TcpTransportOptions) {
    const { messageProtocols = new Map(), ...host } = options;
    this.host = new Libp2pHost(host);
    this.messageProtocols = messageProtocols;
    // What is secured through a link is bound to it before anything is served; the application's own connections have none.
    this.host.handle(CHANNEL_PROTOCOL, (stream) => this.#linkOf(stream.connection).receiveOn(stream));
    const onViolation = (connection: HostConnection, error: ProtocolError) =>
      void this.#links.get(connection)?.close(error);
    for (const [channel, protocol] of messageProtocols) {
      handleMessages(
        this.host,
        protocol,
        { onViolation },
        (connection, message) => this.#linkOf(connection).receiveMessage(channel, message),
      );
    }
  }

  /** Where it listens. */
  endpoints(): readonly Endpoint[] {
    return this.host.listeners().map(({ endpoint }) => endpoint);
  }

  /** Listens at an IP address of this machine; port 0 lets the system choose. */
  // deno-lint-ignore require-await -- what the host throws is to reject
  async listen({ host = "0.0.0.0", port = 0 }: Endpoint, accept: (connection: Connection) => void): Promise<Endpoint> {
    this.#checkOpen();
    const onRaw = (raw: RawConnection) => {
      accept(new FramedConnection(new ChannelLink(this, raw)));
    };
    return this.host.listen({ host, port }, { onRaw }).endpoint;
  }

  /** Connects; the identity is proven by the handshake. */
  async dial({ host, port }: NodeAddress, signal?: AbortSignal): Promise<Connection> {
    this.#checkOpen();
    if (host === undefined || port === undefined) {
      throw new P2pError("dial_unreachable", "A tcp address takes a host and a port");
    }
    return new FramedConnection(new ChannelLink(this, await this.host.connect({ host, port }, { signal })));
  }

  /** For links: see {@link ChannelLinkHost.bind}. */
  bind(connection: HostConnection, link: ChannelLink): void {
    this.#links.set(connection, link);
    void connection.closed.then(() => {
      this.#links.delete(connection);
      this.#endHost();
    });
  }

  /** Stops listening. The host ends when its last connection has. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.all(this.host.listeners().map((listener) => listener.close())).then(() => {});
      this.#endHost();
    }
    return this.#closing;
  }

  /** Stops listening. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #endHost(): void {
    if (this.#closing !== undefined && this.#links.size === 0) void this.host.close();
  }

  #linkOf(connection: HostConnection): ChannelLink {
    const link = this.#links.get(connection);
    if (link !== undefined) return link;
    throw new P2pError("protocol_unexpected", `Connection with ${connection.remote.address} carries no channels`);
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new P2pError("transport_closed", "Transport is closed");
  }
}
