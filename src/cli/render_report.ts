import { drawTree } from "../raintree/draw_tree.ts";
import type { BroadcastReport } from "./broadcast_report.ts";
import type { BroadcastObservation } from "./broadcast_run.ts";
import type { Io } from "./io.ts";
import type { Fate } from "./local_network.ts";
import { type Column, counted, type Palette, palette, table } from "./terminal.ts";

/** Options of {@link renderReport}. */
export interface RenderReportOptions {
  /** Bytes of each payload. */
  payloadBytes: number;
  /** Lines of the table and of the drawing. */
  linesMax: number;
}

/** A report for a person: the tree, the table per node, the totals, and what held and what did not. */
export function renderReport(
  report: BroadcastReport,
  observed: BroadcastObservation,
  io: Io,
  options: RenderReportOptions,
): string {
  const { linesMax, payloadBytes } = options;
  const { validators, mode, broadcasts, processes, faults, nodes } = report;
  const paint = palette(io);
  const drawn = drawTree(mode, validators, {
    originator: nodes.findIndex(({ fate }) => fate === "live"),
    linesMax,
    columns: linesMax === Infinity ? Infinity : io.columns,
    paint,
    mark: (position) => treeMark(nodes[position].fate, paint),
  });
  const cut = paint.yellow("Heads with ... send more; --full draws everything\n");
  const where = processes ? ", each a process of its own" : "";
  const counts = faults === null
    ? "Network reads and writes of all broadcasts, each next to the expected count"
    : "Network reads and writes of all broadcasts, each next to what it is without faults";
  return [
    `${paint.bold(`RainTree, ${mode} mode: ${counted(validators, "validator")} on real TCP sockets${where}`)}\n`,
    `${counted(broadcasts, "broadcast")} of ${counted(payloadBytes, "byte")}, one validator after the other\n`,
    faults === null ? "" : renderFaults(report),
    `\n${paint.bold("The tree of one broadcast, by ring position")}\n${drawn.text}`,
    drawn.copies ? paint.dim("= marks a second copy: passed on, but not delivered again\n") : "",
    faults === null
      ? ""
      : paint.dim("† marks who was killed, ‖ who was frozen; the tree is the one drawn before that\n"),
    drawn.complete ? "" : cut,
    `\n${paint.bold(counts)}\n`,
    renderNodes(report, observed, linesMax, paint),
    `\n${paint.bold("Totals")}\n${renderTotals(report, observed, paint)}`,
    `\n${paint.bold("Assertions")}\n${renderAssertions(report, paint)}`,
  ].join("");
}

/** Who was killed and who was frozen, in a sentence. */
function renderFaults({ nodes, killed, stalled, live }: BroadcastReport): string {
  const of = (fate: Fate) => nodes.flatMap((node, position) => node.fate === fate ? [position] : []).join(", ");
  const parts = [
    killed > 0 && `${killed} killed (${of("killed")})`,
    stalled > 0 && `${stalled} frozen (${of("stalled")})`,
  ].filter(Boolean);
  return `In the middle: ${parts.join(", ")}; ${counted(live, "validator")} left\n`;
}

function treeMark(fate: Fate, paint: Palette): string {
  return { live: "", killed: paint.red("†"), stalled: paint.yellow("‖") }[fate];
}

