import { abortable } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";

/** All a command knows of the world around it, so that tests run commands in process. */
export interface Io {
  /** Writes `text` as it is: what the command was asked for. */
  stdout(text: string): void;
  /** Writes `text` as it is: progress, warnings, errors. */
  stderr(text: string): void;
  /** All of standard input as text. Rejects with the signal's reason when that aborts. */
  stdin(): Promise<string>;
  /** An environment variable; undefined also where we may not read it. */
  env(name: string): string | undefined;
  /** Aborts when the person or the system asks the command to end. */
  readonly signal: AbortSignal;
  /** Which streams a person looks at. */
  readonly isTerminal: { readonly stdout: boolean; readonly stderr: boolean };
  /** Width of the terminal in characters; 80 where there is none. */
  readonly columns: number;
}

/** The process's own streams and environment. */
export function systemIo(interrupt: { readonly signal: AbortSignal }): Io {
  return {
    stdout: (text) => writeOutput(Deno.stdout, text),
    stderr: (text) => writeAll(Deno.stderr, text),
    stdin: () => abortable(new Response(Deno.stdin.readable).text(), interrupt.signal),
    env: readEnv,
    get signal() {
      return interrupt.signal;
    },
    isTerminal: { stdout: Deno.stdout.isTerminal(), stderr: Deno.stderr.isTerminal() },
    // A terminal that was never told its size says 0.
    columns: Deno.stdout.isTerminal() && Deno.consoleSize().columns || 80,
  };
}

/**
 * Aborts on SIGINT and SIGTERM; the second one ends the process at once. Listens from the first look at its `signal` on: a command that never looks,
 * because it computes without a pause, is ended by the system's own way with signals. Dispose of it to listen no more.
 */
export function interruptSignal(onSecond: () => void): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) onSecond();
    else controller.abort(new P2pError("interrupted", "Interrupted"));
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM"];
  let listening = false;
  return {
    get signal() {
      if (!listening) { for (const signal of signals) Deno.addSignalListener(signal, interrupt); }
      listening = true;
      return controller.signal;
    },
    [Symbol.dispose]() {
      if (listening) { for (const signal of signals) Deno.removeSignalListener(signal, interrupt); }
      listening = false;
    },
  };
}

/**
 * Writes everything. A reader that has left is nothing to complain of, and thrown as it is.
 *
 * @throws {P2pError} `output_unwritable`
 */
export function writeOutput(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  try {
    writeAll(stream, text);
  } catch (cause) {
    if (cause instanceof Deno.errors.BrokenPipe) throw cause;
    const why = asError(cause).message.replace(/ \(os error \d+\)$/, "");
    throw new P2pError("output_unwritable", `Cannot write the output: ${why.charAt(0).toLowerCase()}${why.slice(1)}`, {
      cause,
      hint: "Send standard output to where there is room",
    });
  }
}

/** Writes everything, also where a pipe takes only part of it or none for a moment. */
function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) {
    try {
      written += stream.writeSync(bytes.subarray(written));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
    }
  }
}

/** A variable we may not read counts as not set: optional ones are no reason to ask the person for a permission. */
function readEnv(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}
