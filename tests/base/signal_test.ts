import { assertEquals } from "@std/assert";
import { Signal } from "../../src/base/signal.ts";
import { settle } from "../../src/sim/virtual_clock.ts";

Deno.test("Signal wakes the waiting loop once, however often it is raised before the loop looks", async () => {
  const signal = new Signal();
  let wakes = 0;
  const loop = (async () => {
    while (wakes < 3) {
      await signal.raised();
      wakes++;
    }
  })();
  await settle();
  assertEquals(wakes, 0);
  signal.raise();
  await settle();
  assertEquals(wakes, 1);
  for (let i = 0; i < 5; i++) signal.raise();
  await settle();
  // The first raise ended the wait, the second is remembered, the others fall into it.
  assertEquals(wakes, 3);
  await loop;
});

Deno.test("Signal remembers a raise while nobody waits", async () => {
  const signal = new Signal();
  signal.raise();
  signal.raise();
  await signal.raised();
  let woken = false;
  const again = signal.raised().then(() => woken = true);
  await settle();
  assertEquals(woken, false);
  signal.raise();
  await again;
});
