import { setImmediate } from "node:timers";

/** While something is always ready, Deno's event loop looks at the sockets only every 61st time around (`event_interval` of its Tokio runtime). */
const TICKS = 62;

/**
 * Resolves when everything else that is ready has had its turn: timers, and what other sockets have received. Takes about 0.1 ms.
 *
 * A resolved promise, a timer of 0 ms or a single `setImmediate()` does not do that while some other work is always ready.
 */
export async function letOthers(): Promise<void> {
  for (let i = 0; i < TICKS; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
