import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { type Benchmark, median, runBenchmark } from "../../bench/harness.ts";
import { main } from "../../bench/main.ts";
import { rows } from "../../bench/rows.ts";
import { treeEdges } from "../../bench/tree_edges.ts";

/** A benchmark whose sides say when they ran and give the next of their figures. */
function scripted(ours: number[], peer: number[], better: Benchmark["better"], log: string[] = []): Benchmark {
  const side = (name: string, figures: number[]) => () => {
    log.push(name);
    return Promise.resolve(figures.shift()!);
  };
  return { name: "row", unit: "x", better, parameters: {}, ours: side("ours", ours), peer: side("peer", peer) };
}

Deno.test("runBenchmark() runs ours and the peer in turn and takes medians", async () => {
  const log: string[] = [];
  const row = await runBenchmark(scripted([30, 10, 20], [1, 3, 2], "higher", log), 3, () => {});
  assertEquals(log, ["ours", "peer", "ours", "peer", "ours", "peer"]);
  assertEquals([row.ours, row.peer, row.ratio], [20, 2, 10]);
  assertEquals(row.runs, [{ ours: 30, peer: 1 }, { ours: 10, peer: 3 }, { ours: 20, peer: 2 }]);
});

Deno.test("runBenchmark() gives a ratio above 1 where ours is better when the unit runs downwards", async () => {
  assertEquals((await runBenchmark(scripted([2], [8], "lower"), 1, () => {})).ratio, 4);
});

Deno.test("runBenchmark() reports variants beside the row when one side is absent", async () => {
  const benchmark: Benchmark = {
    ...scripted([4], [2], "higher"),
    variants: { signed: { parameters: { signed: 1 }, peer: () => Promise.resolve(1) } },
  };
  const row = await runBenchmark(benchmark, 1, () => {});
  assertEquals(row.variants, { signed: { parameters: { signed: 1 }, peer: 1, runs: [{ peer: 1 }] } });
});

Deno.test("runBenchmark() rejects when a side measured nothing", async () => {
  await assertRejects(() => runBenchmark(scripted([0], [2], "higher"), 1, () => {}), Error, "Measured 0");
  await assertRejects(() => runBenchmark(scripted([NaN], [2], "higher"), 1, () => {}), Error, "Measured NaN");
});

Deno.test("median() is the middle value, or the mean of the middle two", () => {
  assertEquals([median([5]), median([3, 1, 2]), median([4, 1, 3, 2])], [5, 2, 2.5]);
  assertThrows(() => median([]), RangeError);
});

Deno.test("rows() has the names that other programs rely on", () => {
  assertEquals(rows({ warmupMs: 20, windowMs: 50 }).map(({ name }) => name), [
    "one-way-1k",
    "one-way-100b",
    "bulk-64k",
    "round-trip-100b",
    "dial",
    "stream-per-message",
    "broadcast-27-rate",
    "broadcast-27-time",
    "memory-per-node-27",
    "start",
  ]);
});

Deno.test("treeEdges() connects 27 nodes with ten others each", () => {
  const degrees = new Array(27).fill(0);
  for (const [from, to] of treeEdges(27)) {
    degrees[from]++;
    degrees[to]++;
  }
  assertEquals(degrees, new Array(27).fill(10));
});

Deno.test("main() exits with 2 and the list of rows when a row or an option is unknown", async () => {
  for (const args of [["no-such-row"], ["--no-such-option"], ["--runs", "none"]]) {
    const out: string[] = [];
    const err: string[] = [];
    assertEquals(await main(args, { out: (line) => out.push(line), err: (line) => err.push(line) }), 2);
    assertEquals(out, []);
    assertMatch(err.join("\n"), /memory-per-node-27/);
    assertMatch(err[0], new RegExp(args.at(-1)!));
  }
});
