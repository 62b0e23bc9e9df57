import type { P2pError } from "../base/errors.ts";
import type { ByteWriter } from "../codec/byte_writer.ts";
import type { Address } from "../identity/address.ts";
import type { NodeInfo } from "./node_info.ts";
import type { Direction, Endpoint, HandshakeOptions } from "./transport.ts";

/** What serves the bytes of a link once it is secured. */
export interface LinkHandler {
  /** Bytes arrived in order; they belong to the handler, which returns whether it keeps any. A throw ends the link with that error. */
  data(chunk: Uint8Array): boolean;
  /** The write routine asks for bytes: appends about `budget` of them, or none, which ends the turn until the next wake. */
  take(out: ByteWriter, budget: number): void;
  /** The link ended, once: `undefined` after an orderly end, otherwise why. */
  ended(reason: P2pError | undefined): void;
}

/** A proven identity. */
export interface ProvenIdentity {
  /** The address of the key. */
  readonly address: Address;
  /** The Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/**
 * What a transport contributes to a connection: a duplex of bytes with a read and a write routine, and a proof of who is at
 * the other end. Frames, the exchange of node info and every check on them are the same for all transports ({@link FramedConnection}).
 */
export interface FrameLink {
  /** Who opened it. */
  readonly direction: Direction;
  /** This end. */
  readonly localEndpoint: Endpoint;
  /** The other end. */
  readonly remoteEndpoint: Endpoint;
  /** Bytes read so far, as the wire saw them. */
  readonly bytesRead: number;
  /** Bytes written so far, as the wire saw them. */
  readonly bytesWritten: number;
  /** Proves identities, then serves `handler`. On failure the link is closed. `info` is what the node will say of itself. */
  secure(handler: LinkHandler, info: NodeInfo, options: HandshakeOptions): Promise<ProvenIdentity>;
  /** There is something to take. */
  wake(): void;
  /** Writes what was taken and closes; with a reason at once. Idempotent; resolves when its routines have ended. */
  close(reason?: P2pError): Promise<void>;
}
