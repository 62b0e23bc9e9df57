import { type Address, isAddress } from "../../identity/address.ts";
import type { PeerId } from "../../identity/peer_id.ts";
import type { HostConnection } from "./host_connection.ts";

/** The open connections of a host, by peer. */
export class ConnectionTable {
  readonly #all = new Set<HostConnection>();
  /** By address, the newest connection last. */
  readonly #byPeer = new Map<Address, HostConnection[]>();

  /** How many there are. */
  get size(): number {
    return this.#all.size;
  }

  /** All of them, the oldest first. */
  all(): HostConnection[] {
    return [...this.#all];
  }

  /** The newest one to a peer; `undefined` if there is none. By address at once, by peer ID in a search. */
  newest(peer: Address | PeerId): HostConnection | undefined {
    if (isAddress(peer)) return this.#byPeer.get(peer)?.at(-1);
    return this.all().findLast(({ remote }) => remote.peerId === peer);
  }

  /** Adds a connection. */
  add(connection: HostConnection): void {
    this.#all.add(connection);
    const { address } = connection.remote;
    const known = this.#byPeer.get(address);
    if (known === undefined) this.#byPeer.set(address, [connection]);
    else known.push(connection);
  }

  /** Forgets a connection. */
  delete(connection: HostConnection): void {
    this.#all.delete(connection);
    const { address } = connection.remote;
    const others = this.#byPeer.get(address)!.filter((other) => other !== connection);
    if (others.length === 0) this.#byPeer.delete(address);
    else this.#byPeer.set(address, others);
  }
}
