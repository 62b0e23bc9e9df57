import { assertEquals, assertRejects } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { HeldMessages } from "../../src/transport/held_messages.ts";

const bytes = (length: number) => new Uint8Array(length);

async function codeOf(work: Promise<void>): Promise<string> {
  return (await assertRejects(() => work, P2pError)).code;
}

Deno.test("HeldMessages.offer() hands over in order, and past a channel that takes nothing", async () => {
  const held = new HeldMessages();
  const done: string[] = [];
  for (const [channel, length] of [[1, 1], [2, 2], [1, 3], [2, 4]]) {
    void held.hold(channel, bytes(length)).then(() => done.push(`${channel}:${length}`));
  }
  const offered: string[] = [];
  held.offer((channel, { length }) => {
    offered.push(`${channel}:${length}`);
    return channel === 2;
  });
  await Promise.resolve();
  assertEquals([offered, done], [["1:1", "2:2", "2:4"], ["2:2", "2:4"]]);
  assertEquals([held.has(1), held.has(2)], [true, false]);
  held.offer(() => true);
  await Promise.resolve();
  assertEquals([done, held.has(1)], [["2:2", "2:4", "1:1", "1:3"], false]);
});

Deno.test("HeldMessages.hold() refuses beyond 256 messages and beyond 4 MiB, and takes one of any length alone", async () => {
  const many = new HeldMessages();
  const waiting = Array.from({ length: 256 }, () => many.hold(1, bytes(0)));
  assertEquals(await codeOf(many.hold(1, bytes(0))), "messages_no_room");
  many.offer(() => true);
  await Promise.all(waiting);

  const large = new HeldMessages();
  const first = large.hold(1, bytes(5 << 20));
  assertEquals(await codeOf(large.hold(1, bytes(1))), "messages_no_room");
  large.offer(() => true);
  await first;
  const halves = [large.hold(1, bytes(2 << 20)), large.hold(2, bytes(2 << 20))];
  assertEquals(await codeOf(large.hold(3, bytes(1))), "messages_no_room");
  large.offer(() => true);
  await Promise.all(halves);
});

Deno.test("HeldMessages.end() tells whoever waits, and takes in nothing more", async () => {
  const held = new HeldMessages();
  const waiting = codeOf(held.hold(1, bytes(1)));
  held.end(new P2pError("first", "First"));
  held.end(new P2pError("second", "Second"));
  assertEquals([await waiting, await codeOf(held.hold(1, bytes(1)))], ["first", "first"]);
  held.offer(() => {
    throw new Error("nothing waits");
  });
});
