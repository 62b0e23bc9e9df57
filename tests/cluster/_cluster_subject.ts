import { seededRandom } from "../../src/base/random.ts";
import type { AssertionResult } from "../../src/cluster/assertion.ts";
import { runAssertions } from "../../src/cluster/run_assertions.ts";
import { readManifest } from "../../src/localnet/load_manifest.ts";
import type { AssertionName, Manifest } from "../../src/localnet/manifest.ts";
import { MemoryBackend } from "../../src/localnet/memory_backend.ts";

export const NEVER = new AbortController().signal;

const SEED = 20261121;

/** What came of one assertion of a network in memory that is up, after `before`. */
export async function assertOne(
  name: AssertionName,
  given: Record<string, unknown>,
  { make = (manifest) => new MemoryBackend(manifest), before = () => Promise.resolve() }: {
    make?: (manifest: Manifest) => MemoryBackend;
    before?: (backend: MemoryBackend) => Promise<void>;
  } = {},
): Promise<AssertionResult> {
  const manifest = readManifest({ name: "asserted", validators: 4, ...given });
  const backend = make(manifest);
  try {
    await backend.up(NEVER);
    await before(backend);
    const random = seededRandom(SEED);
    return (await runAssertions(backend, manifest, { signal: NEVER, names: [name], random })).assertions[0];
  } finally {
    await backend.down();
  }
}

/** What an assertion tells, for a test that fails. */
export function told({ detail, evidence }: AssertionResult): string {
  return `${detail}\n${JSON.stringify(evidence).slice(0, 3_000)}`;
}
