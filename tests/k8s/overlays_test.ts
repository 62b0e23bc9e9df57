import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml";
import { readManifest } from "../../src/localnet/load_manifest.ts";
import { find, k8s, kustomization, rendered, resources } from "./manifests.ts";

const sizes = { dev: 4, ci: 9, wide: 27 };

/** So many keys job genesis makes; docs/kubernetes.md says so. */
const KEYS = 32;

Deno.test("every overlay is the base with another number of validators, and nothing that is not there", async () => {
  for (const [name, count] of Object.entries(sizes)) {
    const folder = `overlays/${name}`;
    const { resources = [], components = [], replicas } = await kustomization(folder);
    assertEquals(resources[0], "../../base");
    assertEquals(replicas, [{ name: "validator", count }]);
    assert(count <= KEYS, `${count} validators have no key each`);
    for (const path of [...resources, ...components]) await Deno.stat(new URL(`${folder}/${path}`, k8s));
  }
});

Deno.test("kubectl renders every overlay with all objects of the base, in one namespace", async () => {
  const base = await resources("base");
  for (const [name, count] of Object.entries(sizes)) {
    const manifests = await rendered(`overlays/${name}`);
    // Without kubectl the test above and those of the base are what can be said.
    if (manifests === undefined) return console.warn("no kubectl here: the overlays were read, not rendered");
    const key = ({ kind, metadata }: (typeof base)[number]) => `${kind}/${metadata.name}`;
    const names = manifests.map(key);
    assertEquals(new Set(names).size, names.length, "twice the same object");
    for (const manifest of base) assert(names.includes(key(manifest)), `${name}: ${key(manifest)}`);
    for (const manifest of manifests) {
      assertEquals(manifest.metadata.labels?.["app.kubernetes.io/part-of"], "raintree", `${name}: ${key(manifest)}`);
      const namespace = manifest.kind === "Namespace" ? manifest.metadata.name : manifest.metadata.namespace;
      assertEquals(namespace, "raintree", `${name}: ${key(manifest)}`);
      if (key(manifest) === "StatefulSet/validator") assertEquals(manifest.spec.replicas, count);
    }
  }
});

Deno.test("the manifest of the assertion client is that of the network of its overlay", async () => {
  const { P2P_NETWORK } = find(await resources("base"), "ConfigMap", "node").data;
  for (const name of ["dev", "ci"] as const) {
    const { data } = find(await resources(`overlays/${name}`), "ConfigMap", "localnet");
    const manifest = readManifest(parse(data["localnet.yaml"]));
    assertEquals([manifest.name, manifest.validators.length], [P2P_NETWORK, sizes[name]]);
  }
});
