import { assert, assertEquals, assertFalse, assertRejects, assertStrictEquals } from "@std/assert";
import { abortable, deadline, sleep, systemClock } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { settle, VirtualClock } from "../../src/sim/virtual_clock.ts";

/** A signal that counts its listeners. */
function watchedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  return { controller, signal, listeners: () => listeners };
}

Deno.test("sleep() resolves when its time has come and leaves no timer and no listener", async () => {
  const clock = new VirtualClock();
  const { signal, listeners } = watchedSignal();
  let awake = false;
  const slept = sleep(clock, 100, signal).then(() => awake = true);
  await clock.advance(99);
  assertFalse(awake);
  assertEquals([clock.pending, listeners()], [1, 1]);
  await clock.advance(1);
  await slept;
  assertEquals([clock.pending, listeners()], [0, 0]);
});

Deno.test("sleep() rejects with the signal's reason and takes its timer back", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const slept = sleep(clock, 100, controller.signal);
  const reason = new P2pError("stopped", "Enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => slept), reason);
  assertEquals(clock.pending, 0);
  assertStrictEquals(await assertRejects(() => sleep(clock, 100, controller.signal)), reason);
  assertEquals(clock.pending, 0);
});

Deno.test("deadline() aborts with code deadline and names the work", async () => {
  const clock = new VirtualClock();
  using limit = deadline(clock, 50, "The handshake");
  await clock.advance(49);
  assertFalse(limit.signal.aborted);
  await clock.advance(1);
  assert(limit.signal.reason instanceof P2pError);
  assertEquals([limit.signal.reason.code, limit.signal.reason.message], [
    "deadline",
    "The handshake took longer than 50 ms",
  ]);
});

Deno.test("deadline() follows its parent, also one that has aborted already", () => {
  const clock = new VirtualClock();
  const parent = new AbortController();
  {
    using limit = deadline(clock, 50, "Work", parent.signal);
    parent.abort("stop");
    assertEquals(limit.signal.reason, "stop");
  }
  using late = deadline(clock, 50, "Work", parent.signal);
  assertEquals(late.signal.reason, "stop");
});

Deno.test("deadline() leaves no timer and no listener once disposed", () => {
  const clock = new VirtualClock();
  const { controller, signal, listeners } = watchedSignal();
  const limit = deadline(clock, 50, "Work", signal);
  assertEquals([clock.pending, listeners()], [1, 1]);
  limit[Symbol.dispose]();
  assertEquals([clock.pending, listeners()], [0, 0]);
  controller.abort();
  assertFalse(limit.signal.aborted);
});

Deno.test("abortable() settles as the work does and takes its listener back", async () => {
  const { signal, listeners } = watchedSignal();
  assertEquals(await abortable(Promise.resolve(7), signal), 7);
  const failure = new Error("no");
  assertStrictEquals(await assertRejects(() => abortable(Promise.reject(failure), signal)), failure);
  await settle();
  assertEquals(listeners(), 0);
});

Deno.test("abortable() rejects with the signal's reason while the work goes on", async () => {
  const controller = new AbortController();
  const work = Promise.withResolvers<number>();
  const waiting = abortable(work.promise, controller.signal);
  controller.abort("stop");
  assertEquals(await waiting.catch((reason) => reason), "stop");
  // What the work throws afterwards is nobody's: were it unhandled, Deno would fail this test.
  work.reject(new Error("too late"));
  await settle();
});

Deno.test("abortable() with a signal that has aborted swallows what the work still throws", async () => {
  const work = Promise.withResolvers<number>();
  assertEquals(await abortable(work.promise, AbortSignal.abort("stop")).catch((reason) => reason), "stop");
  work.reject(new Error("too late"));
  await settle();
});

Deno.test("systemClock tells monotonic and wall time, fires timers and cancels them", async () => {
  const before = systemClock.now();
  await new Promise<void>((resolve) => systemClock.after(1, resolve));
  assert(systemClock.now() > before);
  assert(Math.abs(systemClock.wall() - Date.now()) < 60_000);
  systemClock.after(1, () => assert(false, "was cancelled"))();
});
