import type { TreeMode } from "../raintree/tree.ts";
import { type Command, PROGRAM } from "./command.ts";
import { type Flag, type ParsedFlags, parseFlags, UsageError } from "./flags.ts";
import type { Io } from "./io.ts";
import { ExitCode } from "./exit_codes.ts";
import type { SimRunOptions } from "../sim/sim_run.ts";
import { parseLatency, parseShare } from "./sim_values.ts";

/** The largest network of the arithmetic simulator: what RainTree is meant to reach, ten times. */
const NODES_MAX = 10_000_000;

/** The largest network of production nodes: a megabyte and ten milliseconds of start each. */
const LIVE_NODES_MAX = 3_000;

const NODES_DEFAULT = 1000;

const LIVE_NODES_DEFAULT = 100;

const SEEDS_DEFAULT = 10;

const SEEDS_MAX = 1_000_000;

const SEED_MAX = 2 ** 32 - 1;

/** Flags that say what a run of production nodes is like: with `--arithmetic` or `--counts` they mean nothing. */
const LIVE_FLAGS = ["dead", "liars", "latency", "loss", "seeds", "seed", "svg", "html"] as const;

const flags: readonly Flag[] = [
  {
    name: "nodes",
    value: "N",
    summary:
      `Nodes, 2 to ${LIVE_NODES_MAX} (default ${LIVE_NODES_DEFAULT}); by arithmetic up to ${NODES_MAX} (default ${NODES_DEFAULT}); with --counts the most`,
  },
  {
    name: "mode",
    value: "exact|classic",
    summary: "How the tree is cut: by segments (default), or Pocket V1's levels",
  },
  {
    name: "dead",
    value: "SHARE",
    summary: "Nodes switched off right before the broadcast, unknown to all: 0.33 is a third",
  },
  { name: "liars", value: "SHARE", summary: "Nodes that acknowledge everything and forward nothing" },
  { name: "loss", value: "SHARE", summary: "Messages that every link loses, 0 to 0.5" },
  {
    name: "latency",
    value: "MS±MS",
    summary: "One-way latency and its jitter (default 50ms±20; 50ms+-20 is the same)",
  },
  { name: "seeds", value: "K", summary: `Runs, each with a seed of its own (default ${SEEDS_DEFAULT})` },
  {
    name: "seed",
    value: "FIRST",
    summary: "The first seed (default 1); with --seeds 1 it replays one run byte for byte",
  },
  { name: "svg", value: "FILE", summary: "Draw the broadcast of the worst seed" },
  { name: "html", value: "FILE", summary: "The same with every node's story under the mouse" },
  { name: "counts", summary: "Count messages kind by kind beside Pocket's published figures, 27 to 177,147 nodes" },
  { name: "arithmetic", summary: "Run the rules of the tree alone: no sockets, no time, no faults" },
  { name: "json", summary: "One JSON object on standard output" },
];

/** `sim`: broadcasts of production nodes on a simulated network, or of up to ten million by arithmetic. */
export const command: Command = {
  name: "sim",
  summary: "Simulate broadcasts: production nodes under faults in virtual time, or 10 million by arithmetic",
  help: {
    usage: "sim [flags]",
    description: "The nodes are those of production, only their network and their clock are simulated: nothing\n" +
      "opens a socket, and one seed is one run, byte for byte. A third of them may be dead and nobody\n" +
      "knows it, others may acknowledge everything and forward nothing.\n" +
      "The exit code is 1 if a live honest node was missed; the command that replays it is printed.",
    flags,
    examples: [
      ["sim --nodes 100 --dead 0.33 --liars 0.1 --seeds 100", "who is reached when a third is dead and a tenth lies"],
      ["sim --nodes 300 --dead 0.1 --seeds 1 --seed 7 --svg broadcast.svg", "a picture of one broadcast"],
      ["sim --nodes 1000 --loss 0.05 --latency 80ms±40 --json", "for a script"],
      ["sim --arithmetic --nodes 1000000", "what one broadcast costs a million nodes"],
      ["sim --counts", "the published message counts, from runs"],
    ],
  },
  async run(args: string[], io: Io): Promise<number> {
    const parsed = parseFlags(args, flags);
    const mode = parsed.choice<TreeMode>("mode", ["exact", "classic"]) ?? "exact";
    const json = parsed.has("json");
    for (const alone of ["arithmetic", "counts"] as const) {
      if (parsed.has(alone)) refuseLive(parsed, alone);
    }
    if (parsed.has("arithmetic") && parsed.has("counts")) {
      throw new UsageError(`"--counts" has no meaning with "--arithmetic": it counts both ways`);
    }
    if (parsed.has("arithmetic")) {
      const nodes = parsed.integer("nodes", 1, NODES_MAX) ?? NODES_DEFAULT;
      const { runArithmetic } = await import("./sim_arithmetic.ts");
      runArithmetic(mode, nodes, json, io);
      return ExitCode.ok;
    }
    if (parsed.has("counts")) {
      if (mode !== "exact") {
        throw new UsageError(`"--counts" counts the exact split: the classic formula reaches not every node`);
      }
      const { runCounts } = await import("./sim_counts.ts");
      return await runCounts(parsed.integer("nodes", 27, NODES_MAX) ?? NODES_MAX, json, io);
    }
    const { runLive } = await import("./sim_live.ts");
    const options = liveOptions(parsed, mode);
    const seeds = parsed.integer("seeds", 1, SEEDS_MAX) ?? SEEDS_DEFAULT;
    if (options.seed + seeds - 1 > SEED_MAX) {
      throw new UsageError(`"--seed" is ${options.seed} and "--seeds" ${seeds}, the last seed there is is ${SEED_MAX}`);
    }
    return await runLive(options, {
      seeds,
      json,
      svg: parsed.value("svg"),
      html: parsed.value("html"),
    }, io);
  },
};

function liveOptions(
  parsed: ParsedFlags,
  mode: TreeMode,
): Required<Pick<SimRunOptions, "nodes" | "seed">> & SimRunOptions {
  const given = Number(parsed.value("nodes"));
  if (given > LIVE_NODES_MAX && given <= NODES_MAX) {
    throw new UsageError(
      `"--nodes" is "${parsed.value("nodes")}", production nodes are simulated up to ${LIVE_NODES_MAX}`,
      `Count it by arithmetic: ${PROGRAM} sim --arithmetic --nodes ${given}`,
    );
  }
  const nodes = parsed.integer("nodes", 2, LIVE_NODES_MAX) ?? LIVE_NODES_DEFAULT;
  const dead = parseShare(parsed, "dead", 1);
  const liars = parseShare(parsed, "liars", 1);
  const { latencyMs, jitterMs } = parseLatency(parsed);
  return {
    nodes,
    mode,
    dead,
    liars,
    loss: parseShare(parsed, "loss", 0.5),
    latencyMs,
    jitterMs,
    seed: parsed.integer("seed", 0, SEED_MAX) ?? 1,
  };
}

function refuseLive(parsed: ParsedFlags, alone: string): void {
  for (const name of LIVE_FLAGS) {
    if (parsed.value(name) === undefined) continue;
    throw new UsageError(`"--${name}" has no meaning with "--${alone}", which runs one broadcast without faults`);
  }
}
