import { drawTree } from "../raintree/draw_tree.ts";
import { type ExpectedTraffic, expectedTraffic } from "../raintree/expectations.ts";
import { type ClassicBroadcast, type ExactBroadcast, simulateClassic, simulateExact } from "../raintree/simulate.ts";
import { classicOffsets, exactOffsets, maxLevels, segmentDepth, type TreeMode } from "../raintree/tree.ts";
import type { Command } from "./command.ts";
import { ExitCode } from "./exit_codes.ts";
import { type Flag, parseFlags, parseInteger, UsageError } from "./flags.ts";
import type { Io } from "./io.ts";
import { type Column, counted, type Palette, palette, table } from "./terminal.ts";

/** The largest network drawn: what RainTree is meant to reach. */
const NODES_MAX = 1_000_000;

/** Up to this size `--json` tells every node and message, above it totals only. */
const DETAIL_NODES_MAX = 1000;

/** Lines of the drawing, and of the table, without `--full`. */
const LINES_MAX = 40;

const flags: readonly Flag[] = [
  {
    name: "mode",
    value: "exact|classic",
    summary: "How the tree is cut: by segments (default), or Pocket V1's levels",
  },
  { name: "originator", value: "K", summary: "Position that broadcasts, 0 to N-1 (default 0)" },
  { name: "json", summary: "Both modes as one JSON object: counts, and for N <= 1000 every node and message" },
  { name: "full", summary: "Draw and list everything, however long" },
];

/** `tree N`: one broadcast drawn, and the expected network reads and writes of every node: the test generator of Pocket's P2P module README. */
export const command: Command = {
  name: "tree",
  summary: "Draw the tree of one broadcast and what every node is expected to read and write",
  help: {
    usage: "tree N [flags]",
    description: "N is the number of nodes, 1 to 1000000. Positions are places in the ring of addresses.",
    flags,
    examples: [
      ["tree 27", "how 27 validators spread a message"],
      ["tree 24 --mode classic", "where the published formula leaves nodes out"],
      ["tree 9 --json", "expected reads and writes for a test"],
    ],
  },
  run(args: string[], io: Io): Promise<number> {
    const parsed = parseFlags(args, flags, 1);
    const [count] = parsed.positional;
    if (count === undefined) throw new UsageError("N is missing: say how many nodes the tree has");
    const n = parseInteger("N", count, 1, NODES_MAX);
    const originator = parsed.integer("originator", 0, n - 1) ?? 0;
    const mode = parsed.choice<TreeMode>("mode", ["exact", "classic"]) ?? "exact";
    if (parsed.has("json")) io.stdout(`${JSON.stringify(treeReport(n, originator))}\n`);
    else io.stdout(renderTree(mode, n, originator, parsed.has("full") ? Infinity : LINES_MAX, io));
    return Promise.resolve(ExitCode.ok);
  },
};

/** What `tree N --json` prints: up to 1,000 nodes by position and message, above that totals, where `missed` is a count. */
export interface TreeReport {
  /** The published formula. */
  classic:
    | Pick<ClassicBroadcast, "levels" | "messages" | "reads" | "writes" | "missed">
    | { levels: number; messages: number; missed: number };
  /** Our segments. */
  exact: Pick<ExactBroadcast, "messages" | "depth" | "writes" | "sends"> | { messages: number; depth: number };
}

/** One broadcast in both modes, in the shape of one network of `tests/vectors/raintree.json`. */
export function treeReport(n: number, originator: number): TreeReport {
  const { levels, messages, missed, ...classic } = simulateClassic(n);
  if (n > DETAIL_NODES_MAX) {
    return {
      classic: { levels, messages, missed: missed.length },
      exact: { messages: n - 1, depth: segmentDepth(n) },
    };
  }
  const exact = simulateExact(n);
  const place = (position: number) => (originator + position) % n;
  const turned = (counts: number[]) => counts.map((_, position) => counts[(position - originator + n) % n]);
  return {
    classic: {
      levels,
      messages,
      reads: turned(classic.reads),
      writes: turned(classic.writes),
      missed: missed.map(place).sort((a, b) => a - b),
    },
    exact: {
      messages: exact.messages,
      depth: exact.depth,
      writes: turned(exact.writes),
      sends: exact.sends.map(([from, to, size]) => [place(from), place(to), size]),
    },
  };
}

