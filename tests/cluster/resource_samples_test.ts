import { assertEquals } from "@std/assert";
import { type ResourceSample, usageOf, usageProblems } from "../../src/cluster/resource_samples.ts";
import { readManifest } from "../../src/localnet/load_manifest.ts";

const limits = readManifest({ parameters: { load: { seconds: 3, memoryGrowthMiB: 10, queuedMessages: 5 } } }).parameters
  .load;

function samples(memoryMiB: number[], queued: number[] = []): ResourceSample[] {
  return memoryMiB.map((mib, i) => ({
    atMs: i * 500,
    memoryBytes: mib * 2 ** 20,
    queued: queued[i] ?? 0,
    queuedBytes: 1024 * (queued[i] ?? 0),
    waiting: 0,
    received: 0,
    dropped: i,
  }));
}

Deno.test("usageOf() compares the memory of the last third with that of the first, which warms up", () => {
  const usage = usageOf(samples([50, 80, 82, 81, 84, 83], [0, 3, 0, 5, 1, 0]));
  assertEquals(usage, {
    samples: 6,
    memoryMiB: 84,
    growthMiB: 4,
    queuedMax: 5,
    queuedKiBMax: 5,
    queuedLast: 0,
    receivedMax: 0,
    dropped: 5,
  });
  assertEquals(usageProblems(usage, limits), []);
});

Deno.test("usageProblems() tells growth, queues that are long, queues that stay, and samples that are missing", () => {
  const problems = (memory: number[], queued?: number[]) => usageProblems(usageOf(samples(memory, queued)), limits);
  assertEquals(problems([50, 80, 82, 81, 84, 91]), ["grew by 11 MiB, it may by 10"]);
  assertEquals(problems([1, 1, 1], [0, 6, 0]), ["had 6 messages queued, it may have 5"]);
  assertEquals(problems([1, 1, 1], [0, 0, 1]), ["has 1 messages queued in the end"]);
  assertEquals(problems([1, 1]), ["gave 2 samples of its metrics in 3 s: too few to tell"]);
  assertEquals(problems([]), ["gave 0 samples of its metrics in 3 s: too few to tell"]);
});
