import { assertEquals, assertRejects } from "@std/assert";
import { AdminError } from "../../src/admin/admin_error.ts";
import { ReadGate } from "../../src/admin/read_gate.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

const NOW = Promise.resolve();
const NEVER = new AbortController().signal;

Deno.test("ReadGate rests after a long read as long as it took, and not after a short one", async () => {
  const clock = new VirtualClock();
  const gate = new ReadGate(clock, NEVER);
  const took = (ms: number) => gate.run(() => clock.advance(ms).then(() => clock.now()), NOW);
  assertEquals(await took(1), 1);
  assertEquals(await took(40), 41);
  let read = false;
  const next = gate.run(() => read = true, NOW);
  await clock.advance(39);
  assertEquals(read, false);
  await clock.advance(1);
  await next;
  assertEquals([read, clock.now()], [true, 81]);
  // However long one took.
  await took(10_000);
  const last = gate.run(() => clock.now(), NOW);
  await clock.advance(250);
  assertEquals(await last, 10_331);
});

Deno.test("ReadGate holds so many until they are delivered, whoever fails or goes away", async () => {
  const gate = new ReadGate(new VirtualClock(), NEVER);
  const { promise: delivered, resolve: deliver } = Promise.withResolvers<void>();
  for (let i = 0; i < 127; i++) await gate.run(() => i, delivered);
  await assertRejects(() => gate.run(() => Promise.reject(new Error("broken")), delivered), Error, "broken");
  const refused = await assertRejects(() => gate.run(() => 0, NOW), AdminError);
  assertEquals([refused.status, refused.code], [503, "admin_busy"]);
  deliver();
  await delivered;
  // One after the other they leave.
  for (let i = 0; i < 10; i++) await NOW;
  assertEquals(await gate.run(() => 1, NOW), 1);
});

Deno.test("ReadGate lets down who waits when the server closes", async () => {
  const clock = new VirtualClock();
  const closing = new AbortController();
  const gate = new ReadGate(clock, closing.signal);
  await gate.run(() => clock.advance(100), NOW);
  const waiting = [gate.run(() => 1, NOW), gate.run(() => 2, NOW)];
  closing.abort(new Error("closed"));
  for (const each of waiting) await assertRejects(() => each, Error, "closed");
});
