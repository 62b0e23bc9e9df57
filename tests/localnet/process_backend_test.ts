import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { readManifest } from "../../src/localnet/load_manifest.ts";
import { ProcessBackend } from "../../src/localnet/process_backend.ts";
import { faultOf, testConformance } from "./conformance.ts";

const NEVER = new AbortController().signal;

/** A folder for the state, gone afterwards, with whatever still runs in it. */
async function place() {
  const root = await Deno.makeTempDir({ prefix: "raintree-localnet-" });
  return { folder: `${root}/state`, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}

const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);

if (Deno.build.os !== "windows") {
  testConformance({
    name: "process",
    async make(manifest) {
      const kept = await place();
      const backend = new ProcessBackend(manifest, { folder: kept.folder });
      return {
        backend,
        async [Symbol.asyncDispose]() {
          await backend.down();
          assert(!await isThere(kept.folder), "the state folder is left");
          await kept[Symbol.asyncDispose]();
        },
      };
    },
  });
}

Deno.test("ProcessBackend finds a network again, keeps its keys to itself, and refuses another manifest", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using kept = await place();
  const { folder } = kept;
  const manifest = readManifest({ name: "found", validators: 2 });
  await new ProcessBackend(manifest, { folder }).up(NEVER);
  const again = new ProcessBackend(manifest, { folder });
  try {
    assertEquals((await again.status()).ready, true);
    for (const part of ["keys/validator-0.key", "token", "state.json"]) {
      assertEquals((await Deno.stat(`${folder}/${part}`)).mode! & 0o077, 0, part);
    }
    const other = new ProcessBackend(readManifest({ name: "found", validators: 3 }), { folder });
    assertEquals((await assertRejects(() => other.up(NEVER), P2pError)).code, "localnet_differs");
    assertEquals((await again.status()).ready, true);
  } finally {
    assertEquals(await again.down(), 2);
  }
});

Deno.test("ProcessBackend ends what a start that was killed has left, and begins anew where it left no state", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using kept = await place();
  const { folder } = kept;
  const backend = new ProcessBackend(readManifest({ name: "crashed", validators: 2 }), { folder });
  await backend.up(NEVER);
  await Deno.remove(`${folder}/state.json`);
  assertEquals(await backend.access(), undefined);
  assertEquals(await backend.down(), 2);
  assert(!await isThere(folder));

  await Deno.mkdir(`${folder}/keys`, { recursive: true });
  await Deno.writeTextFile(`${folder}/lock`, "");
  await Deno.writeTextFile(`${folder}/keys/validator-0.key`, "half a key");
  await Deno.writeTextFile(`${folder}/notes.txt`, "of a person");
  await backend.up(NEVER);
  assertEquals(await backend.down(), 2);
  assertEquals((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), ["notes.txt"]);
});

Deno.test("ProcessBackend.up() names a port in use before it starts anything, and a node that ends by its last words", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using kept = await place();
  const { folder } = kept;
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const backend = new ProcessBackend(readManifest({ name: "taken", validators: 1, firstPort: port }), { folder });
  const error = await assertRejects(() => backend.up(NEVER), P2pError);
  assertEquals(error.code, "port_in_use");
  assertStringIncludes(error.message, String(port));
  assert(!await isThere(folder));

  // The port is taken between the look and the start.
  const other = new ProcessBackend(readManifest({ name: "taken", validators: 2 }), { folder });
  await other.up(NEVER);
  await other.fault(faultOf("kill", "validator-0"), NEVER);
  const config = JSON.parse(await Deno.readTextFile(`${folder}/config/validator-0.yaml`));
  using thief = Deno.listen({ hostname: "127.0.0.1", port: config.port });
  assertEquals((thief.addr as Deno.NetAddr).port, config.port);
  const died = await assertRejects(() => other.up(NEVER), P2pError);
  assertEquals(died.code, "node_died");
  assertStringIncludes(died.message, `Cannot listen on 127.0.0.1:${config.port}`);
  // No word of it arrived.
  await Deno.remove(`${folder}/logs/validator-0.log`);
  await Deno.symlink("/dev/null", `${folder}/logs/validator-0.log`);
  const silent = await assertRejects(() => other.up(NEVER), P2pError, "without a word in its log");
  assertStringIncludes(silent.hint ?? "", "room");
  // It was up before: the other node is left alone.
  assertEquals(await other.down(), 1);
});

Deno.test("ProcessBackend.up() says that the state folder cannot be written", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using kept = await place();
  await Deno.writeTextFile(kept.folder, "a file in the way");
  const backend = new ProcessBackend(readManifest({ name: "unwritable", validators: 1 }), { folder: kept.folder });
  assertEquals((await assertRejects(() => backend.up(NEVER), P2pError)).code, "state_unwritable");
});

Deno.test("ProcessBackend.up() refuses links and partitions before it starts anything", async () => {
  await using kept = await place();
  for (
    const more of [{ links: { latencyMs: 5 } }, { faults: [{ atMs: 0, fault: "heal" }] }]
  ) {
    const manifest = readManifest({ name: "refused", validators: 2, ...more });
    const backend = new ProcessBackend(manifest, { folder: kept.folder });
    assertEquals((await assertRejects(() => backend.up(NEVER), P2pError)).code, "localnet_unsupported");
  }
  assert(!await isThere(kept.folder));
});
