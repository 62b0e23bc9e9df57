import { systemClock } from "../base/clock.ts";
import { maxLevels } from "../raintree/tree.ts";
import { runSeeds, type SimReport, simReport, worst } from "../sim/sim_report.ts";
import type { SimRunOptions, SimRunOutcome } from "../sim/sim_run.ts";
import { PROGRAM } from "./command.ts";
import { ExitCode } from "./exit_codes.ts";
import { UsageError } from "./flags.ts";
import type { Io } from "./io.ts";
import { checkWritable, writeFileText } from "./sim_files.ts";
import { counted, palette, Progress } from "./terminal.ts";

/** What is wanted of the runs. */
export interface LiveWishes {
  /** How many seeds. */
  seeds: number;
  /** The report as JSON. */
  json: boolean;
  /** Where to draw the worst run. */
  svg?: string;
  /** Likewise, as a page. */
  html?: string;
}

/** Characters of the bar. */
const BAR = 24;

/** Missed nodes shown by position; the rest is counted. */
const NAMED_MAX = 12;

/** Runs a simulation with many seeds and reports. Returns the exit code. */
export async function runLive(options: SimRunOptions, wishes: LiveWishes, io: Io): Promise<number> {
  refuseNobody(options);
  const { seeds, json, svg, html } = wishes;
  if (svg !== undefined && svg === html) throw new UsageError(`"--svg" and "--html" name one file, "${svg}"`);
  // Before the runs, which may take long: to be told afterwards that there is no picture would be a pity.
  for (const path of [svg, html]) if (path !== undefined) await checkWritable(path);
  const start = performance.now();
  const outcomes = await withProgress(options, seeds, io);
  const report = simReport(options, outcomes);
  const missed = report.live.missed > 0;
  const replay = replayCommand(options, report.live.worstSeed);
  io.stdout(json ? `${JSON.stringify(report)}\n` : render(options, report, outcomes, performance.now() - start, io));
  if (svg !== undefined || html !== undefined) {
    const [outcome, { broadcastSvg }, { broadcastHtml }] = [
      worst(outcomes),
      await import("../sim/broadcast_svg.ts"),
      await import("../sim/broadcast_html.ts"),
    ];
    if (svg !== undefined) await writeFileText(svg, broadcastSvg(options, outcome));
    if (html !== undefined) await writeFileText(html, broadcastHtml(options, outcome));
  }
  if (missed) io.stderr(`Seed ${report.live.worstSeed} missed most, replay it: ${replay}\n`);
  return missed ? ExitCode.failed : ExitCode.ok;
}

/** The command that runs one seed alone. */
export function replayCommand(options: SimRunOptions, seed: number): string {
  const { nodes, mode, dead, liars, loss, latencyMs, jitterMs } = options;
  const given = [
    `--nodes ${nodes}`,
    mode === "classic" ? "--mode classic" : "",
    ...Object.entries({ dead, liars, loss }).map(([name, share]) => share ? `--${name} ${share}` : ""),
    latencyMs === 50 && jitterMs === 20 ? "" : `--latency ${latencyMs}ms+-${jitterMs}`,
    `--seed ${seed} --seeds 1`,
  ];
  return `${PROGRAM} sim ${given.filter(Boolean).join(" ")}`;
}

async function withProgress(options: SimRunOptions, seeds: number, io: Io): Promise<SimRunOutcome[]> {
  using progress = new Progress(io, { clock: systemClock });
  let done = 0;
  let missed = 0;
  const show = () => {
    const full = Math.round(BAR * done / seeds);
    const bar = "█".repeat(full) + "░".repeat(BAR - full);
    progress.update(`${bar} ${done} of ${counted(seeds, "seed")}${missed > 0 ? `, ${missed} missed` : ""}`);
  };
  show();
  return await runSeeds(options, {
    seeds,
    signal: io.signal,
    onResult: (outcome) => {
      done++;
      missed += outcome.missed;
      show();
    },
  });
}

function render(
  options: SimRunOptions,
  report: SimReport,
  outcomes: readonly SimRunOutcome[],
  elapsedMs: number,
  io: Io,
): string {
  const { bold, dim, green, red } = palette(io);
  const { nodes, mode, seeds, live: { reached, missed, worstSeed }, copiesPerLive, controlBytesPerLive, lastMs } =
    report;
  const { dead, liars } = outcomes[0];
  const faults = [
    dead.length > 0 ? `${dead.length} dead` : "",
    liars.length > 0 ? counted(liars.length, "liar") : "",
    report.loss > 0 ? `${percent(report.loss)} of messages lost` : "",
  ].filter(Boolean).join(", ");
  const depth = outcomes.reduce((most, each) => Math.max(most, each.depth), 0);
  const bad = worst(outcomes);
  const positions = bad.broadcasts[0].missed;
  const named = positions.slice(0, NAMED_MAX).join(", ") + (positions.length > NAMED_MAX ? ", ..." : "");
  const rows: [string, string][] = [
    ["faults", faults === "" ? "none" : `${faults}; nobody knows beforehand`],
    ["reached", (missed > 0 ? red : green)(`${reached} of ${counted(reached + missed, "live honest node")}`)],
    ["last node", lastMs.max === null ? "none" : `p50 ${lastMs.p50} ms, p99 ${lastMs.p99} ms, worst ${lastMs.max} ms`],
    ["depth", `${counted(depth, "hop")}, ceil(log3 N) is ${maxLevels(nodes)}`],
    ["payloads", `${copiesPerLive} sent for each live node`],
    ["control", `${controlBytesPerLive} bytes sent by each live node`],
    [
      "worst seed",
      missed > 0 ? red(`${worstSeed}: ${counted(bad.missed, "node")} missed (${named})`) : String(worstSeed),
    ],
    ["digest", dim(report.digest)],
  ];
  const { latencyMs, jitterMs } = options;
  return [
    `${
      bold(`One ${mode} broadcast over ${counted(nodes, "node")}, ${counted(seeds, "seed")}`)
    }, ${latencyMs} ms ± ${jitterMs} ms a hop\n\n`,
    rows.map(([what, value]) => `${what.padEnd(14)}${value}\n`).join(""),
    dim(`\n${(elapsedMs / 1000).toFixed(1)} s\n`),
  ].join("");
}

function refuseNobody({ nodes, dead = 0, liars = 0 }: SimRunOptions): void {
  if (dead + liars < 1 && (dead + liars) * nodes < nodes - 1) return;
  throw new UsageError(
    `"--dead" and "--liars" are ${dead} and ${liars}, which leaves too few of ${nodes} nodes to broadcast`,
  );
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}
