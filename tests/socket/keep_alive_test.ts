import { assertAlmostEquals, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { KeepAlive, type KeepAliveOptions } from "../../src/socket/keep_alive.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

function start(options: KeepAliveOptions = { intervalMs: 100, timeoutMs: 30 }) {
  const clock = new VirtualClock();
  const pings: [at: number, nonce: number][] = [];
  let timedOut = 0;
  const keepAlive = new KeepAlive(
    clock,
    (nonce) => void pings.push([clock.now(), nonce]),
    () => void timedOut++,
    options,
  );
  return { clock, pings, keepAlive, timedOut: () => timedOut };
}

Deno.test("KeepAlive pings an interval after each pong, with a new number", async () => {
  const { clock, pings, keepAlive, timedOut } = start();
  assertEquals(clock.pending, 0);
  keepAlive.start();
  await clock.advance(100);
  assertEquals(pings, [[100, 1]]);
  await clock.advance(10);
  assertEquals(keepAlive.pong(1), true);
  await clock.advance(99);
  assertEquals(pings.length, 1);
  await clock.advance(1);
  assertEquals([pings, timedOut()], [[[100, 1], [210, 2]], 0]);
});

Deno.test("KeepAlive says so when a pong is overdue", async () => {
  const { clock, keepAlive, timedOut } = start();
  keepAlive.start();
  await clock.advance(129);
  assertEquals(timedOut(), 0);
  await clock.advance(1);
  assertEquals(timedOut(), 1);
});

Deno.test("KeepAlive uses 10 s and 20 s unless told otherwise", async () => {
  const { clock, pings, keepAlive, timedOut } = start({});
  keepAlive.start();
  await clock.advance(10_000);
  assertEquals([pings.length, timedOut()], [1, 0]);
  await clock.advance(20_000);
  assertEquals(timedOut(), 1);
});

Deno.test("KeepAlive ignores pongs that nobody asked for", async () => {
  const { clock, keepAlive } = start();
  keepAlive.start();
  assertEquals(keepAlive.pong(1), false);
  await clock.advance(100);
  assertEquals([keepAlive.pong(0), keepAlive.pong(2), keepAlive.pong(1), keepAlive.pong(1)], [
    false,
    false,
    true,
    false,
  ]);
});

Deno.test("KeepAlive smooths the round trip by one eighth", async () => {
  const { clock, keepAlive } = start();
  assertEquals(keepAlive.rttMs, undefined);
  let expected: number | undefined;
  for (const [nonce, tookMs] of [[1, 8], [2, 16], [3, 4]]) {
    const measured = keepAlive.measure();
    await clock.advance(tookMs);
    keepAlive.pong(nonce);
    assertEquals(await measured, tookMs);
    expected = expected === undefined ? tookMs : expected + (tookMs - expected) / 8;
    assertAlmostEquals(keepAlive.rttMs!, expected);
  }
});

Deno.test("KeepAlive.measure() joins a ping that is under way", async () => {
  const { clock, pings, keepAlive } = start();
  keepAlive.start();
  await clock.advance(100);
  await clock.advance(3);
  const both = [keepAlive.measure(), keepAlive.measure()];
  await clock.advance(2);
  keepAlive.pong(1);
  assertEquals([await Promise.all(both), pings.length], [[5, 5], 1]);
});

Deno.test("KeepAlive.stop() rejects who waits and leaves no timer, also when a pong comes after it", async () => {
  const { clock, keepAlive, timedOut } = start();
  keepAlive.start();
  const measured = keepAlive.measure();
  const reason = new Error("closed");
  keepAlive.stop(reason);
  assertStrictEquals(await assertRejects(() => measured), reason);
  assertEquals(clock.pending, 0);
  keepAlive.pong(1);
  assertEquals(clock.pending, 0);
  await clock.advance(1000);
  assertEquals(timedOut(), 0);
});
