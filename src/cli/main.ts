import { P2pError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { type Command, PROGRAM, renderHelp } from "./command.ts";
import { ExitCode, exitCodeOf } from "./exit_codes.ts";
import { UsageError } from "./flags.ts";
import { interruptSignal, type Io, systemIo } from "./io.ts";
import { palette } from "./terminal.ts";

/** What a module with a command exports. Imported when the command is asked for: the time to start counts. */
type Load = () => Promise<{ command: Command }>;

/** By the word on the command line; the main job has none. */
const commands: Record<string, Load> = {
  "": () => import("./run_command.ts"),
  node: () => import("./node_command.ts"),
  tree: () => import("./tree_command.ts"),
  sim: () => import("./sim_command.ts"),
  localnet: () => import("./localnet_command.ts"),
  keys: () => import("./keys_command.ts"),
};

function commandNames(): string[] {
  return Object.keys(commands).filter((name) => name !== "");
}

/**
 * Runs one command and resolves to the process's exit code (`exit_codes.ts`). Without a command's name it is the main job:
 * a network of validators on this machine. Failures are shown on `io.stderr`, with a stack trace only under `--debug` or `P2P_DEBUG`.
 */
export async function main(args: string[], io: Io): Promise<number> {
  const debug = args.includes("--debug") || Boolean(io.env("P2P_DEBUG"));
  try {
    return await dispatch(args.filter((arg) => arg !== "--debug"), io);
  } catch (error) {
    // Whoever read our output has left (`| head`): nobody is there to be told.
    if (error instanceof Deno.errors.BrokenPipe) return ExitCode.ok;
    const code = exitCodeOf(error);
    if (code === ExitCode.interrupted) io.stderr("interrupted\n");
    else showError(error, io, debug);
    return code;
  }
}

/** {@link main} on the process's own streams: SIGINT and SIGTERM abort a command that looks at its signal, the second one ends the process at once. */
export async function runProcess(args: string[]): Promise<number> {
  using interrupt = interruptSignal(() => Deno.exit(ExitCode.interrupted));
  return await main(args, systemIo(interrupt));
}

async function dispatch(args: string[], io: Io): Promise<number> {
  const [first = ""] = args;
  if (first === "help") return await dispatch([...args.slice(1), "--help"], io);
  if (["--version", "-V", "version"].includes(first)) {
    const { default: { version } } = await import("../../deno.json", { with: { type: "json" } });
    io.stdout(`raintree ${version}\n`);
    return ExitCode.ok;
  }
  const name = first.startsWith("-") ? "" : first;
  if (!Object.hasOwn(commands, name)) {
    throw new UsageError(
      `Unknown command "${name}"${didYouMean(name, [...commandNames(), "help", "version"])}`,
      `Run "${PROGRAM} --help" for the commands`,
    );
  }
  const { command: named } = await commands[name]();
  const [verb = "", ...behind] = args.slice(1);
  const load = named.verbs !== undefined && Object.hasOwn(named.verbs, verb) ? named.verbs[verb] : undefined;
  const command = load === undefined ? named : (await load()).command;
  const rest = name === "" ? args : load === undefined ? args.slice(1) : behind;
  if (asksForHelp(rest)) {
    io.stdout(renderHelp(command, io));
    if (name === "") io.stdout(await renderCommands(io));
    return ExitCode.ok;
  }
  try {
    return await command.run(rest, io);
  } catch (error) {
    if (!(error instanceof UsageError) || error.hint !== undefined) throw error;
    throw new UsageError(
      error.message,
      `Run "${[PROGRAM, name, load && verb, "--help"].filter(Boolean).join(" ")}" for what it takes`,
    );
  }
}

function asksForHelp(args: string[]): boolean {
  const end = args.indexOf("--");
  const flags = end < 0 ? args : args.slice(0, end);
  return flags.includes("--help") || flags.includes("-h");
}

async function renderCommands(io: Io): Promise<string> {
  const { bold } = palette(io);
  const others = commandNames();
  const width = Math.max(...others.map((name) => name.length));
  const lines = await Promise.all(others.map(async (name) => {
    const { command } = await commands[name]();
    return `  ${name.padEnd(width)}  ${command.summary}\n`;
  }));
  return `\n${bold("Other commands")}, each with its own --help\n${lines.join("")}`;
}

function showError(error: unknown, io: Io, debug: boolean): void {
  const { bold, red } = palette(io, "stderr");
  const expected = error instanceof P2pError;
  const forbidden = error instanceof Deno.errors.NotCapable;
  const message = error instanceof Error ? error.message : String(error);
  io.stderr(`${red(bold("error"))}: ${expected || forbidden ? "" : "unexpected: "}${message}\n`);
  if (expected && error.hint !== undefined) io.stderr(`${bold("hint")}: ${error.hint}\n`);
  if (forbidden) io.stderr(`${bold("hint")}: Run deno with -A; README.md lists what is enough for most commands\n`);
  if (debug) io.stderr(`${Deno.inspect(error)}\n`);
  else if (!expected && !forbidden) {
    io.stderr(`${bold("hint")}: This is likely a bug; --debug shows where it happened\n`);
  }
}
