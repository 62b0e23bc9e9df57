import { assertEquals, assertRejects } from "@std/assert";
import type { Network } from "../../bench/side.ts";
import { Spread } from "../../bench/spread.ts";

/** A network that hands each broadcast to the given nodes at once. */
function network(spread: Spread, ...to: number[]): Network {
  return {
    members: [],
    connect: () => Promise.resolve(),
    broadcast(_origin, message) {
      for (const node of to) spread.delivered(node, message);
      return undefined;
    },
    counts: () => ({ bytesWritten: 0, payloads: 0 }),
  };
}

Deno.test("Spread resolves with everybody reached when the last node has the message", async () => {
  using spread = new Spread(4, 16, 50);
  const { reached, elapsedMs } = await spread.toAll(network(spread, 0, 2, 3), 1);
  assertEquals([reached, Number.isFinite(elapsedMs), spread.deliveries], [3, true, 3]);
});

Deno.test("Spread resolves with those reached when patience ends, and takes what comes later for late", async () => {
  using spread = new Spread(4, 16, 0);
  const sent: Uint8Array[] = [];
  const missing = network(spread, 0, 2);
  const { reached, elapsedMs } = await spread.toAll({
    ...missing,
    broadcast(origin, message) {
      sent.push(message);
      return missing.broadcast(origin, message);
    },
  }, 1);
  assertEquals([reached, elapsedMs], [2, Infinity]);
  spread.delivered(3, sent[0]);
  assertEquals(spread.deliveries, 2);
});

Deno.test("Spread rejects when the node cannot broadcast", async () => {
  using spread = new Spread(2, 16, 0);
  const refusing = { ...network(spread), broadcast: () => Promise.reject(new Error("not connected")) };
  await assertRejects(() => spread.toAll(refusing, 0), Error, "not connected");
});
