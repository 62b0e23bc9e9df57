import type { Clock } from "../base/clock.ts";
import type { Address } from "../identity/address.ts";
import type { NodeAddress } from "../identity/node_address.ts";
import type { PeerManager } from "../peer/peer_manager.ts";
import type { KeepAliveOptions } from "../socket/keep_alive.ts";
import type { QueueKind } from "../socket/scheduler.ts";
import type { Socket } from "../socket/socket.ts";
import type { Transport } from "../transport/transport.ts";
import type { InboundGateOptions } from "../transport/inbound_gate.ts";

/** Options of a `Router`. Durations in milliseconds. */
export interface RouterOptions {
  /** This node. */
  address: Address;
  /** The chain; peers of another are refused. */
  network: string;
  /** What dials and accepts, by protocol. Closed with the router. */
  transports: readonly Transport[];
  /** Who is dialled and kept. Not closed with the router. */
  peers: PeerManager;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** How channels share a socket. @default {"wdrr"} */
  queue?: QueueKind;
  /** Pings. */
  keepAlive?: KeepAliveOptions;
  /** How long a dial may take until the connection stands. @default {5_000} */
  dialTimeoutMs?: number;
  /** How long a handshake may take. @default {10_000} */
  handshakeTimeoutMs?: number;
  /** How long an orderly close waits for what is queued; all of it takes twice that at most, then the connection is cut. @default {1_000} */
  drainMs?: number;
  /** Limits on inbound handshakes. */
  inbound?: InboundGateOptions;
  /** Whether an illegal socket transition throws (development) or is counted (production). @default {false} */
  strict?: boolean;
  /** Node address URLs at which this node may be dialled, asked for at each handshake. @default {() => []} */
  advertise?: () => readonly string[];
  /** Where a peer is whom the manager does not know, asked when it is to be sent to. @default {nobody can say} */
  locate?: (peer: Address) => NodeAddress | undefined;
  /** A peer's socket opened. */
  onUp?: (socket: Socket) => void;
  /** A peer has no open socket any more. */
  onDown?: (peer: Address) => void;
}
