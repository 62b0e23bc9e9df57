import { createHash } from "node:crypto";
import { percentile } from "../base/percentile.ts";
import type { TreeMode } from "../raintree/tree.ts";
import { runSimulation, type SimRunOptions, type SimRunOutcome } from "./sim_run.ts";
import { inWorkers, type WorkerPoolOptions } from "./worker_pool.ts";

/** Runs of many seeds put together: what `sim --json` prints. Other programs rely on it. */
export interface SimReport {
  /** Staked nodes. */
  readonly nodes: number;
  /** How broadcasts spread. */
  readonly mode: TreeMode;
  /** How many runs. */
  readonly seeds: number;
  /** Share of the nodes that are dead. */
  readonly dead: number;
  /** Share of the nodes that acknowledge and never forward. */
  readonly liars: number;
  /** Share of messages lost on every link. */
  readonly loss: number;
  /** Deliveries to live honest nodes, over all runs, the originators' own not counted; and the seed that missed most, of those the one that took longest. */
  readonly live: { readonly reached: number; readonly missed: number; readonly worstSeed: number };
  /** Payload messages sent for each delivery due to a live node, those to the dead and lost ones included; mean of all runs. */
  readonly copiesPerLive: number;
  /** Bytes of control messages sent by each live node, mean of all runs. */
  readonly controlBytesPerLive: number;
  /** Milliseconds until the last node that was reached had it, over the runs in which anybody was; `null` if there is none. */
  readonly lastMs: { readonly p50: number | null; readonly p99: number | null; readonly max: number | null };
  /** Equal for equal options: the digest of the one run's trace, or SHA-256 over those of all in the order of their seeds. */
  readonly digest: string;
}

/** Options of {@link runSeeds}. */
export interface RunSeedsOptions extends WorkerPoolOptions<SimRunOutcome> {
  /** How many seeds. @default {1} */
  seeds?: number;
}

/** Runs of fewer nodes in all are over before a worker has started. */
const NODES_ALONE = 300;

/** Nodes in all workers at once: a node of a large network takes a megabyte. */
const NODES_AT_ONCE = 6_000;

/**
 * Runs a simulation with each of `seeds` seeds from `options.seed` on, in as many workers as the machine has cores where that pays; with `workers: 1` in this thread. The outcomes are in the order of
 * the seeds, and the same as if each had run alone.
 *
 * @throws what {@link runSimulation} throws, as `worker_failed` if it ran in a worker
 */
export async function runSeeds(options: SimRunOptions, how: RunSeedsOptions = {}): Promise<SimRunOutcome[]> {
  const { seeds = 1, onResult, signal, workers } = how;
  const { seed: first = 1, nodes } = options;
  const jobs = Array.from({ length: seeds }, (_, i): SimRunOptions => ({ ...options, seed: first + i }));
  if (workers === 1 || seeds * nodes < NODES_ALONE) {
    const outcomes: SimRunOutcome[] = [];
    for (const [index, job] of jobs.entries()) {
      signal?.throwIfAborted();
      outcomes.push(await runSimulation(job));
      onResult?.(outcomes[index], index);
    }
    return outcomes;
  }
  // Even one: a worker ends at once when it is told to, a run in this thread when it is over.
  const atOnce = Math.max(1, Math.min(workers ?? navigator.hardwareConcurrency, Math.floor(NODES_AT_ONCE / nodes)));
  return await inWorkers(new URL("./sim_worker.ts", import.meta.url), jobs, { workers: atOnce, onResult, signal });
}

/** Puts the outcomes of {@link runSeeds} together. */
export function simReport(options: SimRunOptions, outcomes: readonly SimRunOutcome[]): SimReport {
  const { nodes, mode = "exact", dead = 0, liars = 0, loss = 0 } = options;
  const last = outcomes.filter(({ reached }) => reached > 0).map(({ lastMs }) => lastMs);
  const at = (share: number) => last.length === 0 ? null : rounded(percentile(last, share)!, 1);
  const sum = (of: (outcome: SimRunOutcome) => number) => outcomes.reduce((total, each) => total + of(each), 0);
  return {
    nodes,
    mode,
    seeds: outcomes.length,
    dead,
    liars,
    loss,
    live: {
      reached: sum(({ reached }) => reached),
      missed: sum(({ missed }) => missed),
      worstSeed: worst(outcomes).seed,
    },
    copiesPerLive: rounded(sum(({ copiesPerLive }) => copiesPerLive) / outcomes.length, 4),
    controlBytesPerLive: rounded(sum(({ controlBytesPerLive }) => controlBytesPerLive) / outcomes.length, 1),
    lastMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
    digest: joint(outcomes.map(({ digest }) => digest)),
  };
}

/** The outcome that missed most, of those the one that took longest, of those the first. */
export function worst(outcomes: readonly SimRunOutcome[]): SimRunOutcome {
  return outcomes.reduce((worst, each) =>
    each.missed > worst.missed || (each.missed === worst.missed && each.lastMs > worst.lastMs) ? each : worst
  );
}

function joint(digests: readonly string[]): string {
  if (digests.length === 1) return digests[0];
  const hash = createHash("sha256");
  for (const digest of digests) hash.update(digest);
  return hash.digest("hex");
}

function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
