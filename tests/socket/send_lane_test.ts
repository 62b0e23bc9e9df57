import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { FRAME_BODY_BYTES_MAX, FrameDecoder, MORE } from "../../src/codec/frame.ts";
import { SendLane } from "../../src/socket/send_lane.ts";
import { MESSAGE_COST } from "../../src/transport/control_frame.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import { lane } from "./_socket_pair.ts";

function take(from: SendLane): { flags: number; body: Uint8Array } {
  const out = new ByteWriter();
  from.takeFrame(out);
  const frames: { flags: number; body: Uint8Array }[] = [];
  new FrameDecoder((_channel, flags, body) => void frames.push({ flags, body })).push(out.bytes().slice());
  assertEquals(frames.length, 1);
  return frames[0];
}

function filled(options = {}, credit = 1 << 30): SendLane {
  const made = new SendLane(lane(5, options));
  made.credit = credit;
  return made;
}

Deno.test("SendLane is ready only with credit, and a message that began goes on without", () => {
  const sends = filled({}, 0);
  sends.push(new Uint8Array(FRAME_BODY_BYTES_MAX + 10), 0);
  sends.push(new Uint8Array(1), 1);
  assertEquals(sends.ready, false);
  sends.credit = 1;
  assertEquals([sends.ready, sends.nextFrameBytes], [true, FRAME_BODY_BYTES_MAX]);
  assertEquals(take(sends).flags, MORE);
  assertEquals(sends.credit, 1 - (FRAME_BODY_BYTES_MAX + 10 + MESSAGE_COST));
  assertEquals([sends.ready, sends.nextFrameBytes], [true, 10]);
  const last = take(sends);
  assertEquals([last.flags, last.body.length, sends.sent], [0, 10, 1]);
  assertEquals([sends.ready, sends.length], [false, 1]);
});

Deno.test("SendLane cuts messages into frames that join to what was pushed, in order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(100), fc.constantFrom(65_535, 65_536, 65_537, 131_072, 200_000)), { maxLength: 12 }),
      (sizes) => {
        const sends = filled();
        sizes.forEach((size, turn) => sends.push(new Uint8Array(size).fill(turn), turn));
        const got: number[] = [];
        let bytes = 0;
        while (sends.ready) {
          assertEquals(sends.headTurn, got.length);
          const expected = sends.nextFrameBytes;
          const { flags, body } = take(sends);
          assertEquals(body.length, expected);
          assert(body.every((byte) => byte === got.length));
          bytes += body.length;
          if (flags === MORE) continue;
          got.push(bytes);
          bytes = 0;
        }
        assertEquals(got, sizes);
        assertEquals([sends.bytes, sends.length, sends.sent], [0, 0, sizes.length]);
      },
    ),
    { seed: 72, numRuns: 40 },
  );
});

Deno.test("SendLane counts bytes with a cost per message, and one message of any size fits an empty queue", () => {
  const sends = filled({ sendCapacity: 1000 });
  assert(sends.fits(new Uint8Array(5000)));
  sends.push(new Uint8Array(), 0);
  assertEquals(sends.bytes, MESSAGE_COST);
  assert(sends.fits(new Uint8Array(1000 - 2 * MESSAGE_COST)));
  assert(!sends.fits(new Uint8Array(1000 - 2 * MESSAGE_COST + 1)));
  let empty = 1;
  for (; sends.fits(new Uint8Array()); empty++) sends.push(new Uint8Array(), empty);
  assertEquals(empty, Math.floor(1000 / MESSAGE_COST));
});

Deno.test("SendLane.makeRoom() drops the oldest, counts them, and keeps order", () => {
  const sends = filled({ sendCapacity: 4 * (100 + MESSAGE_COST) });
  for (let i = 0; i < 4; i++) sends.push(new Uint8Array(100).fill(i), i);
  const large = new Uint8Array(150).fill(9);
  sends.makeRoom(large);
  sends.push(large, 4);
  assertEquals([sends.droppedOldest, sends.length], [2, 3]);
  assertEquals([take(sends), take(sends), take(sends)].map(({ body }) => body[0]), [2, 3, 9]);
  assertEquals([sends.bytes, sends.sent], [0, 3]);
});

Deno.test("SendLane.makeRoom() never drops a message that has begun, and its rest follows whole", () => {
  const begun = new Uint8Array(FRAME_BODY_BYTES_MAX + 100).fill(1);
  const sends = filled({ sendCapacity: begun.length + 300 });
  sends.push(begun, 0);
  take(sends);
  for (const fill of [2, 3, 4]) {
    const message = new Uint8Array(100).fill(fill);
    if (!sends.fits(message)) sends.makeRoom(message);
    sends.push(message, fill);
  }
  assertEquals([sends.droppedOldest, sends.length], [2, 2]);
  assertEquals(sends.headTurn, 0);
  const rest = take(sends);
  assertEquals([rest.flags, rest.body.length, rest.body[0]], [0, 100, 1]);
  assertEquals(take(sends).body[0], 4);
  assertEquals([sends.bytes, sends.length, sends.sent], [0, 0, 2]);
});

Deno.test("SendLane.room() resolves at half the capacity and when the lane is cleared", async () => {
  const sends = filled({ sendCapacity: 1000 });
  for (let i = 0; i < 5; i++) sends.push(new Uint8Array(100), i);
  let woken = 0;
  void sends.room().then(() => woken++);
  void sends.room().then(() => woken++);
  take(sends);
  await settle();
  assertEquals([woken, sends.bytes], [0, 656]);
  take(sends);
  await settle();
  assertEquals([woken, sends.bytes], [2, 492]);
  const cleared = sends.room();
  sends.clear();
  await cleared;
  assertEquals([sends.droppedClosed, sends.bytes, sends.length, sends.ready], [3, 0, 0, false]);
});

Deno.test("SendLane keeps count and order through thousands of messages without ever running empty", () => {
  const sends = filled();
  sends.push(new Uint8Array(1), 0);
  for (let turn = 1; turn <= 5000; turn++) {
    sends.push(Uint8Array.of(turn & 0xff), turn);
    assertEquals(take(sends).body[0], (turn - 1) & 0xff);
    assertEquals([sends.length, sends.bytes, sends.headTurn], [1, 1 + MESSAGE_COST, turn]);
  }
  assertEquals(sends.sent, 5000);
});
