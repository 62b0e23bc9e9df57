import { maxLevels, type TreeMode } from "../raintree/tree.ts";
import { type ArithmeticBroadcast, simulateBroadcast } from "../sim/arithmetic.ts";
import type { Command } from "./command.ts";
import { ExitCode } from "./exit_codes.ts";
import { type Flag, parseFlags, UsageError } from "./flags.ts";
import type { Io } from "./io.ts";
import { counted, palette, table } from "./terminal.ts";

/** The largest network simulated: what RainTree is meant to reach, ten times. */
const NODES_MAX = 10_000_000;

const NODES_DEFAULT = 1000;

const flags: readonly Flag[] = [
  { name: "arithmetic", summary: "Run the rules of the tree alone: no sockets, no time, no faults" },
  { name: "nodes", value: "N", summary: `Nodes of the ring, 1 to ${NODES_MAX} (default ${NODES_DEFAULT})` },
  {
    name: "mode",
    value: "exact|classic",
    summary: "How the tree is cut: by segments (default), or Pocket V1's levels",
  },
  { name: "json", summary: "One JSON object on standard output" },
];

/** `sim --arithmetic`: one broadcast over up to ten million nodes, counted. */
export const command: Command = {
  name: "sim",
  summary: "Simulate one broadcast over up to 10 million nodes: messages, depth, load per node",
  help: {
    usage: "sim --arithmetic [flags]",
    description: "Only the arithmetic simulator exists yet, so --arithmetic has to be given.",
    flags,
    examples: [
      ["sim --arithmetic --nodes 1000000", "what one broadcast costs a million nodes"],
      ["sim --arithmetic --nodes 1000000 --mode classic --json", "the same by Pocket V1's formula, for a program"],
    ],
  },
  run(args: string[], io: Io): Promise<number> {
    const parsed = parseFlags(args, flags);
    const nodes = parsed.integer("nodes", 1, NODES_MAX) ?? NODES_DEFAULT;
    const mode = parsed.choice<TreeMode>("mode", ["exact", "classic"]) ?? "exact";
    if (!parsed.has("arithmetic")) {
      throw new UsageError(
        "Only the arithmetic simulator exists yet",
        "Add --arithmetic; the simulator of time and faults is not part of the program yet",
      );
    }
    const start = performance.now();
    const broadcast = simulateBroadcast(mode, nodes);
    const report = simReport(broadcast, performance.now() - start);
    io.stdout(parsed.has("json") ? `${JSON.stringify(report)}\n` : renderSim(broadcast, report, io));
    return Promise.resolve(ExitCode.ok);
  },
};

/** What `sim --arithmetic --json` prints; other programs rely on it. */
export interface SimReport {
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

function simReport(broadcast: ArithmeticBroadcast, elapsedMs: number): SimReport {
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

function renderSim({ missed, reads, writes }: ArithmeticBroadcast, report: SimReport, io: Io): string {
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
