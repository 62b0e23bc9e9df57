import type { SideName } from "./side.ts";

/** One row: the same work by us and by the peer. Each call measures once, in fresh processes, and resolves to a figure in `unit`. */
export interface Benchmark {
  /** The row's name, as given on the command line. */
  readonly name: string;
  /** What the figures count. */
  readonly unit: string;
  /** Whether a larger or a smaller figure wins. */
  readonly better: "higher" | "lower";
  /** What was fixed: sizes, counts. */
  readonly parameters: Record<string, number | string>;
  /** Measures ours. */
  ours(): Promise<number>;
  /** Measures the peer. */
  peer(): Promise<number>;
  /** The same work under another parameter, reported beside the row's own figures. One side may be absent. */
  readonly variants?: Record<string, Pick<Benchmark, "parameters"> & Partial<Pick<Benchmark, SideName>>>;
}

/** How long one measurement takes. */
export interface MeasureOptions {
  /** Milliseconds of work before counting starts, so that both sides run compiled code. */
  warmupMs: number;
  /** Milliseconds that are counted. */
  windowMs: number;
}

/** The medians of some runs. */
export interface Figures {
  /** Our median, absent where we have nothing to measure. */
  ours?: number;
  /** The peer's median, absent where only ours is measured. */
  peer?: number;
  /** How many times better ours is, whichever way the unit runs. */
  ratio?: number;
  /** Each run in turn: ours, then the peer, at nearly the same time. */
  runs: Partial<Record<SideName, number>>[];
}

/** A row as printed: one line of JSON. */
export interface Row extends Required<Figures> {
  /** The row's name. */
  name: string;
  /** What the figures count. */
  unit: string;
  /** Whether a larger or a smaller figure wins. */
  better: Benchmark["better"];
  /** What was fixed. */
  parameters: Benchmark["parameters"];
  /** The figures under other parameters. */
  variants?: Record<string, Figures & Pick<Benchmark, "parameters">>;
}

/** Runs ours and the peer alternately `runs` times, so that a machine that slows down slows both, and takes the medians. */
export async function runBenchmark(
  benchmark: Benchmark,
  runs: number,
  progress: (line: string) => void,
): Promise<Row> {
  const { name, unit, better, parameters, variants } = benchmark;
  const taken: Required<Figures>["runs"] = [];
  const others = Object.entries(variants ?? {}).map(([label, variant]) => ({
    label,
    variant,
    runs: [] as Figures["runs"],
  }));
  for (let run = 1; run <= runs; run++) {
    const measured = { ours: await measure(benchmark.ours), peer: await measure(benchmark.peer) };
    taken.push(measured);
    progress(`${name} ${run}/${runs}: ours ${measured.ours}, peer ${measured.peer} ${unit}`);
    for (const other of others) {
      const figures: Figures["runs"][number] = {};
      if (other.variant.ours) figures.ours = await measure(other.variant.ours);
      if (other.variant.peer) figures.peer = await measure(other.variant.peer);
      other.runs.push(figures);
      progress(
        `${name} (${other.label}) ${run}/${runs}: ours ${figures.ours ?? "-"}, peer ${figures.peer ?? "-"} ${unit}`,
      );
    }
  }
  const row: Row = { name, unit, ...summarise(taken, better) as Required<Figures>, better, parameters };
  if (others.length > 0) {
    row.variants = Object.fromEntries(
      others.map(({ label, variant, runs }) => [label, { parameters: variant.parameters, ...summarise(runs, better) }]),
    );
  }
  return row;
}

/** The middle of `values`, or the mean of the two middle ones. @throws {RangeError} when there are none */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("Cannot take the median of no values: wanted at least 1");
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[upper] : (sorted[upper - 1] + sorted[upper]) / 2;
}

function summarise(runs: Figures["runs"], better: Benchmark["better"]): Figures {
  const ours = medianOf(runs, "ours");
  const peer = medianOf(runs, "peer");
  const figures: Partial<Figures> = {};
  if (ours !== undefined) figures.ours = ours;
  if (peer !== undefined) figures.peer = peer;
  if (ours !== undefined && peer !== undefined) figures.ratio = round(better === "higher" ? ours / peer : peer / ours);
  return { ...figures, runs };
}

function medianOf(runs: Figures["runs"], side: SideName): number | undefined {
  const values = runs.map((run) => run[side]).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
}

/** A figure of zero or none means that nothing was measured: it must never look like a result. */
async function measure(side: () => Promise<number>): Promise<number> {
  const value = await side();
  if (!Number.isFinite(value) || value <= 0) throw new Error(`Measured ${value}: wanted a finite number above 0`);
  return round(value);
}

/** Four significant digits: what is beyond them is noise. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}
