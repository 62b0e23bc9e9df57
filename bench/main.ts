import { runBenchmark } from "./harness.ts";
import { type Output, readOptions, runNamed } from "./options.ts";
import { rows } from "./rows.ts";

const USAGE = `Measures raintree against js-libp2p on this machine and prints one line of JSON per row.

Usage: deno task bench [NAME...] [--runs N] [--warmup-ms N] [--window-ms N]

Options:
  --runs N        Runs of each side, taken in turn; figures are medians. Default 5
  --warmup-ms N   Work before counting starts, in milliseconds. Default 1500
  --window-ms N   Work that is counted, in milliseconds. Default 2000
  --help          Shows this text

Names:
`;

/** Runs the rows named on the command line, all when none is. @returns the exit code: 0, 1 when a row failed, 2 for wrong usage */
export async function main(args: string[], output: Output): Promise<number> {
  const names = rows({ warmupMs: 0, windowMs: 0 }).map((row) => row.name);
  const options = readOptions(args, { names, numbers: { "runs": 5, "warmup-ms": 1500, "window-ms": 2000 } });
  const { runs, "warmup-ms": warmupMs, "window-ms": windowMs } = options.numbers;
  const all = new Map(rows({ warmupMs, windowMs }).map((row) => [row.name, row]));
  return await runNamed(options, `${USAGE}  ${names.join("\n  ")}\n`, output, async (name) => {
    output.out(JSON.stringify(await runBenchmark(all.get(name)!, runs, output.err)));
  });
}

if (import.meta.main) Deno.exit(await main(Deno.args, { out: console.log, err: console.error }));
