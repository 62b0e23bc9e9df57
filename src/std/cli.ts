// Stand-in for jsr:@std/cli: the part of `parseArgs` we use, over node:util, for networks that cannot reach JSR (ADR 0001).
import { parseArgs as tokenize } from "node:util";

/** Which flags there are, by name without dashes. */
export interface ParseOptions<B extends string = string, S extends string = string, C extends string = string> {
  /** Flags without a value; false unless given. */
  boolean?: readonly B[];
  /** Flags with a value; `""` where the value is missing. Add `_` to keep numeric positional arguments as text. */
  string?: readonly S[];
  /** Flags that may be repeated; their values come as an array. */
  collect?: readonly C[];
  /** Other names of flags: `{ help: "h" }`. */
  alias?: Record<string, string>;
  /** Called for each positional argument (without `key`) and each flag not listed above; `false` leaves it out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** What was given: a value per flag, and the positional arguments in `_`. */
export type Args<B extends string = string, S extends string = string, C extends string = string> =
  & { [K in B]: boolean }
  & { [K in Exclude<S, C | "_">]?: string }
  & { [K in Extract<S, C>]: string[] }
  & { _: (string | number)[] };

/** Reads command line arguments. Everything behind `--` is positional. */
export function parseArgs<
  const B extends string = never,
  const S extends string = never,
  const C extends string = never,
>(
  args: string[],
  options: ParseOptions<B, S, C> = {},
): Args<B, S, C> {
  const { boolean = [], string = [], collect = [], alias = {}, unknown = () => true } = options;
  const shorts = new Map(Object.entries(alias).map(([name, short]) => [`-${short}`, name]));
  const valued = new Set<string>(string);
  const known: Record<string, { type: "boolean" | "string" }> = {};
  const parsed: Record<string, unknown> & { _: (string | number)[] } = { _: [] };
  for (const name of boolean) {
    known[name] = { type: "boolean" };
    parsed[name] = false;
  }
  for (const name of string) {
    if (name !== "_") known[name] = { type: "string" };
    if (collect.includes(name as unknown as C)) parsed[name] = [];
  }

  // A flag never is the value of the flag before it: `--config --json` lacks a value, as the original has it.
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const lengthened = args.map((arg, i) => {
    if (i >= end) return arg;
    const long = shorts.has(arg) ? `--${shorts.get(arg)}` : arg;
    const lacks = i + 1 >= end || args[i + 1].startsWith("-");
    return long.startsWith("--") && valued.has(long.slice(2)) && lacks ? `${long}=` : long;
  });

  const { tokens } = tokenize({
    args: lengthened,
    options: known,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === "positional") {
      const kept = token.index > end || unknown(token.value) !== false;
      const numeric = !valued.has("_") && token.value.trim() !== "" && Number.isFinite(Number(token.value));
      if (kept) parsed._.push(numeric ? Number(token.value) : token.value);
    } else if (token.kind === "option") {
      const { name } = token;
      const value = Object.hasOwn(known, name) && known[name].type === "boolean"
        ? token.value !== "false"
        : token.value ?? true;
      if (!Object.hasOwn(known, name)) {
        if (unknown(token.rawName, name, value) !== false) parsed[name] = value;
      } else if (Array.isArray(parsed[name])) parsed[name].push(value);
      else parsed[name] = value;
    }
  }
  return parsed as unknown as Args<B, S, C>;
}
