import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { P2pError } from "../../../src/base/errors.ts";
import { below, seededRandom } from "../../../src/base/random.ts";
import { ByteWriter } from "../../../src/codec/byte_writer.ts";
import { VirtualClock } from "../../../src/sim/virtual_clock.ts";
import { DeadlineQueue } from "../../../src/transport/libp2p/deadline_queue.ts";
import { ReceiveQueue } from "../../../src/transport/libp2p/receive_queue.ts";
import { SendQueue } from "../../../src/transport/libp2p/send_queue.ts";

Deno.test("ReceiveQueue gives back what was pushed, in order, whatever the sizes", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const queue = new ReceiveQueue();
    const pushed: number[] = [], got: number[] = [];
    for (let i = 0; i < 100; i++) {
      if (below(random, 3) > 0) {
        const size = 1 + (below(random, 4) === 0 ? below(random, 20_000) : below(random, 50));
        const chunk = random.fill(new Uint8Array(size));
        pushed.push(...chunk);
        queue.push(chunk);
        if (size <= 50) chunk.fill(0); // small chunks are copies, the record they lie in is free again
      } else got.push(...queue.shift() ?? []);
      assertEquals(queue.bytes, pushed.length - got.length);
    }
    got.push(...queue.takeAll());
    assertEquals(got, pushed, `replay with seed ${seed}`);
    assertStrictEquals(queue.shift(), undefined);
  }
});

Deno.test("ReceiveQueue holds about as much memory as it holds bytes, even for single bytes of large records", () => {
  const queue = new ReceiveQueue();
  for (let i = 0; i < 1_000; i++) {
    const record = new Uint8Array(64 * 1024);
    for (let j = 0; j < 100; j++) queue.push(record.subarray(j, j + 1));
  }
  const blocks = new Set<ArrayBufferLike>();
  for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) blocks.add(chunk.buffer);
  const held = [...blocks].reduce((sum, block) => sum + block.byteLength, 0);
  assert(held < 150_000, `${held} bytes held for 100000`);
});

Deno.test("SendQueue.push() waits above 256 KiB until half of it is taken", async () => {
  const queue = new SendQueue();
  const out = new ByteWriter();
  await queue.push(new Uint8Array(256 * 1024));
  let room = false;
  const waiting = queue.push(new Uint8Array(1)).then(() => room = true);
  queue.take(out, 100 * 1024);
  await Promise.resolve();
  assertStrictEquals(room, false);
  queue.take(out, 100 * 1024);
  await waiting;
  assertEquals(queue.bytes, 56 * 1024 + 1);
});

Deno.test("SendQueue refuses a writer that does not wait, and tells waiting ones why it ends", async () => {
  const queue = new SendQueue();
  const waiting = queue.push(new Uint8Array(32 << 20));
  const error = await assertRejects(() => queue.push(new Uint8Array(1)), P2pError);
  assertEquals(error.code, "stream_write_overrun");
  queue.abort(new P2pError("connection_lost", "gone"));
  assertEquals((await assertRejects(() => waiting, P2pError)).code, "connection_lost");
});

Deno.test("DeadlineQueue expires items in time, one timer for all", async () => {
  const clock = new VirtualClock();
  const expired: string[] = [];
  const queue = new DeadlineQueue<string>(clock, 100, (item) => expired.push(`${item} at ${clock.now()}`));
  queue.add("a");
  await clock.advance(30);
  queue.add("b");
  queue.add("c");
  assertEquals(clock.pending, 1);
  queue.delete("b");
  await clock.advance(80);
  assertEquals(expired, ["a at 100"]);
  queue.add("c");
  await clock.advance(90);
  assertEquals(expired, ["a at 100"]);
  await clock.advance(10);
  assertEquals(expired, ["a at 100", "c at 210"]);
  assertEquals([clock.pending, queue.size], [0, 0]);
});

Deno.test("DeadlineQueue.clear() leaves no timer", async () => {
  const clock = new VirtualClock();
  const queue = new DeadlineQueue<number>(clock, 100, () => assert(false));
  queue.add(1);
  queue.clear();
  assertEquals(clock.pending, 0);
  await clock.advance(1000);
});

Deno.test("DeadlineQueue lets an expired item start anew from within its callback", async () => {
  const clock = new VirtualClock();
  let count = 0;
  const queue: DeadlineQueue<number> = new DeadlineQueue(clock, 100, (item) => {
    if (++count < 3) queue.add(item);
  });
  queue.add(1);
  await clock.advance(1000);
  assertEquals([count, clock.pending], [3, 0]);
});
