import type { P2pError } from "../base/errors.ts";
import type { ByteWriter } from "../codec/byte_writer.ts";
import type { OnFrame } from "../codec/frame.ts";
import type { Address } from "../identity/address.ts";
import type { NodeAddress } from "../identity/node_address.ts";
import type { NodeInfo } from "./node_info.ts";

/** Where a node can be reached: a protocol and what that protocol needs. ADR-062's Endpoint. */
export interface Endpoint {
  /** `tcp` or `memory`. */
  readonly protocol: string;
  /** IP address or DNS name; absent where the protocol has none. */
  readonly host?: string;
  /** Port; absent where the protocol has none. */
  readonly port?: number;
  /** What the protocol calls a place: the listener's name for `memory`. */
  readonly path?: string;
}

/**
 * Makes and accepts {@link Connection}s between {@link Endpoint}s. Knows no peers. ([Tendermint ADR-062](https://github.com/tendermint/tendermint/blob/main/docs/architecture/adr-062-p2p-abstractions.md).)
 * Every implementation passes the suite in `tests/transport/conformance.ts`.
 */
export interface Transport extends AsyncDisposable {
  /** The protocols it dials and accepts, as they stand in a node address. */
  readonly protocols: readonly string[];
  /** Where it listens now, with the port the system chose. */
  endpoints(): readonly Endpoint[];
  /**
   * Starts the listening routine: every inbound connection goes to `accept`, not yet handshaken, at once. Returns where it listens.
   * @throws {P2pError} `port_in_use`, `port_forbidden`, `transport_closed`
   */
  listen(endpoint: Endpoint, accept: (connection: Connection) => void): Promise<Endpoint>;
  /** Opens a connection, not yet handshaken. DNS names are resolved now. @throws {P2pError} `dial_refused`, `dial_timeout`, `dial_unreachable`, `dial_unresolved` */
  dial(address: NodeAddress, signal?: AbortSignal): Promise<Connection>;
  /** Stops accepting; open connections stay. Idempotent. */
  close(): Promise<void>;
}

/** Who opened a connection. */
export type Direction = "inbound" | "outbound";

/** What a handshake needs beside the node's own description. */
export interface HandshakeOptions {
  /** Who must answer; any other identity fails with `handshake_wrong_identity`. Absent on inbound connections. */
  expected?: Address;
  /** Ends the handshake; the caller's deadline stands behind it. */
  signal: AbortSignal;
}

/** What a handshake proved. */
export interface Handshaken {
  /** The remote's proven address: it holds the key. */
  readonly address: Address;
  /** The remote's Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** What the remote says of itself; its `address` equals the proven one. */
  readonly info: NodeInfo;
}

/** Who receives from a connection and feeds it: the socket. */
export interface ConnectionHandler {
  /** A frame arrived, called by the read routine. A throw closes the connection with that error. */
  receive: OnFrame;
  /**
   * The write routine asks for what is queued. Appends whole frames until about `budget` bytes are appended (the last one
   * may pass it) or nothing is left. Appending nothing ends the turn until the next {@link Connection.wake}.
   */
  take(out: ByteWriter, budget: number): void;
  /** The connection ended, once: `undefined` after an orderly close, otherwise why. Nothing is called after it. */
  closed(reason: P2pError | undefined): void;
}

/**
 * One connected endpoint: moves frames with a channel ID both ways, at most once, in order. Works in batches (ADR 0003): its read
 * routine pushes frames into the handler, its write routine pulls everything queued, so that no promise is made per message.
 */
export interface Connection {
  /** Who opened it. */
  readonly direction: Direction;
  /** This end. */
  readonly localEndpoint: Endpoint;
  /** The other end. */
  readonly remoteEndpoint: Endpoint;
  /** Secures the connection, proves identities and exchanges {@link NodeInfo}. Called once, before {@link open}. On failure the connection is closed. */
  handshake(info: NodeInfo, options: HandshakeOptions): Promise<Handshaken>;
  /** Hands the frames over: the read and the write routine, which run since the handshake, now serve `handler`. Called once. */
  open(handler: ConnectionHandler): void;
  /** There is something to {@link ConnectionHandler.take}. Cheap; many calls make one turn. */
  wake(): void;
  /** Bytes read so far, as the wire saw them. */
  readonly bytesRead: number;
  /** Bytes written so far, as the wire saw them. */
  readonly bytesWritten: number;
  /** Writes what was taken, then closes; with a reason it closes at once and tells the handler. Idempotent; resolves when both routines have ended. */
  close(reason?: P2pError): Promise<void>;
}
