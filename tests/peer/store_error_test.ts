import { assert, assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { storeError } from "../../src/peer/store_error.ts";

/** The code for what SQLite itself throws when `fail` is done to a database. */
function codeOf(fail: (database: DatabaseSync) => void): string {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE peers (id TEXT)");
  const cause = assertThrows(() => fail(database), Error);
  if (database.isOpen) database.close();
  const error = storeError("peers.db", cause);
  assertEquals(error.cause, cause);
  assert(error.code === "store_closed" || error.code === "store_failed" || error.hint !== undefined);
  return error.code;
}

Deno.test("storeError() names what SQLite throws when the disk is full, read-only, gone or closed", () => {
  const write = (database: DatabaseSync) => database.prepare("INSERT INTO peers VALUES (?)").run("x".repeat(100_000));
  assertEquals(codeOf((database) => (database.exec("PRAGMA max_page_count = 3"), write(database))), "store_full");
  assertEquals(codeOf((database) => (database.exec("PRAGMA query_only = 1"), write(database))), "store_unwritable");
  assertEquals(codeOf(() => new DatabaseSync("/nowhere/at/all/peers.db")), "store_unwritable");
  assertEquals(codeOf((database) => (database.close(), database.exec("SELECT 1"))), "store_closed");
  assertEquals(codeOf((database) => database.exec("SELECT * FROM nowhere")), "store_failed");
});

Deno.test("storeError() asks for the permission that is missing", async () => {
  const code = `
    import { DatabaseSync } from "node:sqlite";
    import { storeError } from ${JSON.stringify(new URL("../../src/peer/store_error.ts", import.meta.url))};
    try { new DatabaseSync("/tmp/peers.db"); } catch (error) { console.log(storeError("/tmp/peers.db", error).hint); }`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--no-prompt", `data:application/typescript,${encodeURIComponent(code)}`],
    stderr: "null",
  }).output();
  assertEquals(
    new TextDecoder().decode(stdout).trim(),
    'Allow it with --allow-read and --allow-write for the directory of "/tmp/peers.db"',
  );
});
