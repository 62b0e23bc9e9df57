import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

Deno.test("VirtualClock stands still until told to move", async () => {
  const clock = new VirtualClock(1000);
  assertEquals([clock.now(), clock.wall()], [1000, 1000]);
  await clock.advance(250);
  assertEquals([clock.now(), clock.wall()], [1250, 1250]);
});

Deno.test("VirtualClock fires timers in the order of their times, those of one instant as they were set", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 30 }), async (delays) => {
      const clock = new VirtualClock();
      const fired: [at: number, index: number][] = [];
      delays.forEach((ms, index) => clock.after(ms, () => fired.push([clock.now(), index])));
      await clock.advance(20);
      const expected = delays.map((ms, index): [number, number] => [ms, index]).sort(([a, i], [b, j]) =>
        a - b || i - j
      );
      assertEquals(fired, expected);
      assertEquals(clock.pending, 0);
    }),
    { seed: 51, numRuns: 20 },
  );
});

Deno.test("VirtualClock lets promises settle between two timers", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  clock.after(1, () => {
    void (async () => {
      for (let i = 0; i < 20; i++) await undefined;
      seen.push("settled");
    })();
  });
  clock.after(1, () => seen.push("second"));
  await clock.advance(1);
  assertEquals(seen, ["settled", "second"]);
});

Deno.test("VirtualClock fires timers that timers set, if they fall due in time", async () => {
  const clock = new VirtualClock();
  const fired: number[] = [];
  const again = () => {
    fired.push(clock.now());
    clock.after(10, again);
  };
  clock.after(10, again);
  await clock.advance(35);
  assertEquals([fired, clock.pending, clock.now()], [[10, 20, 30], 1, 35]);
});

Deno.test("VirtualClock's cancel takes a timer back; a time in the past is now", async () => {
  const clock = new VirtualClock();
  let fired = 0;
  const cancel = clock.after(5, () => fired++);
  cancel();
  cancel();
  clock.after(-5, () => fired += 10);
  assertEquals(clock.pending, 1);
  await clock.advance(10);
  assertEquals([fired, clock.pending], [10, 0]);
});

Deno.test("VirtualClock.runUntil() stops at the instant at which it is reached, and at its limit", async () => {
  const clock = new VirtualClock();
  let fired = 0;
  for (const ms of [10, 20, 30]) clock.after(ms, () => fired++);
  await clock.runUntil(() => fired === 2, 100);
  assertEquals([clock.now(), fired], [20, 2]);
  await clock.runUntil(() => false, 100);
  assertEquals([clock.now(), fired, clock.pending], [100, 3, 0]);
});

Deno.test("VirtualClock.advance() rejects with what a timer throws, and goes on afterwards", async () => {
  const clock = new VirtualClock();
  const thrown = new Error("timer");
  let fired = 0;
  clock.after(1, () => {
    throw thrown;
  });
  clock.after(2, () => fired++);
  assertEquals(await clock.advance(5).catch((error) => error), thrown);
  await clock.advance(5);
  assertEquals(fired, 1);
});
