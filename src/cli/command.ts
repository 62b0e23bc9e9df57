import { type Flag, helpFlag } from "./flags.ts";
import type { Io } from "./io.ts";
import { palette } from "./terminal.ts";

/**
 * One thing the program does. The module that exports it is imported when it is asked for, help included, so it stays light:
 * whatever is heavy it imports within {@link run}.
 */
export interface Command {
  /** The word on the command line. */
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--help` shows. */
  readonly help: CommandHelp;
  /** Words behind the name that are commands of their own, with their own flags and help. */
  readonly verbs?: Readonly<Record<string, () => Promise<{ command: Command }>>>;
  /**
   * Does it and resolves to the exit code (`exit_codes.ts`). Ends soon after `io.signal` aborts, with nothing left running.
   * What it throws is shown with its hint by `main()`, which derives the exit code.
   */
  run(args: string[], io: Io): Promise<number>;
}

/** The parts of a help text. */
export interface CommandHelp {
  /** Behind the program's name: `tree N [flags]`. */
  readonly usage: string;
  /** A paragraph or two; lines are broken as they are here. */
  readonly description?: string;
  /** Flags in the order shown. */
  readonly flags: readonly Flag[];
  /** What to type, and what it does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
}

/** How people call the program. */
export const PROGRAM = "deno run -A mod.ts";

/** The help text of one command. */
export function renderHelp(command: Command, io: Io): string {
  const { bold, dim } = palette(io);
  const { usage, description, flags, examples } = command.help;
  const parts = [`${command.summary}\n`, `${bold("Usage")}\n  ${PROGRAM} ${usage}\n`];
  if (description !== undefined) parts.push(`${description}\n`);
  parts.push(`${bold("Flags")}\n${renderFlags([...flags, helpFlag])}`);
  parts.push(
    `${bold("Examples")}\n${
      examples.map(([line, meaning]) => `  ${dim(`# ${meaning}`)}\n  ${PROGRAM} ${line}`.trimEnd() + "\n").join("")
    }`,
  );
  return parts.join("\n");
}

function renderFlags(flags: readonly Flag[]): string {
  const names = flags.map((flag) => {
    const name = `${flag.short ? `-${flag.short}, ` : ""}--${flag.name}${flag.value ? ` ${flag.value}` : ""}`;
    return flag.many ? `${name} ...` : name;
  });
  const width = Math.max(...names.map((name) => name.length));
  return flags.map((flag, i) => `  ${names[i].padEnd(width)}  ${flag.summary}\n`).join("");
}
