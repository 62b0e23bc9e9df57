import { P2pError } from "../base/errors.ts";
import type { Address } from "../identity/address.ts";
import { copyPeerRecord, type PeerRecord } from "./peer_record.ts";
import type { PeerStore } from "./peer_store.ts";

/** A {@link PeerStore} that forgets everything when closed: tests, simulations, nodes without a disk. */
export class MemoryPeerStore implements PeerStore {
  readonly #records = new Map<Address, PeerRecord>();
  #closed = false;

  /** Copies of every stored record. @throws {P2pError} `store_closed` */
  load(): PeerRecord[] {
    this.#assertOpen();
    return [...this.#records.values()].map(copyPeerRecord);
  }

  /** Keeps copies of the changed, drops the removed. @throws {P2pError} `store_closed` */
  save(changed: readonly PeerRecord[], removed: readonly Address[]): void {
    this.#assertOpen();
    for (const record of changed) this.#records.set(record.id, copyPeerRecord(record));
    for (const id of removed) this.#records.delete(id);
  }

  /** Forgets everything. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#records.clear();
  }

  /** Closes. */
  [Symbol.dispose](): void {
    this.close();
  }

  #assertOpen(): void {
    if (this.#closed) throw new P2pError("store_closed", "Peer store is closed");
  }
}
