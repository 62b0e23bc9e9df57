import { P2pError } from "../base/errors.ts";
import type { Routines } from "../base/routines.ts";
import type { NodeAddress } from "../identity/node_address.ts";
import { FramedConnection } from "../transport/framed_connection.ts";
import type { Connection, Endpoint, Transport } from "../transport/transport.ts";
import type { SimHost } from "./sim_host.ts";
import type { SimNetwork } from "./sim_network.ts";

/** How one node reaches the others of a {@link SimNetwork}: same interface and semantics as TCP, no cryptography. */
export class SimTransport implements Transport {
  readonly protocols: readonly string[] = ["memory"];
  readonly #network: SimNetwork;
  readonly #host: SimHost;
  readonly #routines: Routines;
  readonly #listening = new Map<Endpoint, () => void>();
  #closed = false;

  /** Made by {@link SimHost.transport}. */
  constructor(network: SimNetwork, host: SimHost, routines: Routines) {
    this.#network = network;
    this.#host = host;
    this.#routines = routines;
  }

  /** Where it listens. */
  endpoints(): readonly Endpoint[] {
    return [...this.#listening.keys()];
  }

  /** Listens at the endpoint's path, by default the node's own address. */
  listen(endpoint: Endpoint, accept: (connection: Connection) => void): Promise<Endpoint> {
    if (this.#closed) return Promise.reject(closed());
    const path = endpoint.path ?? this.#host.address;
    const listening: Endpoint = { protocol: "memory", path };
    const end = { host: this.#host, endpoint: listening, routines: this.#routines };
    try {
      this.#network.open(path, { end, accept: (link) => accept(new FramedConnection(link)) });
    } catch (error) {
      return Promise.reject(error);
    }
    const stopped = Promise.withResolvers<void>();
    void this.#routines.start("listen", () => stopped.promise);
    this.#listening.set(listening, stopped.resolve);
    return Promise.resolve(listening);
  }

  /** Connects to the node of that ID, which takes a round trip; across a partition, or to a machine that is off, until the signal aborts. */
  async dial(address: NodeAddress, signal?: AbortSignal): Promise<Connection> {
    signal?.throwIfAborted();
    if (this.#closed) throw closed();
    const endpoint: Endpoint = { protocol: "memory", path: this.#host.address };
    const own = { host: this.#host, endpoint, routines: this.#routines };
    return new FramedConnection(await this.#network.connect(own, address.path ?? address.id, signal));
  }

  /** Stops listening. */
  close(): Promise<void> {
    this.#closed = true;
    for (const [{ path }, stop] of this.#listening) {
      this.#network.close(path!, this.#host);
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

function closed(): P2pError {
  return new P2pError("transport_closed", "Transport is closed");
}
