import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { FrameDecoder } from "../../src/codec/frame.ts";
import { type ControlFrame, readControlFrame, writeControlFrame } from "../../src/transport/control_frame.ts";

const frames: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.record({ type: fc.constantFrom("ping" as const, "pong" as const), nonce: fc.maxSafeNat() }, {
    noNullPrototype: true,
  }),
  fc.record({ type: fc.constant("credit" as const), channel: fc.nat(16_383), bytes: fc.maxSafeNat() }, {
    noNullPrototype: true,
  }),
);

function encode(frame: ControlFrame): Uint8Array {
  const out = new ByteWriter();
  writeControlFrame(out, frame);
  const bodies: Uint8Array[] = [];
  new FrameDecoder((channel, flags, body) => {
    assertEquals([channel, flags], [0, 0]);
    bodies.push(body);
  }).push(out.bytes().slice());
  assertEquals(bodies.length, 1);
  return bodies[0];
}

Deno.test("readControlFrame() reads what writeControlFrame() wrote, on channel 0", () => {
  fc.assert(fc.property(frames, (frame) => assertEquals(readControlFrame(encode(frame)), frame)), { seed: 81 });
});

Deno.test("readControlFrame() refuses empty, truncated and overlong frames", () => {
  const code = (bytes: Uint8Array) => assertThrows(() => readControlFrame(bytes), ProtocolError).code;
  assertEquals(code(new Uint8Array()), "control_malformed");
  fc.assert(
    fc.property(frames, (frame) => {
      const body = encode(frame);
      for (let length = 0; length < body.length; length++) {
        assertEquals(code(body.subarray(0, length)), "control_malformed");
      }
      assertEquals(code(Uint8Array.of(...body, 0)), "control_malformed");
    }),
    { seed: 82 },
  );
});

Deno.test("readControlFrame() leaves kinds of later releases alone", () => {
  for (const kind of [0, 4, 99, 255]) assertEquals(readControlFrame(Uint8Array.of(kind, 1, 2, 3)), undefined);
});

Deno.test("readControlFrame() reads or refuses random bytes", () => {
  const random = seededRandom(83);
  for (let round = 0; round < 20_000; round++) {
    const body = random.fill(new Uint8Array(below(random, 24)));
    if (body.length > 0) body[0] = below(random, 5);
    try {
      const frame = readControlFrame(body);
      if (frame !== undefined) assert(["ping", "pong", "credit"].includes(frame.type));
    } catch (error) {
      assert(
        error instanceof ProtocolError && /^(control_malformed|varint_\w+)$/.test(error.code),
        `seed 83, ${round}`,
      );
    }
  }
});
