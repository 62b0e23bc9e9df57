import { assert, assertEquals } from "@std/assert";
import { k8s, kustomization, rendered, resources } from "./manifests.ts";

const sizes = { dev: 4, ci: 9, wide: 27 };

/** By how many keys job genesis makes: README and docs/kubernetes.md say so. */
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
