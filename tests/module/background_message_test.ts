import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import protobuf from "protobufjs";
import { ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { ProtoWriter } from "../../src/codec/proto.ts";
import { backgroundMessageCodec } from "../../src/module/background_message.ts";
import { encodeEnvelope, type PocketEnvelope } from "../../src/raintree/envelope.ts";

const { root } = protobuf.parse(`syntax = "proto3"; message BackgroundMessage { bytes data = 1; }`);
const Background = root.lookupType("BackgroundMessage");

const envelopes: fc.Arbitrary<PocketEnvelope> = fc.record({
  typeUrl: fc.string({ minLength: 1 }),
  value: fc.uint8Array(),
  nonce: fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
}, { noNullPrototype: true });

Deno.test("backgroundMessageCodec reads what it wrote, and is read by protobufjs", () => {
  fc.assert(
    fc.property(envelopes, (envelope) => {
      const bytes = backgroundMessageCodec.encode(envelope);
      assertEquals(backgroundMessageCodec.decode(bytes), envelope);
      const { data } = Background.decode(bytes) as unknown as { data: Uint8Array };
      assertEquals(new Uint8Array(data), encodeEnvelope(envelope));
      const theirs = new Uint8Array(Background.encode({ data: encodeEnvelope(envelope) }).finish());
      assertEquals(theirs, bytes);
    }),
    { seed: 131 },
  );
});

Deno.test("backgroundMessageCodec.decode() ignores unknown fields, and refuses a bare envelope or none", () => {
  const envelope: PocketEnvelope = { typeUrl: "a", value: Uint8Array.of(5), nonce: 3n };
  const inner = encodeEnvelope(envelope);
  const bytes = new ProtoWriter().uint(4, 9).bytes(1, inner).bytes(2, Uint8Array.of(1)).finish();
  assertEquals(backgroundMessageCodec.decode(bytes), envelope);
  const code = (bytes: Uint8Array) => assertThrows(() => backgroundMessageCodec.decode(bytes), ProtocolError).code;
  assertEquals(code(new Uint8Array()), "envelope_zero_nonce");
  assertEquals(code(new ProtoWriter().uint(1, 3).finish()), "proto_wrong_type");
  code(inner);
});

Deno.test("backgroundMessageCodec.decode() returns or throws a ProtocolError whatever the bytes", () => {
  const seed = 132;
  const random = seededRandom(seed);
  const whole = backgroundMessageCodec.encode({ typeUrl: "type/x", value: new Uint8Array(30), nonce: 7n });
  let read = 0;
  for (let i = 0; i < 10_000; i++) {
    const bytes = i % 2 === 0
      ? random.fill(new Uint8Array(below(random, 40)))
      : whole.slice(0, whole.length - below(random, 3));
    if (i % 2 === 1) bytes[below(random, bytes.length)] ^= 1 << below(random, 8);
    try {
      assert(backgroundMessageCodec.decode(bytes).nonce !== 0n);
      read++;
    } catch (error) {
      assertInstanceOf(error, ProtocolError, `seed ${seed}, input ${i}`);
    }
  }
  assert(read > 100, `only ${read} inputs were read`);
});
