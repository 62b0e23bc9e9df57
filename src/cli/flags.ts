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
  /** Whether `--name ""` means something. */
  mayBeEmpty?: boolean;
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
  /** Whether a switch was given; not if it was given as `--name=false`. */
  has(name: string): boolean;
  /** The value of a flag that may not be repeated; of a switch `"true"` or `"false"`. */
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
 * Reads the arguments of a command that knows `flags` (and `--help`) and takes at most `positionalMax` other arguments. What begins with `-` and a digit is
 * a value, not a flag, so that it is judged where its meaning is known.
 *
 * @throws {UsageError} Unknown flag, missing or superfluous value, a flag given twice, superfluous argument.
 */
export function parseFlags(args: string[], flags: readonly Flag[], positionalMax = 0): ParsedFlags {
  const all = [...flags, helpFlag];
  const given = new Map<string, string[]>();
  const positional: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === "--") {
      positional.push(...args.slice(i + 1));
      break;
    }
    if (!looksLikeFlag(arg)) {
      positional.push(arg);
      continue;
    }
    const [, written, attached] = /^(--?[^=]*)(?:=(.*))?$/s.exec(arg)!;
    const flag = all.find(({ name, short }) => written === `--${name}` || written === `-${short}`);
    if (flag === undefined) {
      throw new UsageError(`Unknown flag "${written}"${didYouMean(written, all.map((flag) => `--${flag.name}`))}`);
    }
    const detached = flag.value !== undefined && attached === undefined && i + 1 < args.length &&
      !looksLikeFlag(args[i + 1]) && args[i + 1] !== "-";
    const value = detached ? args[++i] : attached;
    const before = given.get(flag.name) ?? [];
    if (before.length > 0 && flag.value !== undefined && !flag.many) {
      throw new UsageError(`Flag "--${flag.name}" is given twice, it takes one value`);
    }
    given.set(flag.name, [...before, flag.value === undefined ? switchValue(flag, value) : valueOf(flag, value)]);
  }
  if (positional.length > positionalMax) {
    throw new UsageError(`Unexpected argument "${positional[positionalMax]}"`);
  }
  const value = (name: string) => given.get(name)?.at(-1);
  return {
    has: (name) => value(name) === "true",
    value,
    values: (name) => given.get(name) ?? [],
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

/** Whether it begins as a flag does. `-` stands for standard input, `-5` is a number. */
function looksLikeFlag(arg: string): boolean {
  return /^-[^\d]/.test(arg);
}

function valueOf({ name, value, mayBeEmpty = false }: Flag, given: string | undefined): string {
  if (given !== undefined && (given !== "" || mayBeEmpty)) return given;
  throw new UsageError(`Flag "--${name}" takes a value: --${name} ${value}`);
}

function switchValue({ name }: Flag, given = "true"): string {
  if (given === "true" || given === "false") return given;
  throw new UsageError(`"--${name}" is "${given}", it takes nothing, or true or false`);
}
