import { asP2pError, P2pError } from "../../base/errors.ts";
import type { Routines } from "../../base/routines.ts";
import { Signal } from "../../base/signal.ts";
import { ByteWriter } from "../../codec/byte_writer.ts";
import type { FrameLink, LinkHandler, ProvenIdentity } from "../frame_link.ts";
import type { NodeInfo } from "../node_info.ts";
import type { Direction, Endpoint, HandshakeOptions } from "../transport.ts";

/** Bytes taken in one turn, and the most that waits for the other end's read routine: a full pipe stops the write routine. */
const TURN_BYTES = 256 * 1024;

/** One end of an in-process pair: what its write routine takes, the other end's read routine hands over. */
export class MemoryLink implements FrameLink {
  readonly direction: Direction;
  readonly localEndpoint: Endpoint;
  readonly remoteEndpoint: Endpoint;
  bytesRead = 0;
  bytesWritten = 0;
  readonly #identity: ProvenIdentity;
  readonly #routines: Routines;
  readonly #out = new ByteWriter();
  readonly #toWrite = new Signal();
  readonly #toRead = new Signal();
  readonly #room = new Signal();
  #peer!: MemoryLink;
  #handler: LinkHandler | undefined;
  #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #remoteEnded = false;
  #closing = false;
  #reason: P2pError | undefined;
  #done: Promise<unknown> = Promise.resolve();

  private constructor(options: MemoryLinkOptions, remote: MemoryLinkOptions, direction: Direction) {
    this.direction = direction;
    this.localEndpoint = options.endpoint;
    this.remoteEndpoint = remote.endpoint;
    this.#identity = remote.identity;
    this.#routines = options.routines;
  }

  /** Two connected ends. */
  static pair(dialler: MemoryLinkOptions, listener: MemoryLinkOptions): [outbound: MemoryLink, inbound: MemoryLink] {
    const outbound = new MemoryLink(dialler, listener, "outbound");
    const inbound = new MemoryLink(listener, dialler, "inbound");
    outbound.#peer = inbound;
    inbound.#peer = outbound;
    return [outbound, inbound];
  }

  /** Starts both routines. The identity of the other end is what its transport was made with. */
  secure(handler: LinkHandler, _info: NodeInfo, options: HandshakeOptions): Promise<ProvenIdentity> {
    options.signal.throwIfAborted();
    const { address } = this.#identity;
    if (options.expected !== undefined && options.expected !== address) {
      const error = new P2pError("handshake_wrong_identity", `Expected ${options.expected}, ${address} answered`);
      return this.close(error).then(() => Promise.reject(error));
    }
    if (this.#closing) return Promise.reject(this.#reason ?? new P2pError("connection_closed", "Connection is closed"));
    this.#handler = handler;
    this.#done = Promise.all([
      this.#routines.start(`read ${address}`, () => this.#read()),
      this.#routines.start(`write ${address}`, () => this.#write()),
    ]).then(() => this.#handler!.ended(this.#reason));
    return Promise.resolve(this.#identity);
  }

  /** There is something to take. */
  wake(): void {
    this.#toWrite.raise();
  }

  /** Ends both directions; with a reason without waiting for what is queued. */
  async close(reason?: P2pError): Promise<void> {
    this.#close(reason);
    await this.#done;
  }

  #close(reason: P2pError | undefined): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#reason = reason;
    if (this.#handler === undefined) this.#peer.#end();
    this.#toWrite.raise();
    this.#toRead.raise();
    this.#room.raise();
  }

  /** The other end will send nothing more. */
  #end(): void {
    this.#remoteEnded = true;
    this.#toRead.raise();
  }

  async #write(): Promise<void> {
    try {
      while (!this.#closing) {
        this.#out.clear();
        this.#handler!.take(this.#out, TURN_BYTES);
        if (this.#out.length === 0) {
          await this.#toWrite.raised();
          continue;
        }
        this.#deliver(this.#out.bytes().slice());
        while (this.#peer.#inboxBytes >= TURN_BYTES && !this.#closing && !this.#remoteEnded) await this.#room.raised();
      }
    } catch (caught) {
      this.#close(asP2pError("write_failed", caught));
    }
    this.#peer.#end();
  }

  #deliver(bytes: Uint8Array): void {
    this.bytesWritten += bytes.length;
    this.#peer.#inbox.push(bytes);
    this.#peer.#inboxBytes += bytes.length;
    this.#peer.#toRead.raise();
  }

  async #read(): Promise<void> {
    try {
      while (!this.#closing) {
        if (this.#inbox.length === 0) {
          if (this.#remoteEnded) break;
          await this.#toRead.raised();
          continue;
        }
        const chunks = this.#inbox;
        this.#inbox = [];
        this.#inboxBytes = 0;
        this.#peer.#room.raise();
        for (const chunk of chunks) {
          this.bytesRead += chunk.length;
          this.#handler!.data(chunk);
        }
      }
    } catch (caught) {
      this.#close(asP2pError("receive_failed", caught));
    }
    this.#close(undefined);
    this.#inbox = [];
  }
}

/** What one end of a pair is made of. */
export interface MemoryLinkOptions {
  /** Where it stands. */
  readonly endpoint: Endpoint;
  /** Who it is, as the other end will see it. */
  readonly identity: ProvenIdentity;
  /** Where its routines are counted. */
  readonly routines: Routines;
}
