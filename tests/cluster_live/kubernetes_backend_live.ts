// The suite of every back end, in the cluster of the current context: `deno task test:cluster`. Not found by `deno task test`, which needs no cluster.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { KubernetesBackend } from "../../src/localnet/kubernetes_backend.ts";
import { readManifest } from "../../src/localnet/load_manifest.ts";
import type { Manifest } from "../../src/localnet/manifest.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { faultOf, testConformance } from "../localnet/conformance.ts";
import { currentCluster, image } from "./current_cluster.ts";

const NEVER = new AbortController().signal;

const cluster = await currentCluster();

const isThere = (name: string) => cluster.core.readNamespace({ name }).then(() => true, () => false);

/** A back end with a folder of its own; afterwards neither folder nor namespace are left. */
async function subject(manifest: Manifest, options: { image?: string } = {}) {
  const root = await Deno.makeTempDir({ prefix: "raintree-localnet-" });
  const folder = `${root}/state`;
  const backend = new KubernetesBackend(manifest, { cluster, folder, image, ...options });
  return {
    backend,
    folder,
    async [Symbol.asyncDispose]() {
      try {
        await backend.down();
        assert(!await isThere(manifest.name), `namespace ${manifest.name} is left`);
        assertEquals(await Array.fromAsync(Deno.readDir(root)), []);
      } finally {
        backend[Symbol.dispose]();
        await Deno.remove(root, { recursive: true });
      }
    },
  };
}

testConformance({ name: "kubernetes", make: (manifest) => subject(manifest) });

Deno.test("KubernetesBackend runs with the manifest's keys, and is found again from another folder", async () => {
  const keys = [NodeKey.generate(), NodeKey.generate()];
  const manifest = readManifest({
    name: "raintree-keys",
    validators: keys.map((key, i) => ({ name: ["alice", "bob"][i], key: key.privateHex() })),
  });
  await using first = await subject(manifest);
  await first.backend.up(NEVER);
  for await (const { name } of Deno.readDir(`${first.folder}/config`)) {
    const text = await Deno.readTextFile(`${first.folder}/config/${name}`);
    assert(!keys.some((key) => text.includes(key.privateHex())), `a key is in ${name}`);
  }
  await using second = await subject(manifest);
  const { nodes, ready } = await second.backend.status();
  assertEquals(ready, true);
  assertEquals(nodes.map(({ name, address }) => [name, address]), [["alice", keys[0].address], [
    "bob",
    keys[1].address,
  ]]);
  await second.backend.fault(faultOf("restart", "bob"), NEVER);
  const other = new KubernetesBackend({ ...manifest, validators: manifest.validators.slice(1) }, {
    cluster,
    folder: second.folder,
    image,
  });
  assertEquals((await assertRejects(() => other.up(NEVER), P2pError)).code, "localnet_differs");
  assertEquals(await second.backend.down(), 2);
});

Deno.test("KubernetesBackend leaves alone a namespace that it did not make", async () => {
  const name = "raintree-foreign";
  await cluster.core.createNamespace({ body: { metadata: { name } } });
  const root = await Deno.makeTempDir();
  try {
    using backend = new KubernetesBackend(readManifest({ name, readyWithinMs: 500 }), { cluster, folder: root, image });
    assertEquals((await assertRejects(() => backend.down(), P2pError)).code, "localnet_differs");
    assertEquals((await assertRejects(() => backend.up(NEVER), P2pError)).code, "localnet_late");
    assert(await isThere(name));
  } finally {
    await cluster.core.deleteNamespace({ name });
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("KubernetesBackend says which image is missing, and leaves nothing", async () => {
  await using nowhere = await subject(readManifest({ name: "raintree-no-image", validators: 2 }), {
    image: "localhost/raintree:nowhere",
  });
  const error = await assertRejects(() => nowhere.backend.up(NEVER), P2pError);
  assertEquals(error.code, "image_missing");
  assertStringIncludes(error.message, "localhost/raintree:nowhere");
});
