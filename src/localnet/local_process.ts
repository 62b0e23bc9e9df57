import { type Clock, sleep } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";

/** The project's program. */
const PROGRAM = new URL("../../mod.ts", import.meta.url);

/**
 * Starts the program behind the shell's back: what it writes goes to `log`, the shell notes its number in `pid` before anybody else can fail. In a session of
 * its own it gets no Ctrl-C of this terminal and outlives this process.
 */
const LAUNCH = 'log=$1; pid=$2; shift 2; "$@" </dev/null >>"$log" 2>&1 & echo $! >"$pid.new" && mv "$pid.new" "$pid"';

/** How often an end is looked for, milliseconds. */
const LOOK_MS = 20;

/** How many looks a process without arguments is given to get some: one of the system's own never does. */
const EXEC_LOOKS = 50;

/** How long the system may take to end a process that is killed, milliseconds. */
const KILL_MS = 10_000;

/** Where a {@link LocalProcess} is kept. */
export interface LocalProcessPaths {
  /** File with its number. */
  pid: string;
  /** File that it logs to; appended. */
  log: string;
}

/** How long a process may take to end in order, milliseconds. */
export const END_MS = 10_000;

/** Lines of a log that are shown with an error. */
const LAST_WORDS = 3;

/**
 * A process of this program that outlives whoever started it, found again by a file with its number. A number that the system has given to another program
 * since is not mistaken for it: its arguments have to end with these.
 */
export class LocalProcess {
  /** For people: the node's name. */
  readonly name: string;
  readonly #paths: LocalProcessPaths;
  readonly #args: readonly string[];
  readonly #clock: Clock;

  /** Starts nothing; `args` are those of the program. */
  constructor(name: string, paths: LocalProcessPaths, args: readonly string[], clock: Clock) {
    this.name = name;
    this.#paths = paths;
    this.#args = args;
    this.#clock = clock;
  }

  /** Starts it. @throws {P2pError} `state_unwritable`; what the runtime throws where it may start nothing */
  async start(): Promise<void> {
    const { pid, log } = this.#paths;
    const program = [Deno.execPath(), "run", "-A", "--quiet", "--no-prompt", PROGRAM.href, ...this.#args];
    const { success, stderr } = await new Deno.Command("/bin/sh", {
      args: ["-c", LAUNCH, "sh", log, pid, ...program],
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      detached: true,
    }).output();
    if (success) return;
    const why = new TextDecoder().decode(stderr).trim();
    throw new P2pError("state_unwritable", `Cannot start ${this.name}: ${why}`, { hint: "Make room on the disk" });
  }

  /** Its number while it runs; a stopped one runs too. */
  async running(): Promise<number | undefined> {
    let text: string;
    try {
      text = await Deno.readTextFile(this.#paths.pid);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    const pid = Number(text);
    if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
    let command = await commandLine(pid);
    // While a process becomes the program that it was started for, it has no arguments for a moment.
    for (let looks = 0; command === "" && looks < EXEC_LOOKS && await lives(pid); looks++) {
      await sleep(this.#clock, LOOK_MS);
      command = await commandLine(pid);
    }
    return command.endsWith(this.#args.join(" ")) ? pid : undefined;
  }

  /** Sends it a signal. Resolves to whether it runs. */
  async signal(signal: Deno.Signal): Promise<boolean> {
    const pid = await this.running();
    if (pid === undefined) return false;
    try {
      Deno.kill(pid, signal);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false; // it ended between two lines
      throw error;
    }
  }

  /** Kills it, and waits until it is gone. @throws {P2pError} `node_unkillable` where the system does not end it within 10 s */
  async kill(): Promise<void> {
    const untilMs = this.#clock.now() + KILL_MS;
    while (await this.signal("SIGKILL")) {
      if (this.#clock.now() > untilMs) {
        throw new P2pError("node_unkillable", `The system does not end ${this.name}, process ${await this.running()}`);
      }
      await sleep(this.#clock, LOOK_MS);
    }
  }

  /** Has it end in order, by force if it has not within {@link END_MS}. Resolves to whether it ran. */
  async end(): Promise<boolean> {
    if (!await this.signal("SIGTERM")) return false;
    await this.signal("SIGCONT"); // a stopped one would take no notice
    const untilMs = this.#clock.now() + END_MS;
    while (await this.running() !== undefined && this.#clock.now() < untilMs) await sleep(this.#clock, LOOK_MS);
    await this.kill();
    return true;
  }

  /** The last lines it logged. */
  async lastLines(count: number): Promise<string[]> {
    return await lastLines(this.#paths.log, count);
  }

  /** The same of the few that are shown with an error. */
  async lastWords(): Promise<string> {
    return (await this.lastLines(LAST_WORDS)).join("\n");
  }
}

/** What is read of a log at most: its end. */
const TAIL_BYTES = 1 << 20;

async function lastLines(path: string, count: number): Promise<string[]> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const { size } = await file.stat();
  await file.seek(Math.max(0, size - TAIL_BYTES), Deno.SeekMode.Start);
  const text = await new Response(file.readable).text();
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.slice(Math.max(0, lines.length - count));
}

/** The arguments of a process, with blanks between; empty where there is none, or only what is left of it until its parent looks. */
async function commandLine(pid: number): Promise<string> {
  if (Deno.build.os === "linux") {
    return (await ofProcess(pid, "cmdline")).replace(/\0$/, "").replaceAll("\0", " ");
  }
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "command=", "-p", String(pid)], stderr: "null" })
    .output();
  return new TextDecoder().decode(stdout).trim();
}

/** Whether there is such a process, and more of it than what is left until its parent looks. */
async function lives(pid: number): Promise<boolean> {
  if (Deno.build.os !== "linux") return false; // `ps` shows the program that it was before
  // Its name, which may hold anything, stands in brackets before its state.
  const [state = "Z"] = (await ofProcess(pid, "stat")).replace(/^.*\) /s, "");
  return state !== "Z" && state !== "X";
}

/** What is read of what Linux says of a process: much more than the arguments of a node. */
const PROCESS_BYTES = 64 * 1024;

/**
 * What Linux says of a process; empty where there is none. In one read: of a process that becomes another program between two, the first half would be of the
 * one and the second of the other.
 */
async function ofProcess(pid: number, what: "cmdline" | "stat"): Promise<string> {
  const bytes = new Uint8Array(PROCESS_BYTES);
  try {
    using file = await Deno.open(`/proc/${pid}/${what}`);
    return new TextDecoder().decode(bytes.subarray(0, await file.read(bytes) ?? 0));
  } catch (error) {
    // It ended before, or while we read.
    if (error instanceof Deno.errors.NotFound || /os error 3\b/.test(String(error))) return "";
    throw error;
  }
}
