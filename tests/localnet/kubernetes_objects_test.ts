import { assert, assertEquals, assertRejects } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { type KubernetesObject, kubernetesObjects } from "../../src/localnet/kubernetes_objects.ts";
import { readManifest } from "../../src/localnet/load_manifest.ts";

const options = { namespace: "there", image: "localhost/raintree:test", annotations: { made: "from this" } };

function one(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  assertEquals(found.length, 1, `${kind} ${name}`);
  return found[0];
}

Deno.test("kubernetesObjects() puts everything of the base into the network's namespace, with its image", async () => {
  const objects = await kubernetesObjects(readManifest({ name: "there", validators: 5 }), options);
  const { metadata } = one(objects, "Namespace", "there");
  assertEquals(metadata.annotations, { made: "from this" });
  assertEquals(metadata.labels?.["app.kubernetes.io/managed-by"], "raintree-localnet");
  assertEquals(objects[0].kind, "Namespace");
  for (const object of objects.slice(1)) {
    assertEquals(object.metadata.namespace, "there", `${object.kind} ${object.metadata.name}`);
    for (const subject of object.subjects ?? []) assertEquals(subject.namespace, "there");
  }
  const images = JSON.stringify(objects).match(/"image":"[^"]*"/g);
  assertEquals(images, ['"image":"localhost/raintree:test"', '"image":"localhost/raintree:test"']);
  assertEquals(one(objects, "StatefulSet", "validator").spec?.replicas, 5);
  assertEquals(objects.filter(({ kind }) => kind === "Secret"), []);
});

Deno.test("kubernetesObjects() gives every node the manifest's settings, and makes as many keys as are ever needed", async () => {
  const manifest = readManifest({
    name: "there",
    validators: 5,
    raintree: { mode: "classic", layers: { acks: false, redundancy: 0.5, igyw: true } },
    logLevel: "warning",
    faults: [{ atMs: 0, fault: "scale", validators: 40 }],
  });
  const objects = await kubernetesObjects(manifest, options);
  const { data } = one(objects, "ConfigMap", "node");
  const wanted = {
    P2P_NETWORK: "there",
    P2P_MODE: "classic",
    P2P_ACKS: "false",
    P2P_REDUNDANCY: "0.5",
    P2P_IGYW: "true",
    P2P_LOG_LEVEL: "warning",
    P2P_STAKED_SET: "kubernetes",
  };
  for (const [name, value] of Object.entries(wanted)) assertEquals(data?.[name], value, name);
  const job = JSON.stringify(one(objects, "Job", "genesis"));
  assert(job.includes('"--max","40"'), job);
});

Deno.test("kubernetesObjects() has the manifest's keys in a Secret, before the job that would make others", async () => {
  const key = NodeKey.generate();
  const manifest = readManifest({ name: "there", validators: [{ name: "alice", key: key.privateHex() }, {}] });
  const objects = await kubernetesObjects(manifest, options);
  const { stringData } = one(objects, "Secret", "validator-keys");
  const kinds = objects.map(({ kind }) => kind);
  assert(kinds.indexOf("Secret") < kinds.indexOf("Job"));
  assertEquals(Object.keys(stringData ?? {}).length, 32);
  assertEquals(stringData?.["validator-0.key"], `${key.privateHex()}\n`);
  assertEquals(new Set(Object.values(stringData ?? {})).size, 32);
});

Deno.test("kubernetesObjects() refuses what the base has no place for", async () => {
  for (const more of [{ validators: [{ stake: 2 }] }, { bootstrapNodes: 1 }]) {
    const manifest = readManifest({ name: "there", ...more });
    const error = await assertRejects(() => kubernetesObjects(manifest, options), P2pError);
    assertEquals(error.code, "localnet_unsupported");
  }
});
