import type { Address } from "../identity/address.ts";
import type { PeerRecord } from "./peer_record.ts";

/**
 * Where peers outlive the node. It keeps what it is told; the {@link PeerManager} decides what to keep, bounds it, and holds the
 * working copy. Every implementation passes the suite in `tests/peer/peer_store_test.ts`.
 */
export interface PeerStore extends Disposable {
  /** Every stored peer, in no particular order. The records belong to the caller. @throws {P2pError} `store_corrupt` and what {@link save} throws */
  load(): PeerRecord[];
  /**
   * Writes the changed records and deletes the removed ones: all or nothing.
   *
   * @throws {P2pError} `store_unwritable`, `store_full`, `store_locked`, `store_corrupt`, `store_closed`, `store_failed`
   */
  save(changed: readonly PeerRecord[], removed: readonly Address[]): void;
  /** Lets go of files. Idempotent. */
  close(): void;
}
