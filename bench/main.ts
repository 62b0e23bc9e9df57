import { parseArgs } from "@std/cli";
import { rows } from "./rows.ts";
import { runBenchmark } from "./harness.ts";

const USAGE = `Measures raintree against js-libp2p on this machine and prints one line of JSON per row.

Usage: deno task bench [NAME...] [--runs N] [--warmup-ms N] [--window-ms N]

Options:
  --runs N        Runs of each side, taken in turn; figures are medians. Default 5
  --warmup-ms N   Work before counting starts, in milliseconds. Default 1500
  --window-ms N   Work that is counted, in milliseconds. Default 2000
  --help          Shows this text

Names:
`;

/** Where a program writes lines. */
export interface Output {
  /** Results. */
  out(line: string): void;
  /** Progress and what went wrong. */
  err(line: string): void;
}

/** Runs the rows named on the command line, all when none is. @returns the exit code: 0, 1 when a row failed, 2 for wrong usage */
export async function main(args: string[], { out, err }: Output): Promise<number> {
  const wrong: string[] = [];
  const flags = parseArgs(args, {
    boolean: ["help"],
    string: ["_", "runs", "warmup-ms", "window-ms"],
    unknown: (arg, key) => {
      if (key === undefined) return true;
      wrong.push(`Unknown option "${arg}"`);
      return false;
    },
  });
  const wholeNumber = (flag: "runs" | "warmup-ms" | "window-ms", fallback: number): number => {
    const value = flags[flag] === undefined ? fallback : Number(flags[flag] || NaN);
    if (!Number.isInteger(value) || value < 1) wrong.push(`--${flag} is "${flags[flag]}": wanted an integer from 1`);
    return value;
  };
  const runs = wholeNumber("runs", 5);
  const all = rows({ warmupMs: wholeNumber("warmup-ms", 1500), windowMs: wholeNumber("window-ms", 2000) });
  const names = all.map((row) => row.name);
  for (const name of flags._) if (!names.includes(String(name))) wrong.push(`Unknown row "${name}"`);
  const usage = `${USAGE}  ${names.join("\n  ")}\n`;
  if (flags.help) {
    out(usage);
    return 0;
  }
  if (wrong.length > 0) {
    err(`${wrong.join("\n")}\n\n${usage}`);
    return 2;
  }
  let failed = 0;
  for (const benchmark of all.filter((row) => flags._.length === 0 || flags._.includes(row.name))) {
    try {
      out(JSON.stringify(await runBenchmark(benchmark, runs, err)));
    } catch (error) {
      failed++;
      err(`${benchmark.name} failed: ${error instanceof Error ? error.stack : error}`);
    }
  }
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args, { out: console.log, err: console.error }));
