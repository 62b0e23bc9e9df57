import { type Clock, sleep } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import type { FromGroup, GroupLink, ToGroup } from "./group_link.ts";
import { lines } from "./lines.ts";
import { LOOPBACK } from "./loopback.ts";

/** Options of a {@link ProcessLink}. */
export interface ProcessLinkOptions {
  /** Time. */
  clock: Clock;
  /** Told what the process writes to standard error. */
  stderr: (text: string) => void;
  /** The program's arguments, for tests. @default {the worker entry with what it needs permission for} */
  args?: readonly string[];
}

const ARGS = [
  "run",
  "--quiet",
  "--no-prompt",
  `--allow-net=${LOOPBACK}`,
  import.meta.resolve("./validator_process.ts"),
];

/**
 * Checks, and where a person is there asks, that this process may start others.
 *
 * @throws {P2pError} `run_forbidden`
 */
export async function assertRun(): Promise<void> {
  const { state } = await Deno.permissions.request({ name: "run" });
  if (state === "granted") return;
  throw new P2pError("run_forbidden", "Not permitted to start a process for each validator", {
    hint: "Run deno with --allow-run, or leave --processes out",
  });
}

/**
 * A group in a process of its own, over a JSON object a line on its standard streams. It ends when its standard input does, so that none is left behind by a
 * parent that died; a frozen one would not notice, and has a guard.
 */
export class ProcessLink implements GroupLink {
  readonly name: string;
  readonly ended: Promise<string>;
  readonly #clock: Clock;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  #guard: Deno.ChildProcess | undefined;
  #running = true;

  /** Starts the process. @throws what the system says if it cannot */
  constructor(receive: (message: FromGroup) => void, { clock, stderr, args = ARGS }: ProcessLinkOptions) {
    this.#clock = clock;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.name = `process ${this.#child.pid}`;
    this.#stdin = this.#child.stdin.getWriter();
    globalThis.addEventListener("unload", this.#unload);
    this.ended = this.#follow(receive, stderr);
  }

  /** Sends a call. */
  send(message: ToGroup): void {
    const line = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
    this.#stdin.write(line).catch(asError); // a process that is gone says so by its end
  }

  /** SIGKILL. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  /** SIGSTOP. */
  freeze(): void {
    this.#guard ??= new Deno.Command("/bin/sh", {
      args: ["-c", 'trap "" INT; read -r _ || kill -KILL "$1"', "sh", String(this.#child.pid)],
      stdin: "piped",
    }).spawn();
    this.#signal("SIGSTOP");
  }

  /** SIGCONT. */
  thaw(): void {
    this.#signal("SIGCONT");
  }

  /** Ends its standard input, and after `withinMs` the process. */
  async close(withinMs: number): Promise<void> {
    this.#stdin.close().catch(asError);
    const patience = new AbortController();
    const ended = this.ended.finally(() => patience.abort());
    await sleep(this.#clock, withinMs, patience.signal).catch(asError);
    this.kill();
    await ended;
  }

  /** Deno.exit() in this process: at once, so that the system is asked and nobody waited for. */
  readonly #unload = () => this.kill();

  #signal(signal: Deno.Signal): void {
    if (!this.#running) return;
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It ended, and we have not been told yet.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async #follow(receive: (message: FromGroup) => void, stderr: (text: string) => void): Promise<string> {
    let lastWords = "";
    const [status] = await Promise.all([
      this.#child.status.then((status) => {
        this.#running = false;
        return status;
      }),
      lines(this.#child.stdout, (line) => receive(JSON.parse(line))),
      lines(this.#child.stderr, (line) => {
        if (line !== "") lastWords = line;
        stderr(`${line}\n`);
      }),
    ]);
    globalThis.removeEventListener("unload", this.#unload);
    await this.#dismissGuard();
    const how = status.signal ?? `exit code ${status.code}`;
    return lastWords === "" ? how : `${how}, after "${lastWords}"`;
  }

  async #dismissGuard(): Promise<void> {
    if (this.#guard === undefined) return;
    const writer = this.#guard.stdin.getWriter();
    writer.write(new TextEncoder().encode("\n")).catch(asError); // one that is gone does no harm
    writer.close().catch(asError);
    await this.#guard.status;
  }
}
