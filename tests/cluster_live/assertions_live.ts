// Every assertion there is, faults included, of nine validators in the cluster of the current context: `deno task test:cluster`.
import { assertEquals } from "@std/assert";
import { runAssertions } from "../../src/cluster/run_assertions.ts";
import { KubernetesBackend } from "../../src/localnet/kubernetes_backend.ts";
import { loadManifest } from "../../src/localnet/load_manifest.ts";
import { ASSERTION_NAMES } from "../../src/localnet/manifest.ts";
import { currentCluster, image } from "./current_cluster.ts";

const NEVER = new AbortController().signal;

const EXAMPLE = new URL("../../examples/localnet/faults.yaml", import.meta.url);

const cluster = await currentCluster();

Deno.test("nine validators in a cluster hold every assertion, whatever is done to them", async () => {
  const manifest = { ...await loadManifest(EXAMPLE.pathname), name: "raintree-assertions" };
  const root = await Deno.makeTempDir();
  using backend = new KubernetesBackend(manifest, { cluster, folder: `${root}/state`, image });
  try {
    await backend.up(NEVER);
    const onBegin = (name: string) => console.log(`asserting ${name}`);
    const report = await runAssertions(backend, manifest, {
      signal: NEVER,
      names: ASSERTION_NAMES,
      onBegin,
    });
    for (const { name, ok, detail, elapsedMs } of report.assertions) {
      console.log(`${ok ? "ok    " : "FAILED"} ${name} (${elapsedMs} ms): ${detail}`);
    }
    assertEquals(report.assertions.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`), []);
  } finally {
    await backend.down();
    await Deno.remove(root, { recursive: true });
  }
});
