import { assert, assertEquals, assertLess, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import {
  CHANNEL_ID_MAX,
  FRAME_BODY_BYTES_MAX,
  FRAME_HEADER_BYTES_MAX,
  FrameDecoder,
  MORE,
  writeFrame,
} from "../../src/codec/frame.ts";

interface Frame {
  channel: number;
  flags: number;
  body: Uint8Array;
}

const frames = fc.array(
  fc.record({
    channel: fc.oneof(fc.nat(CHANNEL_ID_MAX), fc.constantFrom(0, 127, 128, CHANNEL_ID_MAX)),
    flags: fc.nat(255),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(0, 125, 126, 16380, 16381, 16382, FRAME_BODY_BYTES_MAX).map((size) =>
        new Uint8Array(size).fill(size)
      ),
    ),
  }, { noNullPrototype: true }),
  { maxLength: 12 },
);

function encode(list: Frame[]): Uint8Array {
  const out = new ByteWriter();
  for (const { channel, flags, body } of list) writeFrame(out, channel, flags, body);
  return out.bytes().slice();
}

function decoder(): { decoder: FrameDecoder; got: Frame[] } {
  const got: Frame[] = [];
  return { decoder: new FrameDecoder((channel, flags, body) => void got.push({ channel, flags, body })), got };
}

/** Pushes `stream` in chunks of random sizes; returns the frames and the code of the error, if there was one. */
function decode(stream: Uint8Array, chunkBytes: () => number): { got: Frame[]; code: string | undefined } {
  const { decoder: target, got } = decoder();
  try {
    for (let at = 0; at < stream.length;) {
      const end = Math.min(stream.length, at + chunkBytes());
      // A copy: nothing may depend on what lies behind a chunk.
      target.push(stream.slice(at, end));
      at = end;
    }
  } catch (error) {
    assert(error instanceof ProtocolError, String(error));
    return { got, code: error.code };
  }
  return { got, code: undefined };
}

Deno.test("FrameDecoder cuts out the frames that writeFrame() wrote, however the stream is chunked", () => {
  fc.assert(
    fc.property(frames, fc.nat(), (list, seed) => {
      const random = seededRandom(seed);
      const stream = encode(list);
      const most = [1, 2, 7, 1000, 200_000][below(random, 5)];
      if (most === 1 && stream.length > 20_000) return;
      assertEquals(decode(stream, () => below(random, most + 1)).got, list);
    }),
    { seed: 31 },
  );
});

Deno.test("writeFrame() writes length, channel, flags and body, at most FRAME_HEADER_BYTES_MAX before the body", () => {
  const out = new ByteWriter();
  writeFrame(out, 1, 0, Uint8Array.of(0xaa));
  writeFrame(out, 300, MORE, new Uint8Array());
  assertEquals(out.bytes().toHex(), "03" + "01" + "00" + "aa" + "03" + "ac02" + "01");
  out.clear();
  writeFrame(out, CHANNEL_ID_MAX, 0, new Uint8Array(FRAME_BODY_BYTES_MAX));
  assertEquals(out.length, FRAME_BODY_BYTES_MAX + FRAME_HEADER_BYTES_MAX);
});

Deno.test("FrameDecoder hands out views of the chunk where a frame lies within it", () => {
  const { decoder: target, got } = decoder();
  const chunk = encode([0, 1, 2].map((channel) => ({ channel, flags: 0, body: new Uint8Array(1000) })));
  target.push(chunk);
  assertEquals(got.length, 3);
  for (const { body } of got) assertStrictEquals(body.buffer, chunk.buffer);
});

Deno.test("FrameDecoder copies only the frame that spans two chunks, not what follows it", () => {
  const { decoder: target, got } = decoder();
  const stream = encode([1, 2, 3].map((channel) => ({ channel, flags: 0, body: new Uint8Array(1000).fill(channel) })));
  const second = stream.slice(500);
  target.push(stream.slice(0, 500));
  target.push(second);
  assertEquals(got.map(({ body }) => body[999]), [1, 2, 3]);
  assertLess(got[0].body.buffer.byteLength, 1100);
  assertStrictEquals(got[1].body.buffer, second.buffer);
  assertStrictEquals(got[2].body.buffer, second.buffer);
});

