import { below, type Random } from "../../../src/base/random.ts";
import type { SimRunOutcome } from "../../../src/sim/sim_run.ts";

/** What one run of a case measured, by name. Plain numbers: they come from a worker. */
export type Measures = Readonly<Record<string, number>>;

/** How the runs' values of a measure become one. */
export type Joined = "sum" | "max" | "mean" | "p99" | "least";

/** What a case has to hold. */
export interface Bar {
  /** The name of a measure. */
  readonly measure: string;
  /** How the runs' values become one. */
  readonly of: Joined;
  /** No more than this. */
  readonly most?: number;
  /** No less than this. */
  readonly least?: number;
}

/** Something that must hold, with how many seeds it is tried. */
export interface SimCase {
  /** What `--case` takes. */
  readonly name: string;
  /** Seeds in `deno task sim:all`. */
  readonly seeds: number;
  /** Seeds in every `deno test`; absent for cases that take too long. */
  readonly quick?: number;
  /** What must hold. */
  readonly bars: readonly Bar[];
  /** One run. */
  run(seed: number): Promise<Measures>;
}

/** A bar, what was measured, and whether it holds. */
export interface Verdict {
  readonly bar: Bar;
  readonly value: number;
  readonly holds: boolean;
}

/** Judges the runs of a case. */
export function judge({ bars }: Pick<SimCase, "bars">, runs: readonly Measures[]): Verdict[] {
  return bars.map((bar) => {
    const value = joined(bar.of, runs.map((measures) => measures[bar.measure]));
    // What is not a number holds nothing.
    const holds = value <= (bar.most ?? Infinity) && value >= (bar.least ?? -Infinity);
    return { bar, value, holds };
  });
}

/** `missed sum <= 0`. */
export function describe({ measure, of, most, least }: Bar): string {
  return [`${of} of ${measure}`, least === undefined ? "" : `>= ${least}`, most === undefined ? "" : `<= ${most}`]
    .filter(Boolean).join(" ");
}

function joined(how: Joined, values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const sum = values.reduce((total, value) => total + value, 0);
  switch (how) {
    case "sum":
      return sum;
    case "mean":
      return sum / values.length;
    case "least":
      return sorted[0];
    case "max":
      return sorted[sorted.length - 1];
    case "p99":
      return sorted[Math.ceil(0.99 * sorted.length) - 1];
  }
}

/** Takes `count` random ones out of `from`. */
export function take(from: number[], count: number, random: Random): number[] {
  return Array.from({ length: count }, () => from.splice(below(random, from.length), 1)[0]);
}

/** The measures that most cases share. */
export function measuresOf(outcome: SimRunOutcome): Measures {
  const { reached, missed, lastMs, depth, payloads, copiesPerLive, receivedPerLive, controlBytesPerLive, broadcasts } =
    outcome;
  const duplicates = broadcasts.reduce((sum, each) => sum + each.duplicates, 0);
  return { reached, missed, lastMs, depth, payloads, copiesPerLive, receivedPerLive, controlBytesPerLive, duplicates };
}

/** Everyone, and no application twice. */
export const EVERYONE: readonly Bar[] = [
  { measure: "missed", of: "sum", most: 0 },
  { measure: "duplicates", of: "sum", most: 0 },
];
