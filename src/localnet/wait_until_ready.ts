import { type Clock, deadline, sleep } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import { AdminClient } from "./admin_client.ts";
import type { Backend, LocalNode } from "./backend.ts";

/** How often is looked, milliseconds. */
const LOOK_MS = 25;

/** How long one node may take to answer a look, milliseconds. */
const ANSWER_MS = 1_000;

/** What {@link waitUntilReady} needs. */
export interface WaitOptions {
  /** How long all may take, milliseconds. */
  withinMs: number;
  /** Time. */
  clock: Clock;
  /** Gives up. */
  signal: AbortSignal;
  /** Throws where waiting is of no use any more. @default {it always is} */
  check?: () => Promise<void>;
}

/**
 * Looks until every node is ready: at one after the other, since nodes that start have no time for questions.
 *
 * @throws {P2pError} `localnet_late` with those that are not; what `check` throws; the signal's reason
 */
export async function waitUntilReady(backend: Backend, { withinMs, clock, signal, check }: WaitOptions): Promise<void> {
  const startMs = clock.now();
  using limit = deadline(clock, withinMs, "Becoming ready", signal);
  const { nodes, token } = (await backend.access())!;
  for (let next = 0;;) {
    while (next < nodes.length && await isReady(nodes[next], token, clock)) next++;
    const late = clock.now() - startMs > withinMs;
    // One that was ready may have lost somebody while we looked at the others.
    if (next === nodes.length && !late && (await backend.status()).ready) return;
    if (next === nodes.length) next = 0;
    await check?.();
    signal.throwIfAborted();
    if (late) throw await lateError(backend, withinMs);
    await sleep(clock, LOOK_MS, limit.signal).catch(() => undefined); // looked at above
  }
}

async function isReady(node: LocalNode, token: string, clock: Clock): Promise<boolean> {
  try {
    return (await new AdminClient(node, { token, clock, timeoutMs: ANSWER_MS }).readiness()).ready;
  } catch (caught) {
    asError(caught); // it does not answer yet
    return false;
  }
}

async function lateError(backend: Backend, withinMs: number): Promise<P2pError> {
  const { nodes } = await backend.status();
  const unready = nodes.filter(({ ready }) => !ready).map(({ name, height, peers }) =>
    height === null ? `${name} does not answer` : `${name} has ${peers} peers`
  );
  const who = unready.length === 0 ? "they are now" : unready.join(", ");
  return new P2pError("localnet_late", `Not all nodes are ready after ${withinMs} ms: ${who}`, {
    hint: "`localnet logs` shows what they say; readyWithinMs gives them more time",
  });
}
