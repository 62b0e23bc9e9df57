import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { type DataKind, type DataObjects, ensureGenesis } from "../../src/kubernetes/genesis_objects.ts";
import { parseGenesis } from "../../src/peer/genesis.ts";

/** A namespace in memory. */
class MemoryObjects implements DataObjects {
  readonly kept = new Map<string, Readonly<Record<string, string>>>();
  /** Fails at the creation of this one, once. */
  failAt = "";

  read(kind: DataKind, name: string) {
    return Promise.resolve(this.kept.get(`${kind} ${name}`));
  }

  create(kind: DataKind, name: string, data: Readonly<Record<string, string>>) {
    if (this.failAt === name) {
      this.failAt = "";
      return Promise.reject(new P2pError("kubernetes_unreachable", "gone"));
    }
    if (this.kept.has(`${kind} ${name}`)) return Promise.resolve(false);
    this.kept.set(`${kind} ${name}`, data);
    return Promise.resolve(true);
  }
}

const ensure = (objects: DataObjects, max = 3) =>
  ensureGenesis(objects, { namespace: "here", max, random: seededRandom(1) });

Deno.test("ensureGenesis() makes keys, the genesis file of those keys, and a token", async () => {
  const objects = new MemoryObjects();
  assertEquals(await ensure(objects, 12), {
    validators: 12,
    objects: [
      { kind: "Secret", name: "validator-keys", created: true },
      { kind: "ConfigMap", name: "genesis", created: true },
      { kind: "Secret", name: "admin-token", created: true },
    ],
  });
  const keys = objects.kept.get("Secret validator-keys")!;
  const validators = parseGenesis(objects.kept.get("ConfigMap genesis")!["genesis.json"]);
  assertEquals(validators.length, 12);
  validators.forEach(({ address, nodeAddress }, i) => {
    assertEquals(NodeKey.fromPrivateHex(keys[`validator-${i}.key`]).address, address);
    assertEquals(nodeAddress.host, `validator-${i}.validators.here.svc.cluster.local`);
    assertEquals(nodeAddress.port, 42069);
  });
  assertEquals(/^[0-9a-f]{32}$/.test(objects.kept.get("Secret admin-token")!.token), true);
});

Deno.test("ensureGenesis() changes nothing that is there, whatever it is asked for", async () => {
  const objects = new MemoryObjects();
  await ensure(objects);
  const before = structuredClone(objects.kept);
  const { validators, objects: made } = await ensure(objects, 100);
  assertEquals([validators, made.map(({ created }) => created)], [3, [false, false, false]]);
  assertEquals(objects.kept, before);
});

Deno.test("ensureGenesis() goes on where an earlier attempt ended in the middle", async () => {
  for (const failAt of ["validator-keys", "genesis", "admin-token"]) {
    const objects = new MemoryObjects();
    objects.failAt = failAt;
    await assertRejects(() => ensure(objects), P2pError, "gone");
    const keys = objects.kept.get("Secret validator-keys");
    assertEquals((await ensure(objects)).validators, 3);
    assertEquals(objects.kept.size, 3);
    if (keys !== undefined) assertEquals(objects.kept.get("Secret validator-keys"), keys);
  }
});

Deno.test("ensureGenesis() run many times at once makes one set of keys, and a genesis file that fits them", async () => {
  const objects = new MemoryObjects();
  const outcomes = await Promise.all(Array.from({ length: 5 }, () => ensure(objects)));
  for (let i = 0; i < 3; i++) {
    assertEquals(outcomes.filter(({ objects }) => objects[i].created).length, 1);
  }
  await ensure(objects);
});

Deno.test("ensureGenesis() refuses a genesis file of other keys, and what is none", async () => {
  const objects = new MemoryObjects();
  await ensure(objects);
  objects.kept.delete("Secret validator-keys");
  const stale = await assertRejects(() => ensure(objects), P2pError, "lacks 3 of the 3 validators");
  assertEquals(stale.code, "genesis_stale");
  assertStringIncludes(stale.hint!, "kubectl delete configmap genesis");
  objects.kept.set("ConfigMap genesis", {});
  assertEquals((await assertRejects(() => ensure(objects), P2pError)).code, "genesis_malformed");
  objects.kept.set("Secret validator-keys", { "validator-0.key": "no key" });
  const malformed = await assertRejects(() => ensure(objects), P2pError);
  assertEquals(malformed.code, "key_malformed");
  assertEquals(malformed.message.includes("no key"), false);
});
