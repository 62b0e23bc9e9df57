import { type Clock, deadline, sleep } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import type { NetworkStatus } from "./backend.ts";

/** How often is looked, milliseconds. */
const LOOK_MS = 25;

/** Looks until every node is ready. @throws {P2pError} `localnet_late` with those that are not; what `check` throws; the signal's reason */
export async function waitUntilReady(
  status: () => Promise<NetworkStatus>,
  check: () => Promise<void>,
  options: { withinMs: number; clock: Clock; signal: AbortSignal },
): Promise<void> {
  const { withinMs, clock, signal } = options;
  const startMs = clock.now();
  using limit = deadline(clock, withinMs, "Becoming ready", signal);
  for (;;) {
    const { ready, nodes } = await status();
    const late = clock.now() - startMs > withinMs;
    if (ready && !late) return;
    await check();
    signal.throwIfAborted();
    if (late) {
      const unready = nodes.filter((node) => !node.ready).map(({ name, height, peers }) =>
        height === null ? `${name} does not answer` : `${name} has ${peers} peers`
      );
      const who = unready.length === 0 ? "they are now" : unready.join(", ");
      throw new P2pError("localnet_late", `Not all nodes are ready after ${withinMs} ms: ${who}`, {
        hint: "`localnet logs` shows what they say; readyWithinMs gives them more time",
      });
    }
    await sleep(clock, LOOK_MS, limit.signal).catch(() => undefined); // looked at above
  }
}
