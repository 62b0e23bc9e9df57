import type { Clock } from "../../base/clock.ts";
import type { P2pError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { Routines } from "../../base/routines.ts";
import type { Address } from "../../identity/address.ts";
import type { NodeKey } from "../../identity/node_key.ts";
import type { PeerId } from "../../identity/peer_id.ts";
import type { HostConnection } from "./host_connection.ts";
import type { Libp2pStream } from "./libp2p_stream.ts";
import type { YamuxLimits } from "./yamux.ts";

/** Options of a {@link Libp2pHost}. Every duration is in milliseconds. */
export interface Libp2pHostOptions {
  /** The node's key. */
  key: NodeKey;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Randomness, for the bytes of pings. Keys come from the machine's own. @default {systemRandom} */
  random?: Random;
  /** Where the routines run: two per connection and one per listener. @default {a new one} */
  routines?: Routines;
  /** Name and version told to others. @default {"raintree/0.1.0"} */
  agentVersion?: string;
  /** Multiaddrs told to others instead of the ones listened at, for a node behind a NAT or a load balancer. */
  announce?: readonly string[];
  /** How long connecting may take, and then how long securing may. @default {10000} */
  handshakeMs?: number;
  /** How long a stream may make no progress while it agrees on a protocol or after its release, and a ping go without an answer. @default {10000} */
  streamDeadlineMs?: number;
  /** Inbound connections that are not secured yet. A further one takes the place of one of the IP address with the most, or of one older than a second, or is closed at once. @default {128} */
  pendingInboundMax?: number;
  /** The same, of one IP address. @default {64} */
  pendingInboundPerIpMax?: number;
  /** Streams per connection. */
  streams?: YamuxLimits;
}

/** Where to connect: a multiaddr, or host and port and who must answer there. */
export type DialTarget = string | {
  /** IP address or DNS name. */
  host: string;
  /** Port. */
  port: number;
  /** Who must answer. */
  expected?: Address;
};

/** Where to listen: a multiaddr, or IP address and port; port 0 lets the system choose. */
export type ListenTarget = string | {
  /** IP address of this machine, `0.0.0.0` or `::` for all of them. */
  host: string;
  /** Port. */
  port: number;
};

/** A connected peer: by its address, its peer ID, or one of the connections to it. */
export type PeerRef = Address | PeerId | HostConnection;

/** Serves the inbound streams of one protocol. It owns the stream; a throw or a rejection resets it. */
export type StreamHandler = (stream: Libp2pStream) => void | Promise<void>;

/** Something that happened to a {@link Libp2pHost}. */
export type HostEvent =
  | { readonly type: "opened"; readonly connection: HostConnection }
  | { readonly type: "closed"; readonly connection: HostConnection; readonly reason: P2pError | undefined }
  | { readonly type: "handshake_failed"; readonly error: P2pError }
  | { readonly type: "accept_failed"; readonly error: P2pError };
