import { maxLevels, type TreeMode } from "../raintree/tree.ts";
import { type ArithmeticBroadcast, simulateBroadcast } from "../sim/arithmetic.ts";
import type { Io } from "./io.ts";
import { counted, palette, table } from "./terminal.ts";

/** Does `sim --arithmetic`: one broadcast by the rules of the tree alone, counted. */
export function runArithmetic(mode: TreeMode, nodes: number, json: boolean, io: Io): void {
  const start = performance.now();
  const broadcast = simulateBroadcast(mode, nodes);
  const report = arithmeticReport(broadcast, performance.now() - start);
  io.stdout(json ? `${JSON.stringify(report)}\n` : renderArithmetic(broadcast, report, io));
}

/** What `sim --arithmetic --json` prints; other programs rely on it. */
export interface ArithmeticReport {
  /** Nodes of the ring. */
  nodes: number;
  /** How the tree is cut. */
  mode: TreeMode;
  /** Messages over the network. */
  messages: number;
  /** Nodes that have the message in the end, the originator included. */
  reached: number;
  /** Hops until the last node that is reached has its first copy. */
  depth: number;
  /** The most that one node receives. */
  reads: { max: number };
  /** The most that one node sends. */
  writes: { max: number };
  /** How long the simulation took, milliseconds. */
  elapsedMs: number;
}

function arithmeticReport(broadcast: ArithmeticBroadcast, elapsedMs: number): ArithmeticReport {
  const { nodes, mode, messages, missed, depth, reads, writes } = broadcast;
  return {
    nodes,
    mode,
    messages,
    reached: nodes - missed,
    depth,
    reads: { max: most(reads) },
    writes: { max: most(writes) },
    elapsedMs: Math.round(elapsedMs * 10) / 10,
  };
}

function renderArithmetic({ missed, reads, writes }: ArithmeticBroadcast, report: ArithmeticReport, io: Io): string {
  const { bold, dim, green, red } = palette(io);
  const { nodes, mode, messages, reached, depth, elapsedMs } = report;
  const coverage = `${reached} of ${nodes}`;
  const rows: [string, string][] = [
    ["messages", `${messages} for ${counted(reached - 1, "delivery", "deliveries")}`],
    ["reached", missed > 0 ? red(coverage) : green(coverage)],
    ["depth", `${counted(depth, "hop")}, ceil(log3 N) is ${maxLevels(nodes)}`],
    ["most read", `${report.reads.max} by one node`],
    ["most written", `${report.writes.max} by one node`],
  ];
  return [
    `${bold(`One ${mode} broadcast over ${counted(nodes, "node")}, by arithmetic`)}\n\n`,
    rows.map(([what, value]) => `${what.padEnd(14)}${value}\n`).join(""),
    `\n${bold("Load per node")}\n${renderLoad(reads, writes)}`,
    dim(`\n${elapsedMs} ms\n`),
  ].join("");
}

/** How many nodes read and write how much, in classes that double: 0, 1, 2, 3-4, 5-8. */
function renderLoad(reads: Uint32Array, writes: Uint32Array): string {
  const [reading, writing] = [loadClasses(reads), loadClasses(writes)];
  const rows = Array.from({ length: Math.max(reading.length, writing.length) }, (_, i) => {
    const [least, greatest] = i < 2 ? [i, i] : [2 ** (i - 2) + 1, 2 ** (i - 1)];
    return [least === greatest ? String(least) : `${least}-${greatest}`, reading[i] ?? 0, writing[i] ?? 0];
  });
  return table([
    { title: "messages", align: "right" },
    { title: "nodes that read", align: "right" },
    { title: "nodes that write", align: "right" },
  ], rows);
}

function loadClasses(counts: Uint32Array): number[] {
  const classes: number[] = [];
  for (const count of counts) {
    const at = count < 2 ? count : Math.ceil(Math.log2(count)) + 1;
    while (classes.length <= at) classes.push(0);
    classes[at]++;
  }
  return classes;
}

function most(counts: Uint32Array): number {
  let greatest = 0;
  for (const count of counts) if (count > greatest) greatest = count;
  return greatest;
}
