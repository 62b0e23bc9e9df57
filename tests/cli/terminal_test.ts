import { assertEquals } from "@std/assert";
import type { Clock } from "../../src/base/clock.ts";
import { counted, palette, Progress, table } from "../../src/cli/terminal.ts";
import { fakeIo } from "./fake_io.ts";

Deno.test("table() aligns columns, and colours take no room", () => {
  const { red } = palette(fakeIo({ terminal: true }).io);
  const columns = [{ title: "node" }, { title: "reads", align: "right" as const }, { title: "" }];
  assertEquals(
    table(columns, [["a", 12, red("no")], ["bcdefg", 3, "ok"]]),
    `node    reads\na          12  ${red("no")}\nbcdefg      3  ok\n`,
  );
});

Deno.test("table() of no rows is its titles", () => {
  assertEquals(table([{ title: "node" }, { title: "reads" }], []), "node  reads\n");
});

Deno.test("table() takes more rows than a call takes arguments", () => {
  const text = table([{ title: "node" }], new Array(200_000).fill(["longest cell"]));
  assertEquals(text.length, 5 + 200_000 * 13);
});

Deno.test("counted() counts one in the singular", () => {
  assertEquals([counted(1, "node"), counted(0, "node")], ["1 node", "0 nodes"]);
  assertEquals(counted(2, "delivery", "deliveries"), "2 deliveries");
});

/** A clock whose single timer the test fires. */
function handClock() {
  let fire: (() => void) | undefined;
  const clock: Clock = {
    now: () => 0,
    wall: () => 0,
    after(_ms, callback) {
      fire = callback;
      return () => void (fire = undefined);
    },
  };
  return { clock, fire: () => fire?.(), pending: () => fire !== undefined };
}

Deno.test("Progress shows nothing for work that ends within its delay", () => {
  const { clock, pending } = handClock();
  const { io, err } = fakeIo({ terminal: true });
  {
    using progress = new Progress(io, { clock });
    progress.update("1 of 9");
  }
  assertEquals([err(), pending()], ["", false]);
});

Deno.test("Progress shows the latest line after its delay, cut to the terminal, and wipes it", () => {
  const { clock, fire } = handClock();
  const { io, err } = fakeIo({ terminal: true, columns: 8 });
  {
    using progress = new Progress(io, { clock });
    progress.update("1 of 9");
    progress.update("2 of 9");
    fire();
    progress.update("3 of 9 and more");
  }
  assertEquals(err(), "\r\x1b[K2 of 9\r\x1b[K3 of 9 \r\x1b[K");
});

Deno.test("Progress shows nothing and starts no timer where standard error is no terminal", () => {
  const { clock, pending } = handClock();
  const { io, err } = fakeIo();
  using progress = new Progress(io, { clock });
  progress.update("1 of 9");
  assertEquals([err(), pending()], ["", false]);
});
