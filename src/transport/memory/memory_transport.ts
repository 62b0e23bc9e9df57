import { P2pError } from "../../base/errors.ts";
import { Routines } from "../../base/routines.ts";
import { addressOf } from "../../identity/address.ts";
import type { NodeAddress } from "../../identity/node_address.ts";
import { FramedConnection } from "../framed_connection.ts";
import type { ProvenIdentity } from "../frame_link.ts";
import type { Connection, Endpoint, Transport } from "../transport.ts";
import { MemoryLink, type MemoryLinkOptions } from "./memory_link.ts";

/** One process's memory network: the listeners that {@link MemoryTransport}s of it can dial, by node ID. */
export class MemoryNetwork {
  readonly #listeners = new Map<string, MemoryListener>();

  /**
   * For transports: opens a place.
   *
   * @internal
   * @throws {P2pError} `port_in_use`
   */
  open(id: string, listener: MemoryListener): void {
    if (this.#listeners.has(id)) throw new P2pError("port_in_use", `Memory endpoint "${id}" has a listener already`);
    this.#listeners.set(id, listener);
  }

  /**
   * For transports: closes a place.
   *
   * @internal
   */
  close(id: string): void {
    this.#listeners.delete(id);
  }

  /**
   * For transports: connects to a place.
   *
   * @internal
   * @throws {P2pError} `dial_refused`
   */
  connect(id: string, dialler: MemoryLinkOptions): MemoryLink {
    const listener = this.#listeners.get(id);
    if (listener === undefined) throw new P2pError("dial_refused", `No one listens at "memory:${id}"`);
    const [outbound, inbound] = MemoryLink.pair(dialler, listener.options);
    listener.accept(inbound);
    return outbound;
  }
}

/** A place of a {@link MemoryNetwork}. */
export interface MemoryListener {
  /** What its ends of pairs are made of. */
  readonly options: MemoryLinkOptions;
  /** Called with each inbound end. */
  accept(link: MemoryLink): void;
}

/** Options of a {@link MemoryTransport}. */
export interface MemoryTransportOptions {
  /** The network it belongs to; only transports of the same one reach each other. */
  network: MemoryNetwork;
  /** Who the node is: its Ed25519 public key, 32 bytes. Nothing proves it; the process trusts itself. */
  publicKey: Uint8Array;
  /** Where its routines are counted. @default {a registry of its own} */
  routines?: Routines;
}

/** In-process connections for tests and simulation: same interface, same semantics, no cryptography. */
export class MemoryTransport implements Transport {
  readonly protocols: readonly string[] = ["memory"];
  readonly #network: MemoryNetwork;
  readonly #identity: ProvenIdentity;
  readonly #routines: Routines;
  readonly #listening = new Map<Endpoint, () => void>();
  #closed = false;

  /** Makes the transport of one node. */
  constructor(options: MemoryTransportOptions) {
    const { network, publicKey, routines = new Routines() } = options;
    this.#network = network;
    this.#routines = routines;
    this.#identity = { publicKey, address: addressOf(publicKey) };
  }

  /** Where it listens. */
  endpoints(): readonly Endpoint[] {
    return [...this.#listening.keys()];
  }

  /** Listens at the endpoint's path, by default the node's own address. */
  listen(endpoint: Endpoint, accept: (connection: Connection) => void): Promise<Endpoint> {
    if (this.#closed) return Promise.reject(new P2pError("transport_closed", "Transport is closed"));
    const path = endpoint.path ?? this.#identity.address;
    const listening: Endpoint = { protocol: "memory", path };
    try {
      this.#network.open(path, {
        options: { endpoint: listening, identity: this.#identity, routines: this.#routines },
        accept: (link) => accept(new FramedConnection(link)),
      });
    } catch (error) {
      return Promise.reject(error);
    }
    const stopped = Promise.withResolvers<void>();
    void this.#routines.start("listen", () => stopped.promise);
    this.#listening.set(listening, stopped.resolve);
    return Promise.resolve(listening);
  }

  /** Connects to the node of that ID. */
  dial(address: NodeAddress, signal?: AbortSignal): Promise<Connection> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closed) return Promise.reject(new P2pError("transport_closed", "Transport is closed"));
    const endpoint: Endpoint = { protocol: "memory", path: this.#identity.address };
    try {
      const own = { endpoint, identity: this.#identity, routines: this.#routines };
      return Promise.resolve(new FramedConnection(this.#network.connect(address.path ?? address.id, own)));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Stops listening. */
  close(): Promise<void> {
    this.#closed = true;
    for (const [{ path }, stop] of this.#listening) {
      this.#network.close(path!);
      stop();
    }
    this.#listening.clear();
    return Promise.resolve();
  }

  /** Stops listening. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