Deno.test("FrameDecoder never writes to the chunks it keeps views of", () => {
  const { decoder: target } = decoder();
  const stream = encode([{ channel: 1, flags: 0, body: new Uint8Array(100).fill(7) }]);
  const first = stream.slice(0, 40);
  const kept = first.slice();
  target.push(first.subarray(0, 10));
  target.push(first.subarray(10, 20));
  target.push(first.subarray(20));
  assertEquals(first, kept);
});

Deno.test("FrameDecoder refuses what no frame begins with, however it is chunked", () => {
  const table: [hex: string, code: string][] = [
    ["00", "frame_too_short"],
    ["01" + "05", "frame_too_short"],
    ["8000" + "01", "frame_too_short"],
    ["84800400" + "00".repeat(10), "frame_too_long"], // 65,540 bytes, one above the most a length may claim
    ["ffff7f", "frame_too_long"],
    ["808080", "frame_too_long"],
    ["82808000" + "0100", "frame_too_long"], // 2, written in four bytes
    ["ff".repeat(12), "frame_too_long"],
    ["02" + "8001", "frame_bad_channel"], // no flags behind the channel
    ["04" + "80800100", "frame_bad_channel"], // a channel of three bytes
    ["06" + "ffffffffff01", "frame_bad_channel"],
  ];
  for (const [hex, code] of table) {
    for (const size of [1, 2, 3, 100]) {
      assertEquals(decode(Uint8Array.fromHex(hex), () => size).code, code, `${hex} in chunks of ${size}`);
    }
  }
});

Deno.test("FrameDecoder refuses a body one byte over the limit that hides behind a short channel", () => {
  const stream = new Uint8Array(FRAME_BODY_BYTES_MAX + 6);
  stream.set(Uint8Array.fromHex("83800400"), 0); // length 65,539: channel 0, flags, a body of 65,537
  assertEquals(decode(stream, () => 5000).code, "frame_too_long");
});

Deno.test("FrameDecoder waits silently for the rest of a truncated stream", () => {
  const stream = encode([{ channel: 200, flags: 0, body: new Uint8Array(300) }]);
  for (let length = 0; length < stream.length; length++) {
    assertEquals(decode(stream.subarray(0, length), () => 1000), { got: [], code: undefined });
  }
});

Deno.test("FrameDecoder gives the same frames and the same error on mutated streams, however they are chunked", () => {
  const random = seededRandom(32);
  for (let round = 0; round < 1500; round++) {
    const list = Array.from({ length: 1 + below(random, 6) }, () => ({
      channel: below(random, CHANNEL_ID_MAX + 1),
      flags: below(random, 2),
      body: random.fill(new Uint8Array(below(random, 200))),
    }));
    const stream = encode(list);
    for (let flips = 1 + below(random, 4); flips > 0; flips--) {
      stream[below(random, stream.length)] = below(random, 256);
    }
    const cut = stream.subarray(0, below(random, stream.length + 1));
    const whole = decode(cut, () => cut.length);
    assertEquals(decode(cut, () => 1), whole, `seed 32, round ${round}, in single bytes`);
    assertEquals(decode(cut, () => below(random, 40)), whole, `seed 32, round ${round}, in random chunks`);
  }
});

Deno.test("FrameDecoder survives random bytes with a documented error", () => {
  const random = seededRandom(33);
  const codes = new Set<string | undefined>();
  for (let round = 0; round < 3000; round++) {
    const { code } = decode(random.fill(new Uint8Array(below(random, 300))), () => 1 + below(random, 50));
    codes.add(code);
  }
  codes.delete(undefined);
  assertEquals([...codes].sort(), ["frame_bad_channel", "frame_too_long", "frame_too_short"]);
});

Deno.test("FrameDecoder's memory follows what arrived, not what a length claims", () => {
  // Each claims 65,539 bytes and sends 100 of them, byte by byte.
  const decoders = Array.from({ length: 20_000 }, () => new FrameDecoder(() => {}));
  const before = Deno.memoryUsage();
  for (const target of decoders) {
    target.push(Uint8Array.fromHex("838004"));
    for (let i = 0; i < 40; i++) target.push(Uint8Array.of(0));
  }
  const after = Deno.memoryUsage();
  const grown = after.heapUsed + after.external - before.heapUsed - before.external;
  assertLess(grown, 20_000 * 4000, "a sixteenth of what is claimed");
  // They still wait for the rest of it.
  assertThrows(() => decoders[0].push(Uint8Array.fromHex("ff".repeat(70_000))), ProtocolError);
});
