import { assert, assertAlmostEquals, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { Clock } from "../../src/base/clock.ts";
import { PatientClock } from "../../src/base/patient_clock.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

/** A clock that goes when it is told to, with one timer, which fires when it is told to. */
class HandClock implements Clock {
  nowMs = 0;
  pending: (() => void) | undefined;
  dueMs = Infinity;

  now(): number {
    return this.nowMs;
  }

  wall(): number {
    return this.nowMs;
  }

  after(ms: number, fire: () => void): () => void {
    this.pending = fire;
    this.dueMs = this.nowMs + ms;
    return () => this.pending = undefined;
  }

  /** Makes it `nowMs` and fires. */
  fire(nowMs: number): void {
    this.nowMs = nowMs;
    const fire = this.pending!;
    this.pending = undefined;
    fire();
  }
}

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

Deno.test("PatientClock goes on for the others when one throws, cancels within a tick, and lets nobody starve", () => {
  const inner = new HandClock();
  const tick = (): void => inner.fire(inner.nowMs);
  const clock = PatientClock.of(inner);
  const fired: string[] = [];
  clock.after(10, () => fired.push("first"));
  clock.after(10, () => {
    cancelLast();
    throw new Error("boom");
  });
  clock.after(10, () => fired.push("second"));
  const cancelLast = clock.after(10, () => fired.push("last"));
  inner.nowMs += 10;
  assertThrows(tick, Error, "boom");
  inner.nowMs += 1;
  tick();
  assertEquals([fired, inner.pending], [["first", "second"], undefined]);
  // Somebody always wants to be next: that does not put off what is due.
  clock.after(10, () => fired.push("in time"));
  for (let i = 0; i < 12; i++) {
    clock.after(0, () => {});
    inner.nowMs += 0.5;
    clock.after(0, () => {});
    inner.nowMs += 0.5;
    tick();
  }
  assertEquals(fired.pop(), "in time");
});

Deno.test("PatientClock slows down for all when what they do takes long, and also when some look at it meanwhile", () => {
  const inner = new HandClock();
  const clock = PatientClock.of(inner);
  const advance = (): void => inner.fire(Math.max(inner.nowMs, inner.dueMs));
  // 27 that work for 20 ms every 25.
  const again = (): void => {
    clock.after(25, () => {
      inner.nowMs += 20;
      again();
    });
  };
  for (let i = 0; i < 27; i++) again();
  const start = clock.now();
  while (inner.nowMs < 20_000) advance();
  assert(clock.now() - start < 1500, `${clock.now() - start} of ${inner.nowMs} ms`);
  // Held up for half a second each time; every 10 ms somebody sets a timer.
  const [before, innerBefore] = [clock.now(), inner.nowMs];
  while (inner.nowMs < innerBefore + 10_000) {
    for (let i = 0; i < 50; i++, inner.nowMs += 10) clock.after(50, () => {});
    advance();
  }
  assert(clock.now() - before < 300, `${clock.now() - before} of ${inner.nowMs - innerBefore} ms`);
});

Deno.test("PatientClock slows down while the process is held up, and not while it only waits for nothing", () => {
  const inner = new HandClock();
  const clock = PatientClock.of(inner);
  inner.nowMs = 1000;
  assertEquals(clock.now(), 1000);
  let fired = false;
  clock.after(200, () => fired = true);
  // Each tick of 25 ms comes after 100: it counts for 6.25.
  for (let i = 0; i < 4; i++) {
    inner.fire(inner.nowMs + 100);
  }
  assertAlmostEquals(clock.now(), 1025, 0.01);
  // Paused for ten seconds: next to nothing.
  inner.fire(inner.nowMs + 10_000);
  assertEquals([clock.now() < 1026, fired], [true, false]);
  // It keeps up again.
  for (let i = 0; i < 8; i++) {
    if (inner.pending) inner.fire(inner.nowMs + 25);
  }
  assertEquals(fired, true);
});

Deno.test("PatientClock slows down no more for who waits in small steps while the process is always late", () => {
  for (const waitMs of [1, 3, 10, 25]) {
    const inner = new HandClock();
    const clock = PatientClock.of(inner);
    let fired = 0;
    const again = (): void => void clock.after(waitMs, () => (fired++, again()));
    again();
    const start = clock.now();
    // 20 ms late each time: time runs at (25 / 45)^2 of its speed.
    while (inner.nowMs < 10_000) {
      inner.fire(inner.dueMs + 20);
    }
    assertAlmostEquals((clock.now() - start) / inner.nowMs, (25 / 45) ** 2, 0.02, `steps of ${waitMs} ms`);
    assert(fired > 0);
  }
});
