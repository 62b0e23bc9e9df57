import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { P2pError } from "../../src/base/errors.ts";
import { formatNodeAddress, type NodeAddress } from "../../src/identity/node_address.ts";
import { MemoryPeerStore } from "../../src/peer/memory_peer_store.ts";
import { newPeerRecord, type PeerRecord } from "../../src/peer/peer_record.ts";
import type { PeerStore } from "../../src/peer/peer_store.ts";
import { SqlitePeerStore } from "../../src/peer/sqlite_peer_store.ts";
import { peerId } from "./_clock.ts";

function fullRecord(n: number): PeerRecord {
  const address: NodeAddress = { protocol: "tcp", id: peerId(n), host: "validator.example.org", port: 4000 + n };
  const memory: NodeAddress = { protocol: "memory", id: peerId(n) };
  return {
    id: peerId(n),
    endpoints: [
      {
        address,
        url: formatNodeAddress(address),
        lastSuccessMs: 5,
        lastFailureMs: 6.5,
        lastError: "refused\u0000'\"",
        failures: 3,
      },
      { address: memory, url: formatNodeAddress(memory), failures: 0 },
    ],
    persistent: true,
    score: -12.5,
    changes: [{ reason: "späte Antwort 🌧", points: -12.5, times: 2, wallMs: 9 }],
    ban: { untilMs: 1_700_000_000_000, reason: "flood" },
    inactive: 'other network "test"',
    lastConnectedMs: 1_699_999_999_999,
    publicKey: Uint8Array.from({ length: 32 }, (_, i) => i),
  };
}

const sorted = (records: PeerRecord[]) => records.sort((a, b) => a.id < b.id ? -1 : 1);

const stores: Record<string, () => PeerStore> = {
  MemoryPeerStore: () => new MemoryPeerStore(),
  "SqlitePeerStore in memory": () => SqlitePeerStore.open(":memory:"),
};

for (const [name, open] of Object.entries(stores)) {
  Deno.test(`${name} gives back what was saved, field by field`, () => {
    using store = open();
    assertEquals(store.load(), []);
    const records = [fullRecord(1), newPeerRecord(peerId(2))];
    store.save(records, []);
    assertEquals(sorted(store.load()), records);
  });

  Deno.test(`${name} overwrites, deletes and ignores the removal of the unknown`, () => {
    using store = open();
    store.save([fullRecord(1), fullRecord(2), fullRecord(3)], []);
    const changed = { ...newPeerRecord(peerId(2)), score: 7 };
    store.save([changed], [peerId(1), peerId(9)]);
    assertEquals(sorted(store.load()), [changed, fullRecord(3)]);
    store.save([], []);
    assertEquals(store.load().length, 2);
  });

  Deno.test(`${name} shares nothing with its callers`, () => {
    using store = open();
    const record = fullRecord(1);
    store.save([record], []);
    record.endpoints[0].failures = 99;
    record.changes.pop();
    store.load()[0].endpoints.pop();
    assertEquals(store.load(), [fullRecord(1)]);
  });

  Deno.test(`${name} refuses work once closed, twice`, () => {
    const store = open();
    store.close();
    store.close();
    assertEquals(assertThrows(() => store.load(), P2pError).code, "store_closed");
    assertEquals(assertThrows(() => store.save([fullRecord(1)], []), P2pError).code, "store_closed");
  });
}

async function inDirectory(test: (path: string) => void | Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(`${directory}/peers.db`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("SqlitePeerStore survives a restart, and leaves one file behind", () =>
  inDirectory(async (path) => {
    {
      using store = SqlitePeerStore.open(path);
      store.save([fullRecord(1), fullRecord(2)], []);
    }
    {
      using store = SqlitePeerStore.open(path);
      assertEquals(sorted(store.load()), [fullRecord(1), fullRecord(2)]);
      store.save([], [peerId(1)]);
    }
    using store = SqlitePeerStore.open(path);
    assertEquals(store.load(), [fullRecord(2)]);
    store.close();
    const names: string[] = [];
    for await (const entry of Deno.readDir(path.slice(0, path.lastIndexOf("/")))) names.push(entry.name);
    assertEquals(names, ["peers.db"]);
  }));

Deno.test("SqlitePeerStore keeps what was saved when the process dies without closing", () =>
  inDirectory(async (path) => {
    const script = `
      import { SqlitePeerStore } from ${
      JSON.stringify(new URL("../../src/peer/sqlite_peer_store.ts", import.meta.url))
    };
      const store = SqlitePeerStore.open(Deno.args[0]);
      store.save([{ id: "${peerId(1)}", endpoints: [], persistent: true, score: 3, changes: [] }], []);
      Deno.kill(Deno.pid, "SIGKILL");`;
    const file = path.replace("peers.db", "die.ts");
    await Deno.writeTextFile(file, script);
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--quiet", `--config=${config}`, file, path],
      stdout: "null",
    }).output();
    assertEquals(success, false);
    assertEquals(new TextDecoder().decode(stderr), "");
    using store = SqlitePeerStore.open(path);
    assertEquals(store.load(), [{ ...newPeerRecord(peerId(1)), persistent: true, score: 3 }]);
  }));

function openError(path: string): P2pError {
  const error = assertThrows(() => SqlitePeerStore.open(path), P2pError);
  assert(error.hint !== undefined, "a hint");
  assertStringIncludes(error.message, path);
  return error;
}

Deno.test("SqlitePeerStore.open() says that a file is damaged", () =>
  inDirectory(async (path) => {
    await Deno.writeTextFile(path, "these are not the peers you are looking for".repeat(200));
    assertEquals(openError(path).code, "store_corrupt");
  }));

Deno.test("SqlitePeerStore finds damage inside the file", () =>
  inDirectory(async (path) => {
    {
      using store = SqlitePeerStore.open(path);
      store.save(Array.from({ length: 200 }, (_, n) => fullRecord(n)), []);
    }
    using file = await Deno.open(path, { write: true });
    await file.seek(8192, Deno.SeekMode.Start);
    await file.write(new Uint8Array(30_000).fill(0x5a));
    const error = assertThrows(() => {
      using store = SqlitePeerStore.open(path);
      store.load();
    }, P2pError);
    assertEquals(error.code, "store_corrupt");
  }));

Deno.test("SqlitePeerStore.load() refuses rows that it cannot read", () =>
  inDirectory((path) => {
    SqlitePeerStore.open(path).close();
    for (const endpoints of ["{}", "[", '[{"url":"gopher"}]']) {
      const database = new DatabaseSync(path);
      database.prepare("INSERT OR REPLACE INTO peers VALUES (?, 0, 0, '[]', ?, NULL, NULL, NULL, NULL)")
        .run(peerId(1), endpoints);
      database.close();
      using store = SqlitePeerStore.open(path);
      const error = assertThrows(() => store.load(), P2pError);
      assertEquals(error.code, "store_corrupt");
      assertStringIncludes(error.message, peerId(1));
    }
  }));

Deno.test("SqlitePeerStore.open() says that another node has the file", () =>
  inDirectory((path) => {
    using _first = SqlitePeerStore.open(path);
    assertEquals(openError(path).code, "store_locked");
  }));

Deno.test("SqlitePeerStore.open() says that a file cannot be written", () =>
  inDirectory((path) => {
    assertEquals(openError(path.replace("peers.db", "missing/peers.db")).code, "store_unwritable");
    assertEquals(openError(path.replace("/peers.db", "")).code, "store_unwritable");
  }));

Deno.test("SqlitePeerStore.open() refuses the file of a later release", () =>
  inDirectory((path) => {
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    assertEquals(openError(path).code, "store_version");
  }));