function renderTree(mode: TreeMode, n: number, originator: number, linesMax: number, io: Io): string {
  const paint = palette(io);
  const full = linesMax === Infinity;
  const drawn = drawTree(mode, n, { originator, linesMax, columns: full ? Infinity : io.columns, paint });
  const expected = expectedTraffic(mode, n, [originator]);
  const missed = expected.reads.flatMap((reads, node) => reads === 0 && node !== originator ? [node] : []);
  const parts = [`${paint.bold(`One ${mode} broadcast over ${counted(n, "node")}`)}\n\n${drawn.text}`];
  if (drawn.copies) parts.push(paint.dim("= marks a second copy: passed on, but not delivered again\n"));
  if (!drawn.complete) parts.push(paint.yellow("Heads with ... send more; --full draws everything\n"));
  parts.push(`\n${paint.bold("Expected network reads and writes")}\n`);
  parts.push(renderTable(expected, new Set(missed), linesMax, io.columns, paint));
  parts.push(`\n${renderTotals(mode, expected, { n, missed: missed.length, full, paint })}`);
  if (missed.length > 0) parts.push(renderMissed(missed, n, full ? Infinity : io.columns, paint));
  return parts.join("");
}

/** Blocks of node, reads, writes beside each other, as many as the width takes, read downwards. */
function renderTable(
  expected: ExpectedTraffic,
  missed: Set<number>,
  linesMax: number,
  columns: number,
  paint: Palette,
) {
  const n = expected.reads.length;
  const block: Column[] = [
    { title: "node", align: "right" },
    { title: "reads", align: "right" },
    { title: "writes", align: "right" },
    { title: " " },
  ];
  const blockWidth = Math.max(4, String(n - 1).length) + "  reads  writes     ".length;
  const blocks = Math.max(1, Math.min(Math.floor((columns + 5) / blockWidth), Math.ceil(n / 5)));
  const lines = Math.min(Math.ceil(n / blocks), linesMax);
  const rows = Array.from({ length: lines }, (_, line) =>
    Array.from({ length: blocks }, (_, i) => {
      const node = i * lines + line;
      if (node >= n) return ["", "", "", ""];
      const mark = missed.has(node) ? paint.red : (text: string) => text;
      return [mark(String(node)), mark(String(expected.reads[node])), mark(String(expected.writes[node])), ""];
    }).flat());
  const text = table(Array.from({ length: blocks }, () => block).flat(), rows);
  const rest = n - lines * blocks;
  return rest > 0 ? `${text}${paint.yellow(`and ${rest} more; --full lists them\n`)}` : text;
}

interface TotalsOptions {
  n: number;
  /** How many nodes are never reached. */
  missed: number;
  /** Whether all offsets are listed. */
  full: boolean;
  paint: Palette;
}

function renderTotals(mode: TreeMode, expected: ExpectedTraffic, { n, missed, full, paint }: TotalsOptions): string {
  const coverage = `${n - missed} of ${n}`;
  const offsets = mode === "exact" ? exactOffsets(n) : classicOffsets(n);
  const rows: [string, string][] = [
    ["messages", `${expected.messages} for ${counted(n - 1 - missed, "delivery", "deliveries")}`],
    ["reached", missed > 0 ? paint.red(coverage) : paint.green(coverage)],
    mode === "exact" ? ["hops", String(segmentDepth(n))] : ["levels", String(maxLevels(n))],
    [
      "connections",
      offsets.length === 0
        ? "none"
        : `${offsets.length} to send on, whoever broadcasts: to ring offsets ${listed(offsets, full ? Infinity : 8)}`,
    ],
  ];
  return `${paint.bold("Totals")}\n${rows.map(([what, value]) => `${what.padEnd(13)}${value}\n`).join("")}`;
}

function renderMissed(missed: number[], n: number, columns: number, paint: Palette): string {
  const fit = Math.floor(columns / (String(n).length + 2)) - 2;
  return `\n${
    paint.red(paint.bold(`${missed.length} of ${n} nodes ${missed.length === 1 ? "is" : "are"} never reached`))
  }\n` +
    `${paint.red(listed(missed, fit))}\n` +
    "The published formula rounds each target down on its own, so some places in the ring are nobody's target.\n" +
    "Pocket V1 leaves them to its redundancy and clean-up layers; exact mode reaches every node by itself.\n";
}

function listed(numbers: number[], most: number): string {
  const shown = numbers.slice(0, most).join(", ");
  return numbers.length > most ? `${shown}, ...` : shown;
}
