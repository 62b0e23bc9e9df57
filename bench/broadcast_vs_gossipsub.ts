import { gossipSettings } from "./gossip_settings.ts";
import { median, round } from "./harness.ts";
import { type Output, readOptions, runNamed } from "./options.ts";
import type { SideName } from "./side.ts";
import { measurePaced, measureSaturated, type SurvivalWork } from "./survival.ts";

/** Shares of the nodes that die, as the rows are named. */
const KILLED: Readonly<Record<string, number>> = { "killed-0": 0, "killed-10": 0.1, "killed-33": 0.33 };

const USAGE =
  `Broadcasts over raintree and over js-libp2p gossipsub while nodes die, and prints one line of JSON per share of dead nodes.

Usage: deno run -A bench/broadcast_vs_gossipsub.ts [NAME...] [OPTION...]

Options:
  --nodes N         Nodes in all. Default 27
  --bytes N         Bytes of a message. Default 256
  --rate N          Broadcasts a second where time, copies, bytes and coverage are measured. Default 20
  --in-flight N     Broadcasts under way at once where deliveries a second are counted. Default 32
  --patience-ms N   After this a broadcast that misses a live node is not waited for. Default 3000
  --mesh N          Peers in gossipsub's mesh (D). Default 6, gossipsub's own
  --closed          The dead are killed and their sockets closed by the system; otherwise they fall silent and nobody is told
  --runs N          Runs of each side, taken in turn; figures are medians, coverage is the worst. Default 3
  --warmup-ms N     Work before nodes die, in milliseconds. Default 2000
  --window-ms N     Work that is counted, from when they are dead, in milliseconds. Default 5000
  --help            Shows this text

Names:
  ${Object.keys(KILLED).join("\n  ")}
`;

/** One side's figures, those of one run or the medians of some, of coverage the worst. The fields that `PacedFigures` has too mean the same. */
export interface SideFigures {
  /** Milliseconds until the half, and until 99 % of broadcasts were with their last live node; null: more than that never were. */
  timeToAllMs: { p50: number | null; p99: number | null };
  /** First deliveries to live nodes a second, with many broadcasts under way. */
  deliveriesPerSecond: number;
  /** Payload messages received for each first delivery. */
  copiesPerDelivery: number;
  /** Bytes written by live nodes' sockets for each first delivery. */
  bytesPerDelivery: number;
  /** Live nodes reached, of all that are live. */
  coverage: number;
}

/** Runs the rows named on the command line, all when none is. @returns the exit code: 0, 1 when a row failed, 2 for wrong usage */
export async function main(args: string[], output: Output): Promise<number> {
  const options = readOptions(args, {
    names: Object.keys(KILLED),
    numbers: {
      "nodes": 27,
      "bytes": 256,
      "rate": 20,
      "in-flight": 32,
      "patience-ms": 3000,
      "mesh": gossipSettings().D,
      "runs": 3,
      "warmup-ms": 2000,
      "window-ms": 5000,
    },
    switches: ["closed"],
  });
  const { nodes, bytes, rate: ratePerSecond, "in-flight": inFlight, mesh, runs } = options.numbers;
  const death = options.switches.has("closed") ? "closed" : "silent";
  const times = {
    patienceMs: options.numbers["patience-ms"],
    warmupMs: options.numbers["warmup-ms"],
    windowMs: options.numbers["window-ms"],
  };
  return await runNamed(options, USAGE, output, async (name) => {
    const dead = Math.round(nodes * KILLED[name]);
    const work = { nodes, dead, death, bytes, mesh, signed: false, ...times } as const;
    const taken: Record<SideName, SideFigures>[] = [];
    for (let run = 1; run <= runs; run++) {
      const ours = await measure("ours", work, ratePerSecond, inFlight);
      const peer = await measure("peer", work, ratePerSecond, inFlight);
      taken.push({ ours, peer });
      for (const side of ["ours", "peer"] as const) {
        output.err(`${name} ${run}/${runs}: ${side.padEnd(4)} ${describe(taken.at(-1)![side])}`);
      }
    }
    const ours = medians(taken.map((run) => run.ours));
    const peer = medians(taken.map((run) => run.peer));
    output.out(JSON.stringify({
      name: `broadcast-vs-gossipsub-${name}`,
      parameters: { nodes, dead, death, bytes, ratePerSecond, inFlight, runs, ...times },
      settings: {
        ours: "P2PModule's defaults",
        peer: { ...gossipSettings(mesh), signatures: "StrictNoSign", connections: "those of RainTree's exact tree" },
      },
      ours,
      peer,
      ratios: ratios(ours, peer),
      runs: taken,
    }));
  });
}

async function measure(
  side: SideName,
  work: SurvivalWork,
  ratePerSecond: number,
  inFlight: number,
): Promise<SideFigures> {
  const paced = await measurePaced(side, { ...work, ratePerSecond });
  const deliveriesPerSecond = await measureSaturated(side, { ...work, inFlight });
  const { timeToAllMs: { p50, p99 }, copiesPerDelivery, bytesPerDelivery, coverage } = paced;
  return {
    timeToAllMs: { p50: p50 && round(p50), p99: p99 && round(p99) },
    deliveriesPerSecond: Math.round(deliveriesPerSecond),
    copiesPerDelivery: round(copiesPerDelivery),
    bytesPerDelivery: Math.round(bytesPerDelivery),
    coverage: coverage === 1 ? 1 : Math.floor(coverage * 1e5) / 1e5, // never 1 with anybody missing
  };
}

/** Never is more than any time. */
function medianOrNever(values: (number | null)[]): number | null {
  const middle = median(values.map((value) => value ?? Infinity));
  return Number.isFinite(middle) ? middle : null;
}

function medians(runs: SideFigures[]): SideFigures {
  const middle = (figure: (run: SideFigures) => number) => median(runs.map(figure));
  return {
    timeToAllMs: {
      p50: medianOrNever(runs.map((run) => run.timeToAllMs.p50)),
      p99: medianOrNever(runs.map((run) => run.timeToAllMs.p99)),
    },
    deliveriesPerSecond: middle((run) => run.deliveriesPerSecond),
    copiesPerDelivery: middle((run) => run.copiesPerDelivery),
    bytesPerDelivery: middle((run) => run.bytesPerDelivery),
    coverage: Math.min(...runs.map((run) => run.coverage)),
  };
}

/** How many times better ours is; null where a side never came to an end. */
function ratios(ours: SideFigures, peer: SideFigures): Record<string, number | null> {
  const faster = (quantile: "p50" | "p99") => {
    const [mine, theirs] = [ours.timeToAllMs[quantile], peer.timeToAllMs[quantile]];
    return mine === null || theirs === null ? null : round(theirs / mine);
  };
  return {
    timeToAllP50: faster("p50"),
    timeToAllP99: faster("p99"),
    deliveriesPerSecond: round(ours.deliveriesPerSecond / peer.deliveriesPerSecond),
    copiesPerDelivery: round(peer.copiesPerDelivery / ours.copiesPerDelivery),
    bytesPerDelivery: round(peer.bytesPerDelivery / ours.bytesPerDelivery),
  };
}

function describe({ timeToAllMs: { p50, p99 }, ...figures }: SideFigures): string {
  return `to all ${p50 ?? "never"} / ${p99 ?? "never"} ms (p50 / p99), ${figures.deliveriesPerSecond} deliveries/s, ` +
    `${figures.copiesPerDelivery} copies, ${figures.bytesPerDelivery} B a delivery, coverage ${figures.coverage}`;
}

if (import.meta.main) Deno.exit(await main(Deno.args, { out: console.log, err: console.error }));
