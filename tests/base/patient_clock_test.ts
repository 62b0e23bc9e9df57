import { assert, assertAlmostEquals, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { Clock } from "../../src/base/clock.ts";
import { PatientClock } from "../../src/base/patient_clock.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

Deno.test("PatientClock fires in order, when the time has come, and not what was cancelled", async () => {
  const virtual = new VirtualClock();
  const clock = PatientClock.of(virtual);
  const fired: [what: string, at: number][] = [];
  const set = (ms: number) => clock.after(ms, () => fired.push([`${ms}`, virtual.now()]));
  const start = virtual.now();
  for (const ms of [60, 10, 30]) set(ms);
  set(20)();
  clock.after(40, () => set(5));
  await virtual.advance(100);
  assertEquals(fired.map(([what, at]) => [what, at - start]), [["10", 10], ["30", 30], ["5", 45], ["60", 60]]);
  // Idle: time is the inner clock's, and no timer is left.
  await virtual.advance(5000);
  assertEquals(clock.now() - fired[0][1] >= 5000, true);
});

Deno.test("PatientClock does together what is due within three milliseconds, and wakes up once for it", async () => {
  const virtual = new VirtualClock();
  let armed = 0;
  const inner: Clock = {
    now: () => virtual.now(),
    wall: () => virtual.wall(),
    after: (ms, fire) => (armed++, virtual.after(ms, fire)),
  };
  const clock = PatientClock.of(inner);
  const start = virtual.now();
  const fired: number[] = [];
  const every = (ms: number, times: number): void =>
    void clock.after(ms, () => {
      fired.push(virtual.now() - start);
      if (times > 1) every(ms, times - 1);
    });
  every(20, 3);
  every(10, 6);
  const together: number[] = [];
  for (const ms of [17, 16]) clock.after(ms, () => together.push(virtual.now() - start));
  armed = 0;
  await virtual.advance(100);
  assertEquals([fired, together], [[10, 20, 20, 30, 40, 40, 50, 60, 60], [17, 17]]);
  assertEquals(armed, 6); // for 17, 20, 30, 40, 50 and 60
});

Deno.test("PatientClock.of() is one for all who go by the same clock", () => {
  const [one, other] = [new VirtualClock(), new VirtualClock()];
  assertStrictEquals(PatientClock.of(one), PatientClock.of(one));
  assert(PatientClock.of(one) !== PatientClock.of(other));
});

Deno.test("PatientClock goes on for the others when one throws, cancels within a tick, and lets nobody starve", async () => {
  const virtual = new VirtualClock();
  let pending: (() => void) | undefined;
  const inner: Clock = {
    now: () => virtual.now(),
    wall: () => virtual.wall(),
    after: (_ms, fire) => {
      pending = fire;
      return () => pending = undefined;
    },
  };
  const tick = (): void => {
    const fire = pending!;
    pending = undefined;
    fire();
  };
  const clock = PatientClock.of(inner);
  const fired: string[] = [];
  clock.after(10, () => fired.push("first"));
  clock.after(10, () => {
    cancelLast();
    throw new Error("boom");
  });
  clock.after(10, () => fired.push("second"));
  const cancelLast = clock.after(10, () => fired.push("last"));
  await virtual.advance(10);
  assertThrows(tick, Error, "boom");
  await virtual.advance(1);
  tick();
  assertEquals([fired, pending], [["first", "second"], undefined]);
  // Somebody always wants to be next: that does not put off what is due.
  clock.after(10, () => fired.push("in time"));
  for (let i = 0; i < 12; i++) {
    clock.after(0, () => {});
    await virtual.advance(0.5);
    clock.after(0, () => {});
    await virtual.advance(0.5);
    tick();
  }
  assertEquals(fired.pop(), "in time");
});

Deno.test("PatientClock slows down for all when what they do takes long, and also when some look at it meanwhile", () => {
  let now = 0;
  let pending: { fire: () => void; atMs: number } | undefined;
  const inner: Clock = {
    now: () => now,
    wall: () => now,
    after(ms, fire) {
      pending = { fire, atMs: now + ms };
      return () => pending = undefined;
    },
  };
  const clock = PatientClock.of(inner);
  const advance = (): void => {
    const { fire, atMs } = pending!;
    pending = undefined;
    now = Math.max(now, atMs);
    fire();
  };
  // 27 that work for 20 ms every 25.
  const again = (): void => {
    clock.after(25, () => {
      now += 20;
      again();
    });
  };
  for (let i = 0; i < 27; i++) again();
  const start = clock.now();
  while (now < 20_000) advance();
  assert(clock.now() - start < 1500, `${clock.now() - start} of ${now} ms`);
  // Held up for half a second each time; every 10 ms somebody sets a timer.
  const [before, innerBefore] = [clock.now(), now];
  while (now < innerBefore + 10_000) {
    for (let i = 0; i < 50; i++, now += 10) clock.after(50, () => {});
    advance();
  }
  assert(clock.now() - before < 300, `${clock.now() - before} of ${now - innerBefore} ms`);
});

Deno.test("PatientClock slows down while the process is held up, and not while it only waits for nothing", () => {
  let now = 0;
  let pending: (() => void) | undefined;
  const inner: Clock = {
    now: () => now,
    wall: () => now,
    after(_ms, fire) {
      pending = fire;
      return () => pending = undefined;
    },
  };
  const clock = PatientClock.of(inner);
  now = 1000;
  assertEquals(clock.now(), 1000);
  let fired = false;
  clock.after(200, () => fired = true);
  // Each tick of 25 ms comes after 100: it counts for 6.25.
  for (let i = 0; i < 4; i++) {
    now += 100;
    pending!();
  }
  assertAlmostEquals(clock.now(), 1025, 0.01);
  // Paused for ten seconds: next to nothing.
  now += 10_000;
  pending!();
  assertEquals([clock.now() < 1026, fired], [true, false]);
  // It keeps up again.
  for (let i = 0; i < 8; i++) {
    now += 25;
    pending?.();
  }
  assertEquals(fired, true);
});

Deno.test("PatientClock slows down no more for who waits in small steps while the process is always late", () => {
  for (const waitMs of [1, 3, 10, 25]) {
    let now = 0;
    let pending: { fire: () => void; atMs: number } | undefined;
    const inner: Clock = {
      now: () => now,
      wall: () => now,
      after(ms, fire) {
        pending = { fire, atMs: now + ms };
        return () => pending = undefined;
      },
    };
    const clock = PatientClock.of(inner);
    let fired = 0;
    const again = (): void => void clock.after(waitMs, () => (fired++, again()));
    again();
    const start = clock.now();
    // 20 ms late each time: time runs at (25 / 45)^2 of its speed.
    while (now < 10_000) {
      const { fire, atMs } = pending!;
      pending = undefined;
      now = atMs + 20;
      fire();
    }
    assertAlmostEquals((clock.now() - start) / now, (25 / 45) ** 2, 0.02, `steps of ${waitMs} ms`);
    assert(fired > 0);
  }
});
