import { type Clock, deadline, sleep } from "../base/clock.ts";
import { asP2pError, P2pError } from "../base/errors.ts";
import type { Fault } from "./manifest.ts";
import type { StateFolder } from "./state_folder.ts";

/** What is asked of the process in which the memory back end lives. */
export type HostRequest =
  | { readonly do: "up" }
  | { readonly do: "down" }
  | { readonly do: "fault"; readonly fault: Fault }
  | { readonly do: "logs"; readonly node: string; readonly lines: number };

interface HostAnswer {
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
}

/** How often is looked for requests and answers, milliseconds. */
const LOOK_MS = 20;

/** How long an answer may take, milliseconds: that of an upgrade of many takes long. */
const ANSWER_MS = 600_000;

/** Asks over files of the state folder, which only the owner may write to. @throws {P2pError} what the host failed with, `deadline`, `node_died`; the signal's reason */
export async function askHost<T>(
  folder: StateFolder,
  request: HostRequest,
  options: { id: string; runs: () => Promise<boolean>; clock: Clock; signal?: AbortSignal; withinMs?: number },
): Promise<T> {
  const { id, runs, clock, signal, withinMs = ANSWER_MS } = options;
  using limit = deadline(clock, withinMs, "An answer of the host", signal);
  await folder.write(`requests/${id}.request`, JSON.stringify(request));
  for (;;) {
    const alive = await runs();
    const text = await readIfThere(folder.file("requests", `${id}.answer`));
    if (text !== undefined) {
      await Deno.remove(folder.file("requests", `${id}.answer`));
      const { value, error } = JSON.parse(text) as HostAnswer;
      if (error !== undefined) throw new P2pError(error.code, error.message, { hint: error.hint });
      return value as T;
    }
    if (!alive) throw new P2pError("node_died", "The process of the memory back end ended");
    await sleep(clock, LOOK_MS, limit.signal);
  }
}

/** Answers requests, one after the other, until the signal aborts. */
export async function answerRequests(
  folder: StateFolder,
  serve: (request: HostRequest) => Promise<unknown>,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    for await (const { name } of Deno.readDir(folder.file("requests"))) {
      if (!name.endsWith(".request")) continue;
      const path = folder.file("requests", name);
      const request: HostRequest = JSON.parse(await Deno.readTextFile(path));
      await Deno.remove(path);
      await folder.write(
        `requests/${name.replace(/request$/, "answer")}`,
        JSON.stringify(await answerOf(serve, request)),
      );
    }
    await sleep(clock, LOOK_MS, signal).catch(() => undefined); // the loop ends then
  }
}

async function answerOf(serve: (request: HostRequest) => Promise<unknown>, request: HostRequest): Promise<HostAnswer> {
  try {
    return { value: await serve(request) };
  } catch (caught) {
    const { code, message, hint } = asP2pError("localnet_failed", caught);
    return { error: { code, message, hint } };
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