/** A row per node; of a large network those that differ from the expected table, and the first ones. */
function renderNodes(
  { nodes, faults }: BroadcastReport,
  observed: BroadcastObservation,
  linesMax: number,
  paint: Palette,
): string {
  const columns: Column[] = [
    { title: "node", align: "right" },
    { title: "address" },
    { title: "reads", align: "right" },
    { title: "expected", align: "right" },
    { title: "writes", align: "right" },
    { title: "expected", align: "right" },
    { title: "peers", align: "right" },
    ...(faults === null ? [] : [{ title: "missed", align: "right" } as const, { title: "" }]),
  ];
  // With faults the counts are not asserted: what is worth a look is who was hit, and who missed something.
  const differs = ({ reads, writes, expectedReads, expectedWrites, fate, missed }: BroadcastReport["nodes"][number]) =>
    faults === null ? reads !== expectedReads || writes !== expectedWrites : fate !== "live" || missed > 0;
  const positions = nodes.map((_, position) => position);
  const first = positions.filter((position) => differs(nodes[position]));
  const rest = positions.filter((position) => !differs(nodes[position]));
  const shown = [...first, ...rest].slice(0, linesMax).sort((a, b) => a - b);
  const rows = shown.map((position) => {
    const { address, reads, writes, expectedReads, expectedWrites, fate, missed } = nodes[position];
    const mark = (is: number, wanted: number) => is === wanted || faults !== null ? String(is) : paint.red(String(is));
    const short = paint.cyan(`${address.slice(0, 8)}...`);
    const paintFate = { live: paint.dim, killed: paint.red, stalled: paint.yellow }[fate];
    const hit = fate === "killed"
      ? ["-", paintFate("killed")]
      : [missed > 0 ? paint.red(String(missed)) : missed, paintFate(fate)];
    const { peers } = observed.nodes[position];
    return [
      position,
      short,
      mark(reads, expectedReads),
      expectedReads,
      mark(writes, expectedWrites),
      expectedWrites,
      fate === "killed" ? "-" : peers,
      ...(faults === null ? [] : hit),
    ];
  });
  const hidden = nodes.length - shown.length;
  if (hidden === 0) return table(columns, rows);
  const well = faults === null ? ", all as expected" : ", all live with nothing missed";
  const about = first.length <= linesMax ? well : "";
  return `${table(columns, rows)}${paint.yellow(`and ${hidden} more${about}; --full lists them\n`)}`;
}

function renderTotals(report: BroadcastReport, observed: BroadcastObservation, paint: Palette): string {
  const { live, broadcasts, expected, delivered, coverage, timeToAllMs, faults } = report;
  const others = broadcasts * (live - 1);
  const share = `${Math.floor(coverage * 10_000) / 100} %`;
  const holes = expected < others ? `; the published formula leaves out ${others - expected}` : "";
  const mark = delivered === expected ? paint.green : paint.red;
  const rows: [string, string][] = [
    [
      "coverage",
      `${mark(share)}, ${delivered} of ${others} deliveries${faults === null ? "" : " at live validators"}${holes}`,
    ],
    ["time to all", `p50 ${milliseconds(timeToAllMs.p50)}, p99 ${milliseconds(timeToAllMs.p99)}`],
    ...(faults?.frozenMs === undefined || faults.frozenMs === null ? [] : [renderRecovery(faults)]),
    ["connected", observed.connectMs === undefined ? paint.red("no") : `in ${milliseconds(observed.connectMs)}`],
    ["stopped", `in ${milliseconds(observed.stop.ms)}`],
  ];
  return rows.map(([what, value]) => `${what.padEnd(13)}${value}\n`).join("");
}

function renderRecovery(faults: NonNullable<BroadcastReport["faults"]>): [string, string] {
  const { frozenMs, recoveredMs, expectedStalled, deliveredStalled } = faults;
  const late = recoveredMs === null
    ? "not all of it"
    : `the last of it ${milliseconds(recoveredMs)} after they went on`;
  return ["frozen", `for ${milliseconds(frozenMs)}, got ${deliveredStalled} of ${expectedStalled} deliveries, ${late}`];
}

function renderAssertions({ assertions, ok }: BroadcastReport, paint: Palette): string {
  const lines = assertions.map(({ name, ok, detail }) =>
    `${ok ? paint.green("✓") : paint.red("✗")} ${name} ${paint.dim(`(${detail})`)}\n`
  );
  const failed = assertions.filter((assertion) => !assertion.ok).length;
  const verdict = ok
    ? paint.green(`All ${assertions.length} assertions hold`)
    : paint.red(`${failed} of ${assertions.length} assertions failed`);
  return `${lines.join("")}\n${paint.bold(verdict)}\n`;
}

function milliseconds(ms: number | null): string {
  if (ms === null) return "unknown";
  return ms < 100 ? `${ms.toFixed(2)} ms` : `${Math.round(ms)} ms`;
}
