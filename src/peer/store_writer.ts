import { asError, P2pError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Address } from "../identity/address.ts";
import type { PeerRecord } from "./peer_record.ts";
import type { PeerStore } from "./peer_store.ts";

/** Removals remembered while the store fails. Further ones are forgotten: those peers come back at the next start, harmlessly. */
const REMOVED_MAX = 10_000;

/**
 * Keeps a {@link PeerStore} in step with the peers in memory. A store that fails (full disk) does not stop the node: what could
 * not be written waits here, at most every peer once, and goes with the next write that succeeds.
 */
export class StoreWriter {
  readonly #store: PeerStore;
  readonly #log: Logger;
  readonly #changed = new Map<Address, PeerRecord>();
  readonly #removed = new Set<Address>();
  #failure: P2pError | undefined;

  /** Writes to `store`, says on `log` when it starts to fail and when it works again. */
  constructor(store: PeerStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** Why the last write failed; absent while the store is in step. */
  get failure(): P2pError | undefined {
    return this.#failure;
  }

  /** Writes the record with the next {@link flush}: for changes that come often and may be lost in a crash. */
  later(record: PeerRecord): void {
    this.#changed.set(record.id, record);
    this.#removed.delete(record.id);
  }

  /** Deletes the peer with the next write. */
  remove(id: Address): void {
    this.#changed.delete(id);
    if (this.#removed.size < REMOVED_MAX) this.#removed.add(id);
  }

  /** Writes all that waits. */
  flush(): void {
    if (this.#changed.size === 0 && this.#removed.size === 0) return;
    try {
      this.#store.save([...this.#changed.values()], [...this.#removed]);
    } catch (caught) {
      const error = caught instanceof P2pError
        ? caught
        : new P2pError("store_failed", `Peer store failed: ${asError(caught).message}`, { cause: caught });
      if (this.#failure === undefined) {
        this.#log.error("peer_store_failed", { code: error.code, message: error.message, hint: error.hint });
      }
      this.#failure = error;
      return;
    }
    this.#changed.clear();
    this.#removed.clear();
    if (this.#failure !== undefined) this.#log.info("peer_store_recovered");
    this.#failure = undefined;
  }
}
