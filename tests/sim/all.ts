/**
 * Runs what must hold with all its seeds: `deno task sim:all`, one case by `--case NAME` (a part of the name is enough), `--seeds K` instead of the case's own number,
 * `--seed FIRST`, `--workers W`. Prints what was measured beside the bars, and exits with 1 if one does not hold.
 */
import { parseArgs } from "@std/cli";
import { inWorkers } from "../../src/sim/worker_pool.ts";
import { CASES } from "./cases/all_cases.ts";
import { describe, judge, type Measures, type SimCase } from "./cases/case.ts";

const FLAGS = ["case", "seeds", "seed", "workers"];
const args = parseArgs(Deno.args, { string: FLAGS });
// What is not understood would be hours of something else.
const strange = [...Object.keys(args).filter((name) => name !== "_" && !FLAGS.includes(name)), ...args._];
if (strange.length > 0) {
  const names = CASES.map(({ name }) => `  ${name}`).join("\n");
  console.error(`deno task sim:all [--case NAME] [--seeds K] [--seed FIRST] [--workers W]\nThe cases:\n${names}`);
  Deno.exit(strange.join() === "help" ? 0 : 2);
}
const exactly = CASES.filter(({ name }) => name === args.case);
const wanted = exactly.length > 0 ? exactly : CASES.filter(({ name }) => name.includes(args.case ?? ""));
if (wanted.length === 0) {
  console.error(`No case is called "${args.case}". There are:\n${CASES.map(({ name }) => `  ${name}`).join("\n")}`);
  Deno.exit(2);
}
const first = Number(args.seed ?? 1);
const workers = Number(args.workers ?? navigator.hardwareConcurrency);
let failed = 0;
for (const each of wanted) {
  const start = performance.now();
  const seeds = Number(args.seeds ?? each.seeds);
  const jobs = Array.from({ length: seeds }, (_, i) => ({ name: each.name, seed: first + i }));
  const runs = await inWorkers<{ name: string; seed: number }, Measures>(
    new URL("./cases/worker.ts", import.meta.url),
    jobs,
    { workers },
  );
  const verdicts = judge(each, runs);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  console.log(`${verdicts.every(({ holds }) => holds) ? "ok  " : "MISS"} ${each.name} (${seeds} seeds, ${seconds} s)`);
  for (const { bar, value, holds } of verdicts) {
    console.log(`       ${holds ? " " : "!"} ${describe(bar).padEnd(40)} ${Math.round(value * 1e5) / 1e5}`);
    if (holds) continue;
    failed++;
    // The run that is farthest from it.
    const farthest = runs.reduce((worst, run, i) => {
      const [a, b] = [run[bar.measure], runs[worst][bar.measure]];
      return (bar.most === undefined ? a < b : a > b) ? i : worst;
    }, 0);
    console.log(`         deno task sim:all --case "${each.name}" --seed ${first + farthest} --seeds 1`);
  }
  console.log(`         also, on average: ${others(each, runs)}`);
}
console.log(failed === 0 ? `All ${wanted.length} cases hold` : `${failed} bars do not hold`);
Deno.exit(failed === 0 ? 0 : 1);

/** What was measured without a bar. */
function others({ bars }: SimCase, runs: readonly Measures[]): string {
  const names = Object.keys(runs[0]).filter((name) => bars.every(({ measure }) => measure !== name));
  return names.map((name) => {
    const mean = runs.reduce((sum, run) => sum + run[name], 0) / runs.length;
    return `${name} ${Math.round(mean * 100) / 100}`;
  }).join(", ");
}
