import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import protobuf from "protobufjs";
import { ProtocolError } from "../../src/base/errors.ts";
import { below, type Random, seededRandom } from "../../src/base/random.ts";
import { ProtoWriter } from "../../src/codec/proto.ts";
import { decodeEnvelope, encodeEnvelope, randomNonce } from "../../src/raintree/envelope.ts";

const seed = 0xe9f;

const { root } = protobuf.parse(
  `
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message PocketEnvelope { Any content = 1; uint64 nonce = 2; }`,
  { keepCase: true },
);
const Reference = root.lookupType("PocketEnvelope");

const envelopes = fc.record({
  typeUrl: fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" }),
  value: fc.uint8Array({ maxLength: 300 }),
  nonce: fc.bigInt(1n, (1n << 64n) - 1n),
}, { noNullPrototype: true });

Deno.test("decodeEnvelope() reads what encodeEnvelope() wrote", () => {
  fc.assert(
    fc.property(envelopes, (envelope) => assertEquals(decodeEnvelope(encodeEnvelope(envelope)), envelope)),
    { seed },
  );
});

Deno.test("encodeEnvelope() writes the same bytes as protobufjs, which reads them", () => {
  fc.assert(
    fc.property(envelopes, (envelope) => {
      const bytes = encodeEnvelope(envelope);
      const theirs = Reference.fromObject({
        // protobufjs writes an empty value that was set; we, as Go does, leave it out.
        content: { type_url: envelope.typeUrl, ...(envelope.value.length > 0 && { value: envelope.value }) },
        nonce: envelope.nonce.toString(),
      });
      assertEquals(bytes, Uint8Array.from(Reference.encode(theirs).finish()));
      const read = Reference.toObject(Reference.decode(bytes), { longs: String, defaults: true });
      assertEquals(read.nonce, envelope.nonce.toString());
      assertEquals(read.content.type_url, envelope.typeUrl);
      assertEquals(Uint8Array.from(read.content.value), envelope.value);
    }),
    { seed },
  );
});

Deno.test("decodeEnvelope() does not copy the value", () => {
  const bytes = encodeEnvelope({ typeUrl: "a", value: new Uint8Array(9), nonce: 1n });
  assertStrictEquals(decodeEnvelope(bytes).value.buffer, bytes.buffer);
});

Deno.test("decodeEnvelope() refuses nonce 0 and missing content", () => {
  const content = new ProtoWriter().string(1, "a").finish().slice();
  const refused: [code: string, bytes: Uint8Array][] = [
    ["envelope_zero_nonce", new Uint8Array()],
    ["envelope_zero_nonce", new ProtoWriter().message(1, content).finish()],
    ["envelope_no_content", new ProtoWriter().uint(2, 1).finish()],
    ["envelope_no_content", new ProtoWriter().message(1, new Uint8Array()).uint(2, 1).finish()],
    ["proto_bad_utf8", new ProtoWriter().message(1, Uint8Array.of(10, 1, 0xff)).uint(2, 1).finish()],
    ["proto_truncated", new ProtoWriter().message(1, Uint8Array.of(10, 5, 65)).uint(2, 1).finish()],
  ];
  for (const [code, bytes] of refused) {
    assertEquals(assertThrows(() => decodeEnvelope(bytes), ProtocolError).code, code);
  }
});

Deno.test("decodeEnvelope() drops unknown fields and merges content that comes twice", () => {
  const url = new ProtoWriter().string(1, "a").uint(7, 9).finish().slice();
  const value = new ProtoWriter().bytes(2, Uint8Array.of(5)).finish().slice();
  const bytes = new ProtoWriter().message(1, url).uint(5, 8).message(1, value).uint(2, 3).finish();
  assertEquals(decodeEnvelope(bytes), { typeUrl: "a", value: Uint8Array.of(5), nonce: 3n });
});

Deno.test("encodeEnvelope() refuses what no node would accept", () => {
  const value = new Uint8Array();
  for (const nonce of [0n, -1n, 1n << 64n]) {
    assertThrows(() => encodeEnvelope({ typeUrl: "a", value, nonce }), RangeError);
  }
  assertThrows(() => encodeEnvelope({ typeUrl: "", value, nonce: 1n }), RangeError, "type URL");
});

Deno.test("randomNonce() draws again when it drew 0", () => {
  let draws = 0;
  const random: Random = {
    fill(bytes) {
      bytes.fill(0);
      if (++draws === 3) bytes[7] = 5;
      return bytes;
    },
    next: () => 0,
  };
  assertEquals(randomNonce(random), 5n);
  assertEquals(draws, 3);
});

Deno.test("decodeEnvelope() merges content that comes in parts, and refuses to do so for ever", () => {
  const part = (typeUrl: string) => new ProtoWriter().string(1, typeUrl).finish();
  const write = (parts: number) => {
    const out = new ProtoWriter().uint64(2, 7n);
    for (let i = 0; i < parts; i++) out.message(1, part(i % 2 === 0 ? "a" : "b"));
    return out.finish();
  };
  assertEquals(decodeEnvelope(write(16)).typeUrl, "b");
  assertEquals(assertThrows(() => decodeEnvelope(write(17)), ProtocolError).code, "envelope_parts");
});

Deno.test("decodeEnvelope() returns or throws a ProtocolError whatever the bytes", () => {
  const random = seededRandom(seed);
  const whole = encodeEnvelope({ typeUrl: "type/x", value: new Uint8Array(30), nonce: 0xfedc_ba98_7654_3210n });
  let read = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = i % 2 === 0
      ? random.fill(new Uint8Array(below(random, 40)))
      : whole.slice(0, whole.length - below(random, 3));
    if (i % 2 === 1) bytes[below(random, bytes.length)] ^= 1 << below(random, 8);
    try {
      const { typeUrl, nonce } = decodeEnvelope(bytes);
      assert(typeUrl !== "" && nonce !== 0n, `seed ${seed}, input ${i}`);
      read++;
    } catch (error) {
      assertInstanceOf(error, ProtocolError, `seed ${seed}, input ${i}`);
    }
  }
  assert(read > 100, `only ${read} inputs were read`);
});
