import { assertEquals } from "@std/assert";
import { Routines } from "../../src/base/routines.ts";
import { settle } from "../../src/sim/virtual_clock.ts";

Deno.test("Routines counts and names what runs, and settled() waits for all of it", async () => {
  const routines = new Routines();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  void routines.start("write b", () => first.promise);
  void routines.start("read a", () => second.promise);
  assertEquals([routines.count, routines.names()], [2, ["read a", "write b"]]);
  let settled = false;
  const done = routines.settled().then(() => settled = true);
  first.resolve();
  await settle();
  assertEquals([routines.names(), settled], [["read a"], false]);
  second.resolve();
  await done;
  assertEquals([routines.count, routines.names()], [0, []]);
});

Deno.test("Routines.settled() also waits for what starts while it waits", async () => {
  const routines = new Routines();
  const late = Promise.withResolvers<void>();
  void routines.start("first", async () => {
    await settle();
    void routines.start("second", () => late.promise);
  });
  let settled = false;
  const done = routines.settled().then(() => settled = true);
  await settle();
  await settle();
  assertEquals([routines.names(), settled], [["second"], false]);
  late.resolve();
  await done;
});

Deno.test("Routines.start() resolves with the routine, and two may have one name", async () => {
  const routines = new Routines();
  const running = [routines.start("read", () => settle()), routines.start("read", () => settle())];
  assertEquals(routines.names(), ["read", "read"]);
  await Promise.all(running);
  assertEquals(routines.count, 0);
});
