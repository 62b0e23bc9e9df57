import type { Address } from "../../identity/address.ts";
import type { PeerId } from "../../identity/peer_id.ts";
import type { HostConnection } from "./host_connection.ts";

/** The open connections of a host, by peer. */
export class ConnectionTable {
  readonly #all = new Set<HostConnection>();
  /** By address and by peer ID, the newest connection last. */
  readonly #byPeer = new Map<string, HostConnection[]>();

  /** How many there are. */
  get size(): number {
    return this.#all.size;
  }

  /** All of them, the oldest first. */
  all(): HostConnection[] {
    return [...this.#all];
  }

  /** The newest one to a peer; `undefined` if there is none. */
  newest(peer: Address | PeerId): HostConnection | undefined {
    return this.#byPeer.get(peer)?.at(-1);
  }

  /** Adds a connection. */
  add(connection: HostConnection): void {
    this.#all.add(connection);
    for (const name of [connection.remote.address, connection.remote.peerId]) {
      const known = this.#byPeer.get(name);
      if (known === undefined) this.#byPeer.set(name, [connection]);
      else known.push(connection);
    }
  }

  /** Forgets a connection. */
  delete(connection: HostConnection): void {
    this.#all.delete(connection);
    for (const name of [connection.remote.address, connection.remote.peerId]) {
      const others = this.#byPeer.get(name)!.filter((other) => other !== connection);
      if (others.length === 0) this.#byPeer.delete(name);
      else this.#byPeer.set(name, others);
    }
  }
}
