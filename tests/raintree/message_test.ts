import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import protobuf from "protobufjs";
import { ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { ProtoWriter } from "../../src/codec/proto.ts";
import { Slab } from "../../src/codec/slab.ts";
import {
  decodeRainTreeMessage,
  encodeRainTreeMessage,
  RAINTREE_DATA_BYTES_MAX,
  RAINTREE_HEAD_BYTES_MAX,
  type RainTreeMessage,
  writeRainTreeHead,
} from "../../src/raintree/message.ts";

const seed = 0x9a1;

const { root } = protobuf.parse(`
  syntax = "proto3";
  message RainTreeMessage {
    uint32 level = 1; bytes data = 2; bytes until = 3; optional uint32 seq = 4; uint32 receipt_ms = 5; bool signed = 6; bool copy = 7;
  }
  message PocketV1 { uint32 level = 1; bytes data = 2; }`);
const Reference = root.lookupType("RainTreeMessage");
const PocketV1 = root.lookupType("PocketV1");

const uint32 = fc.oneof(fc.nat(20), fc.nat(0xffffffff), fc.constant(0xffffffff));
const flag = fc.constantFrom(true, undefined);
const messages = fc.record({
  level: uint32,
  data: fc.uint8Array({ maxLength: 300 }),
  until: fc.option(fc.uint8Array({ minLength: 20, maxLength: 20 }), { nil: undefined }),
  seq: fc.option(uint32, { nil: undefined }),
  receiptMs: fc.option(uint32.filter((ms) => ms > 0), { nil: undefined }),
  signed: flag,
  copy: flag,
}, { noNullPrototype: true });

/** A message of which only some things are said, as it is read. */
const read = (some: Partial<RainTreeMessage>): RainTreeMessage => ({
  level: 0,
  data: new Uint8Array(),
  until: undefined,
  seq: undefined,
  receiptMs: undefined,
  signed: undefined,
  copy: undefined,
  ...some,
});

const plain = (bytes: Uint8Array) => Uint8Array.from(bytes);

Deno.test("decodeRainTreeMessage() reads what encodeRainTreeMessage() wrote", () => {
  fc.assert(
    fc.property(messages, (message) => {
      assertEquals(decodeRainTreeMessage(encodeRainTreeMessage(message)), message);
    }),
    { seed },
  );
});

Deno.test("encodeRainTreeMessage() writes what protobufjs reads, and the other way round", () => {
  fc.assert(
    fc.property(messages, (message) => {
      const theirs = Reference.toObject(Reference.decode(encodeRainTreeMessage(message)), { defaults: true });
      assertEquals(theirs.level, message.level);
      assertEquals(plain(theirs.data), message.data);
      assertEquals(plain(theirs.until), message.until ?? new Uint8Array());
      assertEquals([theirs.seq, theirs.receiptMs], [message.seq, message.receiptMs ?? 0]);
      assertEquals([theirs.signed, theirs.copy], [message.signed ?? false, message.copy ?? false]);
      const written = Reference.encode(Reference.create({ ...message })).finish();
      assertEquals(decodeRainTreeMessage(plain(written)), message);
    }),
    { seed },
  );
});

Deno.test("A node that knows only Pocket V1 sees level and data; its messages have no bound", () => {
  const data = Uint8Array.of(1, 2);
  const until = new Uint8Array(20).fill(7);
  const message = { level: 3, data, until, seq: 9, receiptMs: 500, signed: true, copy: true };
  const old = PocketV1.toObject(PocketV1.decode(encodeRainTreeMessage(message)));
  assertEquals([old.level, [...old.data]], [3, [1, 2]]);
  const sent = plain(PocketV1.encode(PocketV1.create({ level: 2, data: Uint8Array.of(9) })).finish());
  assertEquals(decodeRainTreeMessage(sent), read({ level: 2, data: Uint8Array.of(9) }));
});

Deno.test("decodeRainTreeMessage() copies nothing", () => {
  const bytes = encodeRainTreeMessage({ level: 1, data: new Uint8Array(50), until: new Uint8Array(20) });
  const { data, until } = decodeRainTreeMessage(bytes);
  assertStrictEquals(data.buffer, bytes.buffer);
  assertStrictEquals(until?.buffer, bytes.buffer);
});

Deno.test("writeRainTreeHead() stays within its bound and leaves the data to the caller", () => {
  const until = new Uint8Array(20).fill(1);
  const out = new ByteWriter();
  const max = 0xffffffff;
  writeRainTreeHead(
    out,
    { level: max, until, seq: max, receiptMs: max, signed: true, copy: true },
    RAINTREE_DATA_BYTES_MAX,
  );
  assert(out.length <= RAINTREE_HEAD_BYTES_MAX, `head of ${out.length} bytes`);
  out.clear();
  const data = Uint8Array.of(5, 6, 7);
  writeRainTreeHead(out, { level: 2, until }, data.length);
  out.push(data);
  assertEquals(out.bytes(), encodeRainTreeMessage({ level: 2, data, until }));
});

Deno.test("encodeRainTreeMessage() says number 0, and writes nothing for what is not asked for", () => {
  const data = Uint8Array.of(1);
  const bare = encodeRainTreeMessage({ level: 2, data });
  assertEquals(encodeRainTreeMessage({ level: 2, data, receiptMs: 0, signed: false, copy: false }), bare);
  const first = encodeRainTreeMessage({ level: 2, data, seq: 0 });
  assertEquals([first.length, decodeRainTreeMessage(first).seq], [bare.length + 2, 0]);
});

Deno.test("encodeRainTreeMessage() writes into a slab what it writes into memory of its own", () => {
  const slab = new Slab();
  const message = { level: 1, data: Uint8Array.of(1, 2, 3), seq: 70_000, receiptMs: 800, signed: true };
  assertEquals(encodeRainTreeMessage(message, slab), encodeRainTreeMessage(message));
});

Deno.test("encodeRainTreeMessage() refuses a number or a bound that cannot be sent", () => {
  const data = new Uint8Array(1);
  for (const bad of [-1, 1.5, 2 ** 32, NaN]) {
    for (const numbers of [{ level: bad }, { level: 1, seq: bad }, { level: 1, receiptMs: bad }]) {
      assertThrows(() => encodeRainTreeMessage({ ...numbers, data }), RangeError, `${bad}`);
    }
  }
  for (const length of [0, 19, 21]) {
    assertThrows(() => encodeRainTreeMessage({ level: 1, data, until: new Uint8Array(length) }), RangeError, "bound");
  }
});

Deno.test("decodeRainTreeMessage() refuses bad input with a typed error", () => {
  const refused: [code: string, bytes: Uint8Array][] = [
    ["raintree_bad_level", new ProtoWriter().uint(1, 2 ** 32).finish()],
    ["raintree_bad_seq", new ProtoWriter().uint(4, 2 ** 32).finish()],
    ["raintree_bad_receipt", new ProtoWriter().uint(5, 2 ** 32).finish()],
    ["raintree_bad_until", new ProtoWriter().bytes(3, new Uint8Array(19)).finish()],
    ["raintree_bad_until", new ProtoWriter().bytes(3, new Uint8Array(21)).finish()],
    ["raintree_too_large", new ProtoWriter().bytes(2, new Uint8Array(RAINTREE_DATA_BYTES_MAX + 1)).finish()],
    ["proto_truncated", encodeRainTreeMessage({ level: 1, data: new Uint8Array(9) }).subarray(0, 8)],
    ["proto_wrong_type", new ProtoWriter().bytes(1, new Uint8Array(3)).finish()],
    ["proto_wrong_type", new ProtoWriter().uint(2, 3).finish()],
    ["proto_wrong_type", new ProtoWriter().bytes(4, new Uint8Array(3)).finish()],
    ["proto_wrong_type", new ProtoWriter().bytes(6, new Uint8Array(3)).finish()],
  ];
  for (const [code, bytes] of refused) {
    assertEquals(assertThrows(() => decodeRainTreeMessage(bytes), ProtocolError).code, code);
  }
  const three = encodeRainTreeMessage({ level: 1, data: new Uint8Array(3) });
  assertEquals(decodeRainTreeMessage(three, { dataBytesMax: 3 }).data.length, 3);
  const small = assertThrows(() => decodeRainTreeMessage(three, { dataBytesMax: 2 }), ProtocolError);
  assertEquals(small.code, "raintree_too_large");
});

Deno.test("decodeRainTreeMessage() reads an empty bound as none, skips unknown fields, takes the last of two", () => {
  const bytes = new ProtoWriter().uint(1, 4).message(3, new Uint8Array()).string(9, "later").uint(1, 5).finish();
  assertEquals(decodeRainTreeMessage(bytes), read({ level: 5 }));
  assertEquals(decodeRainTreeMessage(new Uint8Array()), read({}));
});

Deno.test("decodeRainTreeMessage() returns or throws a ProtocolError whatever the bytes", () => {
  const random = seededRandom(seed);
  const until = new Uint8Array(20).fill(3);
  const head = { level: 300, until, seq: 0xffffffff, receiptMs: 2500, signed: true, copy: true };
  const whole = encodeRainTreeMessage({ ...head, data: new Uint8Array(40) });
  let valid = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = i % 2 === 0
      ? random.fill(new Uint8Array(below(random, 60)))
      : whole.slice(0, below(random, whole.length + 1));
    if (i % 2 === 1 && bytes.length > 0) bytes[below(random, bytes.length)] ^= 1 << below(random, 8);
    try {
      const { level, until, seq = 0, receiptMs = 0 } = decodeRainTreeMessage(bytes);
      assert(Math.max(level, seq, receiptMs) <= 0xffffffff, `seed ${seed}, input ${i}`);
      assert(until === undefined || until.length === 20, `seed ${seed}, input ${i}`);
      valid++;
    } catch (error) {
      assertInstanceOf(error, ProtocolError, `seed ${seed}, input ${i}`);
    }
  }
  assert(valid > 100, `only ${valid} inputs were read`);
});
