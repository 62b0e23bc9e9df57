import type { P2PConfigInput } from "../src/module/config.ts";
import { BROADCAST_PARAMETERS, type BroadcastRow, measureBroadcast } from "./broadcast.ts";
import { type MeasureOptions, median, round } from "./harness.ts";
import { type Output, readOptions, runNamed } from "./options.ts";
import { measurePaced } from "./survival.ts";

const USAGE =
  `Measures what each reliability layer costs while nothing fails: each switched on alone, and all by default, against all off.

Usage: deno run -A bench/layers.ts [NAME...] [--runs N] [--warmup-ms N] [--window-ms N]

Options:
  --runs N        Runs of each variant, taken in turn; figures are medians. Default 5
  --warmup-ms N   Work before counting starts, in milliseconds. Default 1500
  --window-ms N   Work that is counted, in milliseconds. Default 2000
  --help          Shows this text

Names:
`;

/** The bare tree: every reliability layer off, by its field of the configuration. */
export const LAYERS_OFF = {
  acks: false,
  redundancy: 0,
  igyw: false,
  repair: false,
  failure_detector: false,
} as const satisfies P2PConfigInput;

/** A way to configure the nodes. */
interface Variant {
  readonly name: string;
  readonly config: P2PConfigInput;
}

/** The variant that the others are compared with. */
const BASE = "off";

/** All off; each layer on alone; the defaults. */
export function layerVariants(): Variant[] {
  const alone = Object.entries(LAYERS_OFF).map(([name, off]) => ({
    name,
    config: { ...LAYERS_OFF, [name]: off === 0 ? 1 : true },
  }));
  return [{ name: BASE, config: LAYERS_OFF }, ...alone, { name: "defaults", config: {} }];
}

/** What a row compares between variants. */
interface LayerRow {
  readonly name: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  readonly parameters: Record<string, number | string>;
  measure(variant: Variant): Promise<number>;
}

/** Broadcasts a second in the row that counts bytes. */
const CONTROL_RATE = 100;

function layerRows(options: MeasureOptions): LayerRow[] {
  const broadcast = (of: BroadcastRow, unit: string, better: LayerRow["better"], everyOrigin: boolean): LayerRow => {
    const { nodes, bytes, inFlight } = BROADCAST_PARAMETERS[of];
    return {
      name: everyOrigin ? `${of}-every-origin` : of,
      unit,
      better,
      parameters: { nodes, bytes, inFlight, origins: everyOrigin ? nodes : 1 },
      measure: ({ config }) => measureBroadcast(of, "ours", { ...options, everyOrigin, config, signed: false }),
    };
  };
  const paced = { nodes: 27, bytes: 256, ratePerSecond: CONTROL_RATE };
  return [
    broadcast("broadcast-27-rate", "deliveries/s", "higher", false),
    broadcast("broadcast-27-rate", "deliveries/s", "higher", true),
    broadcast("broadcast-27-work", "CPU us per delivery", "lower", false),
    broadcast("broadcast-27-work", "CPU us per delivery", "lower", true),
    broadcast("broadcast-27-time", "ms", "lower", false),
    broadcast("broadcast-27-time", "ms", "lower", true),
    {
      name: "bytes-at-100-per-second",
      unit: "B per broadcast and node",
      better: "lower",
      parameters: { ...paced, origins: paced.nodes },
      async measure({ config }) {
        const work = {
          ...options,
          ...paced,
          config,
          signed: false,
          dead: 0,
          death: "silent",
          patienceMs: 3000,
        } as const;
        return (await measurePaced("ours", work)).bytesPerBroadcastAndNode;
      },
    },
  ];
}

/** One variant of a row. */
export interface VariantFigures {
  /** The median of the runs, in the row's unit. */
  value: number;
  /** How good it is against all off, 1 being as good and below 1 worse whichever way the unit runs: the median of the runs' own ratios. */
  ratio: number;
  /** How much more than all off, in the row's unit: the median of the runs' own differences. */
  difference: number;
  /** Each run. */
  runs: number[];
}

/** Runs the rows named on the command line, all when none is. @returns the exit code: 0, 1 when a row failed, 2 for wrong usage */
export async function main(args: string[], output: Output, variants = layerVariants()): Promise<number> {
  const names = layerRows({ warmupMs: 0, windowMs: 0 }).map((row) => row.name);
  const options = readOptions(args, { names, numbers: { "runs": 5, "warmup-ms": 1500, "window-ms": 2000 } });
  const { runs, "warmup-ms": warmupMs, "window-ms": windowMs } = options.numbers;
  const rows = new Map(layerRows({ warmupMs, windowMs }).map((row) => [row.name, row]));
  return await runNamed(options, `${USAGE}  ${names.join("\n  ")}\n`, output, async (name) => {
    const { measure, unit, better, parameters } = rows.get(name)!;
    const taken = variants.map((): number[] => []);
    for (let run = 0; run < runs; run++) {
      // Each run begins with another variant, so that none is always the first or follows the same one.
      for (let turn = 0; turn < variants.length; turn++) {
        const index = (run + turn) % variants.length;
        const value = await measure(variants[index]);
        if (!Number.isFinite(value) || value <= 0) throw new Error(`Measured ${value}: wanted a finite number above 0`);
        taken[index].push(value);
        output.err(`${name} ${run + 1}/${runs}: ${variants[index].name} ${round(value)} ${unit}`);
      }
    }
    const base = taken[variants.findIndex((variant) => variant.name === BASE)];
    const compared = variants.map((variant, index): [string, VariantFigures] => [variant.name, {
      value: round(median(taken[index])),
      ratio: round(
        median(taken[index].map((value, run) => better === "higher" ? value / base[run] : base[run] / value)),
      ),
      difference: round(median(taken[index].map((value, run) => value - base[run]))),
      runs: taken[index].map(round),
    }]);
    const figures = Object.fromEntries(compared);
    output.out(JSON.stringify({ name: `layers-${name}`, unit, better, parameters, variants: figures }));
  });
}

if (import.meta.main) Deno.exit(await main(Deno.args, { out: console.log, err: console.error }));
