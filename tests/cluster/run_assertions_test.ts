import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { AdminClient } from "../../src/localnet/admin_client.ts";
import { readManifest } from "../../src/localnet/load_manifest.ts";
import { MemoryBackend } from "../../src/localnet/memory_backend.ts";
import { runAssertions } from "../../src/cluster/run_assertions.ts";
import type { Access } from "../../src/localnet/backend.ts";
import { faultOf, until } from "../localnet/conformance.ts";

const signal = new AbortController().signal;
const SEED = 20260131;

for (const [mode, validators] of [["exact", 9], ["exact", 5], ["exact", 2], ["classic", 9], ["classic", 27]] as const) {
  Deno.test(`runAssertions() finds that all holds of ${validators} healthy nodes in mode ${mode}`, async () => {
    const manifest = readManifest({ name: "healthy", validators, raintree: { mode } });
    const backend = new MemoryBackend(manifest);
    try {
      await backend.up(signal);
      const begun: string[] = [];
      const { ok, assertions } = await runAssertions(backend, manifest, {
        signal,
        random: seededRandom(SEED),
        onBegin: (name) => begun.push(name),
      });
      assert(ok, JSON.stringify(assertions.filter((each) => !each.ok), null, 1).slice(0, 3000));
      assertEquals(begun, ["ready", "broadcast-each", "broadcast-any", "requests"]);
      assertEquals(assertions.map(({ name }) => name), begun);
      const each = assertions[1].evidence as { coverage: number; broadcasts: unknown[] };
      assertEquals([each.coverage, each.broadcasts.length], [1, validators]);
      assertEquals((assertions[2].evidence.tree as string[]).length, validators);
      assertEquals((assertions[3].evidence.pairs as unknown[]).length, 15);
    } finally {
      await backend.down();
    }
  });
}

Deno.test("runAssertions() fails loudly when a node is gone", async () => {
  const manifest = readManifest({ name: "sick", validators: 4 });
  const backend = new MemoryBackend(manifest);
  try {
    await backend.up(signal);
    await backend.fault(faultOf("kill", "validator-2"), signal);
    const { ok, assertions } = await runAssertions(backend, manifest, { signal });
    assertEquals(ok, false);
    assertEquals(assertions.slice(0, 3).map((each) => each.ok), [false, false, false]);
    assertStringIncludes(assertions[0].detail, "validator-2 does not answer");
  } finally {
    await backend.down();
  }
});

Deno.test("runAssertions() has failed when it saw nothing", async () => {
  const manifest = readManifest({ name: "nothing", validators: 2 });
  const backend = new MemoryBackend(manifest);
  const error = await assertRejects(() => runAssertions(backend, manifest, { signal }), P2pError);
  assertEquals(error.code, "localnet_down");
  try {
    await backend.up(signal);
    assertEquals(await runAssertions(backend, manifest, { signal, names: [] }), { ok: false, assertions: [] });
    // Fewer nodes than the manifest has.
    const { nodes, token } = (await backend.access())!;
    const half = new (class extends MemoryBackend {
      override access(): Promise<Access> {
        return Promise.resolve({ nodes: nodes.slice(1), token });
      }
    })(manifest);
    const { ok, assertions } = await runAssertions(half, manifest, { signal });
    assertEquals([ok, assertions[0].ok], [false, false]);
    assertStringIncludes(assertions[0].detail, "Validators there: 1, in the manifest: 2");
  } finally {
    await backend.down();
  }
});

Deno.test("runAssertions() fails when the messages are not those of the computed table", async () => {
  const backend = new MemoryBackend(readManifest({ name: "other", validators: 5 }));
  try {
    await backend.up(signal);
    const classic = readManifest({ name: "other", validators: 5, raintree: { mode: "classic" } });
    const { ok, assertions } = await runAssertions(backend, classic, { signal, names: ["ready", "broadcast-each"] });
    assertEquals([ok, assertions.map(({ ok }) => ok)], [false, [false, false]]);
    assertStringIncludes(assertions[0].detail, "broadcasts in mode exact, the manifest has classic");
    assertStringIncludes(assertions[1].detail, "the table has");
    assert((assertions[1].evidence.wrong as string[]).length >= 5);
  } finally {
    await backend.down();
  }
});

Deno.test("runAssertions() fails when a node counts more than its messages tell", async () => {
  const manifest = readManifest({ name: "talkative", validators: 9 });
  const backend = new MemoryBackend(manifest);
  try {
    await backend.up(signal);
    const { nodes, token } = (await backend.access())!;
    // Somebody else broadcasts while the assertion looks: its messages are in the counters and not in the report.
    const talker = new AdminClient(nodes[0], { token, clock: systemClock });
    const report = runAssertions(backend, manifest, { signal, names: ["broadcast-each"] });
    await until("the first broadcast of the assertion", async () => {
      const counts = ["p2p_raintree_reads_total", "p2p_raintree_writes_total"].map((name) => talker.metric(name));
      return (await Promise.all(counts)).some((count) => count > 0);
    });
    await talker.broadcast({ typeUrl: "test", value: new Uint8Array(1) });
    const { ok, assertions } = await report;
    assertEquals(ok, false);
    assertStringIncludes(assertions[0].detail, "its messages tell");
  } finally {
    await backend.down();
  }
});
