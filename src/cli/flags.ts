import { parseArgs } from "@std/cli";
import { P2pError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";

/** One flag of a command: parsing and help come from it. */
export interface Flag {
  /** Long name, without dashes. */
  name: string;
  /** One sentence for the help text. */
  summary: string;
  /** What stands for the value in the help text (`N`, `FILE`, `exact|classic`); without it the flag is a switch. */
  value?: string;
  /** One letter. */
  short?: string;
  /** May be given more than once. */
  many?: boolean;
}

/** The command line is wrong; nothing was started. */
export class UsageError extends P2pError {
  override name = "UsageError";
  /** `message` says what is wrong with which argument. */
  constructor(message: string, hint?: string) {
    super("usage", message, { hint });
  }
}

/** What was given on the command line. */
export interface ParsedFlags {
  /** Whether a switch was given. */
  has(name: string): boolean;
  /** The value of a flag, the last one if it was repeated. */
  value(name: string): string | undefined;
  /** All values of a flag that may be repeated. */
  values(name: string): string[];
  /** The value of a flag as a whole number from `least` to `most`. @throws {UsageError} */
  integer(name: string, least: number, most: number): number | undefined;
  /** The value of a flag that is one of `choices`. @throws {UsageError} */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined;
  /** Arguments that are not flags. */
  readonly positional: string[];
}

/** Every command understands this one. */
export const helpFlag: Flag = { name: "help", short: "h", summary: "Show this help" };

/**
 * Reads the arguments of a command that knows `flags` (and `--help`) and takes at most `positionalMax` other arguments.
 *
 * @throws {UsageError} Unknown flag, missing value, superfluous argument.
 */
export function parseFlags(args: string[], flags: readonly Flag[], positionalMax = 0): ParsedFlags {
  const all = [...flags, helpFlag];
  const unknown: string[] = [];
  const parsed = parseArgs(args, {
    boolean: all.filter((flag) => flag.value === undefined).map((flag) => flag.name),
    string: ["_", ...all.filter((flag) => flag.value !== undefined).map((flag) => flag.name)],
    collect: all.filter((flag) => flag.many).map((flag) => flag.name),
    alias: Object.fromEntries(all.filter((flag) => flag.short).map((flag) => [flag.name, flag.short!])),
    unknown: (_arg, key) => key === undefined || (unknown.push(key), false),
  }) as unknown as Record<string, string | string[] | boolean | undefined>;
  if (unknown.length > 0) {
    const [key] = unknown;
    const written = key.length === 1 ? `-${key}` : `--${key}`;
    throw new UsageError(`Unknown flag "${written}"${didYouMean(written, all.map((flag) => `--${flag.name}`))}`);
  }
  for (const flag of all) {
    const value = parsed[flag.name];
    if (value === "" || Array.isArray(value) && value.includes("")) {
      throw new UsageError(`Flag "--${flag.name}" takes a value: --${flag.name} ${flag.value}`);
    }
  }
  const positional = parsed._ as string[];
  if (positional.length > positionalMax) {
    throw new UsageError(`Unexpected argument "${positional[positionalMax]}"`);
  }
  const value = (name: string) => {
    const given = parsed[name];
    return (Array.isArray(given) ? given.at(-1) : given) as string | undefined;
  };
  return {
    has: (name) => parsed[name] === true,
    value,
    values: (name) => (parsed[name] ?? []) as string[],
    integer(name, least, most) {
      const text = value(name);
      return text === undefined ? undefined : parseInteger(`--${name}`, text, least, most);
    },
    choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
      const text = value(name);
      if (text === undefined || (choices as readonly string[]).includes(text)) return text as T | undefined;
      const names = choices.map((choice) => `"${choice}"`).join(", ");
      throw new UsageError(`"--${name}" is "${text}", it takes one of ${names}${didYouMean(text, choices)}`);
    },
    positional,
  };
}

/** A whole number in decimal digits from `least` to `most`; `what` names it in the error. @throws {UsageError} */
export function parseInteger(what: string, text: string, least: number, most: number): number {
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`"${what}" is "${text}", it takes a whole number from ${least} to ${most}`);
}
