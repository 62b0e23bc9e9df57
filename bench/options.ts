import { parseArgs } from "@std/cli";

/** What a benchmark's program was asked for. */
export interface Options<N extends string> {
  /** What to run, in the order of the list of all names; all of it when none is named. */
  readonly names: readonly string[];
  /** The whole numbers, given or default. */
  readonly numbers: Readonly<Record<N, number>>;
  /** The switches given. */
  readonly switches: ReadonlySet<string>;
  /** Whether only the usage was asked for. */
  readonly help: boolean;
  /** What was wrong, a line each. */
  readonly wrong: readonly string[];
}

/** Which options there are. */
export interface OptionsWanted<N extends string> {
  /** What can be run. */
  readonly names: readonly string[];
  /** Options that take an integer from 1, each with its default. */
  readonly numbers: Readonly<Record<N, number>>;
  /** Options without a value. */
  readonly switches?: readonly string[];
}

/** Where a program writes lines. */
export interface Output {
  /** Results. */
  out(line: string): void;
  /** Progress and what went wrong. */
  err(line: string): void;
}

/** Reads a benchmark program's command line. */
export function readOptions<N extends string>(args: string[], wanted: OptionsWanted<N>): Options<N> {
  const { switches = [] } = wanted;
  const wrong: string[] = [];
  const flags: Record<string, unknown> & { _: (string | number)[] } = parseArgs<string, string>(args, {
    boolean: ["help", ...switches],
    string: ["_", ...Object.keys(wanted.numbers)],
    unknown: (arg, key) => {
      if (key === undefined) return true;
      wrong.push(`Unknown option "${arg}"`);
      return false;
    },
  });
  const numbers: Record<N, number> = { ...wanted.numbers };
  for (const flag in numbers) {
    if (flags[flag] === undefined) continue;
    numbers[flag] = Number(flags[flag] || NaN);
    if (!Number.isInteger(numbers[flag]) || numbers[flag] < 1) {
      wrong.push(`--${flag} is "${flags[flag]}": wanted an integer from 1`);
    }
  }
  const given = flags._.map(String);
  for (const name of given) if (!wanted.names.includes(name)) wrong.push(`Unknown row "${name}"`);
  return {
    names: given.length === 0 ? wanted.names : wanted.names.filter((name) => given.includes(name)),
    numbers,
    switches: new Set(switches.filter((name) => flags[name] === true)),
    help: flags.help === true,
    wrong,
  };
}

/**
 * Shows the usage if that was asked for, or what was wrong; otherwise does `work` for each name.
 *
 * @returns the exit code: 0, 1 when one failed, 2 for wrong usage
 */
export async function runNamed(
  { names, help, wrong }: Options<string>,
  usage: string,
  { out, err }: Output,
  work: (name: string) => Promise<void>,
): Promise<number> {
  if (help) {
    out(usage);
    return 0;
  }
  if (wrong.length > 0) {
    err(`${wrong.join("\n")}\n\n${usage}`);
    return 2;
  }
  let failed = 0;
  for (const name of names) {
    try {
      await work(name);
    } catch (error) {
      failed++;
      err(`${name} failed: ${error instanceof Error ? error.stack : error}`);
    }
  }
  return failed === 0 ? 0 : 1;
}
