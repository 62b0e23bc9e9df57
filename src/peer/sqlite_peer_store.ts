import { DatabaseSync, type StatementSync } from "node:sqlite";
import { asError, P2pError } from "../base/errors.ts";
import type { Address } from "../identity/address.ts";
import { parseNodeAddress } from "../identity/node_address.ts";
import type { PeerEndpoint, PeerRecord } from "./peer_record.ts";
import type { PeerStore } from "./peer_store.ts";
import { storeCorrupt, storeError } from "./store_error.ts";

/** The layout below, kept in SQLite's `user_version`. */
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS peers (
    id                TEXT PRIMARY KEY,
    persistent        INTEGER NOT NULL,
    score             REAL NOT NULL,
    changes           TEXT NOT NULL,
    endpoints         TEXT NOT NULL,
    ban               TEXT,
    inactive          TEXT,
    last_connected_ms REAL,
    public_key        BLOB
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};`;

const UPSERT = `INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;

interface Row {
  id: string;
  persistent: number;
  score: number;
  changes: string;
  endpoints: string;
  ban: string | null;
  inactive: string | null;
  last_connected_ms: number | null;
  public_key: Uint8Array | null;
}

/**
 * A {@link PeerStore} in a SQLite file: one row per peer, endpoints and reasons as JSON inside it, because they are only ever
 * read and written with their peer.
 *
 * The file is locked for as long as it is open: two nodes with one store are a mistake in the configuration, and without shared
 * readers the write-ahead log needs no shared memory, so that network file systems work. A write-ahead log that is not synced at
 * every commit may lose the last seconds at a power cut, never the file.
 */
export class SqlitePeerStore implements PeerStore {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
    this.#upsert = database.prepare(UPSERT);
    this.#delete = database.prepare("DELETE FROM peers WHERE id = ?");
  }

  /**
   * Opens or creates the store. `path` is a file in an existing directory, or `:memory:`.
   *
   * @throws {P2pError} `store_unwritable`, `store_full`, `store_locked`, `store_corrupt`, `store_version`
   */
  static open(path: string): SqlitePeerStore {
    return guarded(path, () => {
      const database = new DatabaseSync(path);
      try {
        database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
        const version = Number(database.prepare("PRAGMA user_version").get()!.user_version);
        if (version > SCHEMA_VERSION) {
          throw new P2pError(
            "store_version",
            `Peer store "${path}" has layout ${version}, this release ${SCHEMA_VERSION}`,
            {
              hint: "Run the release that wrote it, or move the file away: peers are learnt anew",
            },
          );
        }
        // Writing even to an existing store finds a read-only or locked file now rather than in the middle of the night.
        database.exec(SCHEMA);
        return new SqlitePeerStore(path, database);
      } catch (error) {
        database.close();
        throw error;
      }
    });
  }

  /** Every stored peer. @throws {P2pError} `store_corrupt` */
  load(): PeerRecord[] {
    return guarded(this.#path, () => {
      const rows = this.#database.prepare("SELECT * FROM peers").all() as unknown as Row[];
      return rows.map((row) => {
        try {
          return fromRow(row);
        } catch (cause) {
          throw storeCorrupt(this.#path, `the row of peer "${row.id}" is unreadable`, cause);
        }
      });
    });
  }

  /** Writes in one transaction. @throws {P2pError} as {@link PeerStore.save} says */
  save(changed: readonly PeerRecord[], removed: readonly Address[]): void {
    guarded(this.#path, () => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        for (const record of changed) this.#upsert.run(...toRow(record));
        for (const id of removed) this.#delete.run(id);
        this.#database.exec("COMMIT");
      } catch (error) {
        // SQLite has already rolled back by itself after some failures (a full disk).
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  /** Closes the file. Idempotent. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** Closes. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function toRow(record: PeerRecord): (string | number | Uint8Array | null)[] {
  return [
    record.id,
    record.persistent ? 1 : 0,
    record.score,
    JSON.stringify(record.changes),
    // The URL alone tells the address.
    JSON.stringify(record.endpoints.map(({ address: _, ...rest }) => rest)),
    record.ban === undefined ? null : JSON.stringify(record.ban),
    record.inactive ?? null,
    record.lastConnectedMs ?? null,
    record.publicKey ?? null,
  ];
}

function fromRow(row: Row): PeerRecord {
  const endpoints = list<Omit<PeerEndpoint, "address">>(row.endpoints);
  const record: PeerRecord = {
    id: row.id,
    endpoints: endpoints.map((endpoint) => ({ ...endpoint, address: parseNodeAddress(endpoint.url) })),
    persistent: row.persistent !== 0,
    score: row.score,
    changes: list(row.changes),
  };
  if (row.ban !== null) record.ban = JSON.parse(row.ban);
  if (row.inactive !== null) record.inactive = row.inactive;
  if (row.last_connected_ms !== null) record.lastConnectedMs = row.last_connected_ms;
  if (row.public_key !== null) record.publicKey = row.public_key;
  return record;
}

function list<T>(json: string): T[] {
  const value: unknown = JSON.parse(json);
  if (!Array.isArray(value)) throw new TypeError(`Expected a list, found ${json.slice(0, 40)}`);
  return value;
}

/** Runs `work` and gives what SQLite throws a code and a hint. */
function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (caught) {
    if (caught instanceof P2pError) throw caught;
    throw storeError(path, asError(caught));
  }
}
