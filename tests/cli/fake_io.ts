import type { Io } from "../../src/cli/io.ts";

/** Streams and environment of a command under test, and what it wrote. */
export interface FakeIo {
  /** Handed to the command. */
  io: Io;
  /** Everything written to standard output. */
  out(): string;
  /** Everything written to standard error. */
  err(): string;
}

/** What the world looks like to the command; by default no terminal, no variables, no input. */
export interface FakeIoOptions {
  env?: Record<string, string>;
  stdin?: string;
  terminal?: boolean;
  columns?: number;
  signal?: AbortSignal;
}

export function fakeIo(options: FakeIoOptions = {}): FakeIo {
  const { env = {}, stdin = "", terminal = false, columns = 80, signal = new AbortController().signal } = options;
  let out = "";
  let err = "";
  return {
    io: {
      stdout: (text) => void (out += text),
      stderr: (text) => void (err += text),
      stdin: () => Promise.resolve(stdin),
      env: (name) => env[name],
      signal,
      isTerminal: { stdout: terminal, stderr: terminal },
      columns,
    },
    out: () => out,
    err: () => err,
  };
}
