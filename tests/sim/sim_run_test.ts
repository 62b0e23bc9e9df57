import { assert, assertEquals, assertRejects } from "@std/assert";
import { runSeeds, simReport, worst } from "../../src/sim/sim_report.ts";
import { runSimulation, type SimRunOutcome } from "../../src/sim/sim_run.ts";

Deno.test("runSimulation() without a fault reaches everyone with N - 1 payloads, no deeper than the tree", async () => {
  const { reached, missed, payloads, copiesPerLive, receivedPerLive, depth, broadcasts, dead, liars } =
    await runSimulation({ nodes: 27, seed: 3, broadcasts: 2 });
  assertEquals([reached, missed, payloads, copiesPerLive, receivedPerLive, depth], [52, 0, 52, 1, 1, 3]);
  assertEquals([dead, liars], [[], []]);
  for (const { from, arrivalsMs, parents } of broadcasts) {
    assertEquals([arrivalsMs[from], parents[from]], [null, null]);
    assert(arrivalsMs.every((at, position) => position === from || (at! >= 30 && at! <= 3 * 70 + 1)));
  }
});

Deno.test("runSimulation() kills and corrupts as many as it is told, nobody twice, and none of them broadcasts", async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const { dead, liars, broadcasts, reached, missed } = await runSimulation({
      nodes: 20,
      seed,
      dead: 0.2,
      liars: 0.01,
      broadcasts: 3,
    });
    assertEquals([dead.length, liars.length, new Set([...dead, ...liars]).size], [4, 1, 5]);
    assertEquals(reached + missed, 3 * 14);
    for (const { from, arrivalsMs, parents } of broadcasts) {
      assert(!dead.includes(from) && !liars.includes(from));
      assert(dead.every((position) => arrivalsMs[position] === null));
      assert(parents.every((parent) => parent === null || (!dead.includes(parent) && !liars.includes(parent))));
    }
  }
});

Deno.test("runSimulation() is the same run for the same options, and another for another seed", async () => {
  const options = { nodes: 12, dead: 0.1, liars: 0.1, loss: 0.05, seed: 4 };
  const first = await runSimulation(options);
  assertEquals(await runSimulation(options), first);
  assert((await runSimulation({ ...options, seed: 5 })).digest !== first.digest);
});

Deno.test("runSimulation() refuses shares that leave nobody to broadcast", async () => {
  await assertRejects(() => runSimulation({ nodes: 4, dead: 0.5, liars: 0.5 }), RangeError);
  await assertRejects(() => runSimulation({ nodes: 4, dead: -1 }), RangeError);
});

Deno.test("runSeeds() gives in workers what it gives alone, in the order of the seeds", async () => {
  const options = { nodes: 60, dead: 0.1, seed: 7 };
  const alone = await runSeeds(options, { seeds: 5, workers: 1 });
  const done: number[] = [];
  const together = await runSeeds(options, { seeds: 5, workers: 2, onResult: ({ seed }) => void done.push(seed) });
  assertEquals(together, alone);
  assertEquals(together.map(({ seed }) => seed), [7, 8, 9, 10, 11]);
  assertEquals(done.sort((a, b) => a - b), [7, 8, 9, 10, 11]);
});

Deno.test("simReport() sums what was reached, means what it cost, and finds the worst seed", () => {
  const outcome = (seed: number, missed: number, lastMs: number): SimRunOutcome => ({
    seed,
    dead: [],
    liars: [],
    broadcasts: [],
    reached: 10 - missed,
    missed,
    lastMs,
    depth: 2,
    payloads: 10,
    copiesPerLive: seed,
    receivedPerLive: 1,
    controlBytesPerLive: 10 * seed,
    digest: String(seed),
  });
  const outcomes = [outcome(1, 0, 500), outcome(2, 3, 200), outcome(3, 3, 300), outcome(4, 0, 400)];
  const report = simReport({ nodes: 11 }, outcomes);
  assertEquals([report.mode, report.seeds, report.copiesPerLive, report.controlBytesPerLive], ["exact", 4, 2.5, 25]);
  assertEquals(report.live, { reached: 34, missed: 6, worstSeed: 3 });
  assertEquals(report.lastMs, { p50: 300, p99: 500, max: 500 });
  // A run that reached nobody was not fast.
  const nobody = outcome(5, 10, 0);
  assertEquals(simReport({ nodes: 11 }, [...outcomes, nobody]).lastMs, report.lastMs);
  assertEquals(simReport({ nodes: 11 }, [nobody]).lastMs, { p50: null, p99: null, max: null });
  assertEquals(worst(outcomes.slice(0, 1)).seed, 1);
  assertEquals(simReport({ nodes: 11 }, [outcomes[0]]).digest, "1");
});
