import { Buffer } from "node:buffer";
import { assert, assertEquals, assertInstanceOf, assertNotStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import protobuf from "protobufjs";
import { ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { ProtoWriter } from "../../src/codec/proto.ts";
import {
  CONTROL_ENTRIES_MAX,
  type ControlMessage,
  decodeControlMessage,
  encodeControlMessage,
  RECEIPT_SIGNATURE_BYTES,
} from "../../src/raintree/control_message.ts";
import { NONCE_BYTES, packNonces } from "../../src/raintree/packed_nonces.ts";
import { eachPacked } from "./each_packed.ts";
import { SILENT } from "./silent_message.ts";

const seed = 0xc04;
const UINT32_MAX = 0xffffffff;

const Reference = protobuf.parse(`
  syntax = "proto3";
  message Receipt { bytes nonce = 1; bytes missing = 2; bytes signatures = 3; }
  message RainTreeControl {
    repeated uint32 acks = 1 [packed = true]; bytes offers = 2; bytes asks = 3; bytes wants = 4; bytes denials = 5;
    repeated Receipt receipts = 6; bool probe = 7; bool alive = 8;
    repeated Duty duties = 9;
  }
  message Duty { bytes nonce = 1; bytes until = 2; uint32 seq = 3; uint32 receipt_ms = 4; bool signed = 5; }`).root
  .lookupType("RainTreeControl");

const nonce = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
const nonces = fc.array(nonce, { maxLength: 40 });
const address = fc.uint8Array({ minLength: 20, maxLength: 20 });
const signature = fc.uint8Array({ minLength: RECEIPT_SIGNATURE_BYTES, maxLength: RECEIPT_SIGNATURE_BYTES });
const uint32 = fc.oneof(fc.nat(300), fc.integer({ min: UINT32_MAX - 3, max: UINT32_MAX }), fc.nat(UINT32_MAX));
const plainRecord = { noNullPrototype: true };
const messages: fc.Arbitrary<ControlMessage> = fc.record({
  acks: fc.array(fc.record({ first: uint32, count: fc.integer({ min: 1, max: 300 }) }, plainRecord), {
    maxLength: 100,
  }),
  offers: nonces.map(packNonces),
  asks: nonces,
  wants: nonces,
  denials: nonces,
  receipts: fc.array(
    fc.record({
      nonce,
      missing: fc.array(fc.record({ from: address, until: address }, plainRecord)),
      signatures: fc.array(signature),
    }, plainRecord),
    { maxLength: 5 },
  ),
  duties: fc.array(
    fc.record({ nonce, until: address, seq: uint32, receiptMs: uint32, signed: fc.boolean() }, plainRecord),
    { maxLength: 5 },
  ),
  probe: fc.boolean(),
  alive: fc.boolean(),
}, plainRecord);

const code = (bytes: Uint8Array) => assertThrows(() => decodeControlMessage(bytes), ProtocolError).code;
const bigEndian = (values: readonly bigint[]) => {
  const bytes = new Uint8Array(8 * values.length);
  values.forEach((value, i) => new DataView(bytes.buffer).setBigUint64(8 * i, value));
  return bytes;
};
const glued = (parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
const varints = (...values: number[]) => {
  const out = new ByteWriter();
  for (const value of values) out.varint(value);
  return out.bytes();
};

Deno.test("decodeControlMessage() reads what encodeControlMessage() wrote", () => {
  fc.assert(
    fc.property(messages, (message) => assertEquals(decodeControlMessage(encodeControlMessage(message)), message)),
    { seed },
  );
  assertEquals(encodeControlMessage(SILENT).length, 0);
  assertEquals(decodeControlMessage(new Uint8Array()), SILENT);
});

Deno.test("encodeControlMessage() writes what protobufjs reads, and the other way round", () => {
  fc.assert(
    fc.property(messages, (message) => {
      const fields = {
        acks: message.acks.flatMap(({ first, count }) => [first, count]),
        offers: message.offers,
        asks: bigEndian(message.asks),
        wants: bigEndian(message.wants),
        denials: bigEndian(message.denials),
        receipts: message.receipts.map(({ nonce, missing, signatures }) => ({
          nonce: bigEndian([nonce]),
          missing: glued(missing.flatMap(({ from, until }) => [from, until])),
          signatures: glued(signatures),
        })),
        duties: message.duties.map((duty) => ({ ...duty, nonce: bigEndian([duty.nonce]) })),
        probe: message.probe,
        alive: message.alive,
      };
      const ours = new Uint8Array(Reference.encode(Reference.create(fields)).finish());
      assertEquals(decodeControlMessage(ours), message);
      const theirs = Reference.toObject(Reference.decode(encodeControlMessage(message)), { defaults: true });
      const plain = (bytes: Uint8Array) => Uint8Array.from(bytes);
      assertEquals(theirs.acks, fields.acks);
      for (const list of ["offers", "asks", "wants", "denials"] as const) {
        assertEquals(plain(theirs[list]), fields[list]);
      }
      assertEquals(
        theirs.receipts.map((receipt: Record<string, Uint8Array>) => ({
          nonce: plain(receipt.nonce),
          missing: plain(receipt.missing),
          signatures: plain(receipt.signatures),
        })),
        fields.receipts,
      );
      assertEquals(
        theirs.duties.map((duty: Record<string, Uint8Array>) => {
          return { ...duty, nonce: plain(duty.nonce), until: plain(duty.until) };
        }),
        fields.duties,
      );
      assertEquals([theirs.probe, theirs.alive], [message.probe, message.alive]);
    }),
    { seed },
  );
});

Deno.test("decodeControlMessage() holds no view of what it read, but of offers", () => {
  fc.assert(
    fc.property(messages, (message) => {
      // A Buffer has a slice() that copies nothing.
      const bytes = Buffer.from(encodeControlMessage(message));
      const read = decodeControlMessage(bytes);
      for (const { missing, signatures } of read.receipts) {
        const parts = [...missing.flatMap(({ from, until }) => [from, until]), ...signatures];
        for (const part of parts) assertNotStrictEquals(part.buffer, bytes.buffer);
      }
      assertEquals(new Uint8Array(read.offers), message.offers);
      bytes.fill(0xee);
      assertEquals({ ...read, offers: message.offers }, message);
    }),
    { seed },
  );
});

Deno.test("decodeControlMessage() joins lists that come in parts, skips unknown fields and takes any order", () => {
  const receipt = new ProtoWriter().bytes(3, new Uint8Array(96).fill(1)).bytes(1, bigEndian([9n]));
  receipt.bytes(3, new Uint8Array(96).fill(2)).bytes(2, new Uint8Array(40).fill(3)).bytes(
    2,
    new Uint8Array(40).fill(4),
  );
  const bytes = new ProtoWriter().bool(8, true).bytes(2, bigEndian([1n])).message(6, receipt.finish()).string(
    99,
    "later",
  )
    .bytes(2, bigEndian([2n, 3n])).message(2, new Uint8Array()).bytes(1, varints(5, 1)).bytes(1, varints(7, 300))
    .finish();
  const range = (fill: number) => ({ from: new Uint8Array(20).fill(fill), until: new Uint8Array(20).fill(fill) });
  assertEquals(decodeControlMessage(bytes), {
    ...SILENT,
    acks: [{ first: 5, count: 1 }, { first: 7, count: 300 }],
    offers: packNonces([1n, 2n, 3n]),
    receipts: [{
      nonce: 9n,
      missing: [range(3), range(4)],
      signatures: [new Uint8Array(96).fill(1), new Uint8Array(96).fill(2)],
    }],
    alive: true,
  });
});

Deno.test("decodeControlMessage() refuses what is malformed with a typed error", () => {
  const receipt = (write: (receipt: ProtoWriter) => ProtoWriter) =>
    new ProtoWriter().message(6, write(new ProtoWriter()).finish()).finish();
  const duty = (write: (duty: ProtoWriter) => ProtoWriter) =>
    new ProtoWriter().message(9, write(new ProtoWriter()).finish()).finish();
  const one = bigEndian([1n]);
  const refused: [code: string, bytes: Uint8Array][] = [
    ["control_malformed", duty((duty) => duty.bytes(2, new Uint8Array(20)))],
    ["control_malformed", duty((duty) => duty.bytes(1, one).bytes(2, new Uint8Array(19)))],
    ["control_malformed", duty((duty) => duty.bytes(1, bigEndian([1n, 2n])).bytes(2, new Uint8Array(20)))],
    ["control_malformed", duty((duty) => duty.bytes(1, one).bytes(2, new Uint8Array(20)).uint(3, 2 ** 32))],
    ["control_malformed", duty((duty) => duty.bytes(1, one).bytes(2, new Uint8Array(20)).uint(4, 2 ** 32))],
    ...[2, 3, 4, 5].flatMap((field): [string, Uint8Array][] => [
      ["control_malformed", new ProtoWriter().bytes(field, new Uint8Array(7)).finish()],
      ["control_malformed", new ProtoWriter().bytes(field, bigEndian([1n, 0n])).finish()],
    ]),
    ["control_malformed", new ProtoWriter().bytes(1, varints(5)).finish()],
    ["control_malformed", new ProtoWriter().bytes(1, Uint8Array.of(5, 0x80)).finish()],
    ["control_malformed", new ProtoWriter().bytes(1, varints(5, 0)).finish()],
    ["control_malformed", new ProtoWriter().bytes(1, varints(2 ** 32, 1)).finish()],
    ["control_malformed", new ProtoWriter().bytes(1, varints(1, 2 ** 32)).finish()],
    ["varint_too_large", new ProtoWriter().bytes(1, Uint8Array.of(...Array(7).fill(0xff), 0x7f, 1)).finish()],
    ["varint_too_long", new ProtoWriter().bytes(1, new Uint8Array(12).fill(0xff)).finish()],
    ["control_malformed", receipt((empty) => empty)],
    ["control_malformed", receipt((it) => it.bytes(1, bigEndian([1n, 2n])))],
    ["control_malformed", receipt((it) => it.bytes(1, one).bytes(1, one))],
    ["control_malformed", receipt((it) => it.bytes(1, bigEndian([0n])))],
    ["control_malformed", receipt((it) => it.bytes(1, one).bytes(2, new Uint8Array(20)))],
    ["control_malformed", receipt((it) => it.bytes(1, one).bytes(3, new Uint8Array(95)))],
    ["proto_truncated", receipt((it) => it.bytes(1, one)).subarray(0, 9)],
    ["proto_wrong_type", new ProtoWriter().uint(1, 5).finish()],
    ["proto_wrong_type", new ProtoWriter().bytes(7, one).finish()],
  ];
  refused.forEach(([wanted, bytes], i) => assertEquals(code(bytes), wanted, `input ${i}`));
});

Deno.test("decodeControlMessage() takes as many entries as may be, and refuses one more, in one part or in many", () => {
  const max = CONTROL_ENTRIES_MAX;
  const offers = Array.from({ length: max }, (_, i) => BigInt(i + 1));
  const acks = offers.map((_, i) => ({ first: 2 * i, count: 1 }));
  const range = { from: new Uint8Array(20), until: new Uint8Array(20).fill(1) };
  const receipts = offers.map((nonce) => ({ nonce, missing: [], signatures: [] }));
  const large = { nonce: 1n, missing: Array(max).fill(range), signatures: Array(max).fill(new Uint8Array(96)) };
  const duties = offers.map((nonce) => ({ nonce, until: range.until, seq: 1, receiptMs: 0, signed: false }));
  const lists = { acks, offers: packNonces(offers), asks: offers, wants: offers, denials: offers, duties };
  const full = decodeControlMessage(encodeControlMessage({ ...SILENT, ...lists, receipts }));
  for (const list of Object.values(full)) if (Array.isArray(list)) assertEquals(list.length, max);
  assertEquals(full.offers.length, NONCE_BYTES * max);
  const [{ missing, signatures }] =
    decodeControlMessage(encodeControlMessage({ ...SILENT, receipts: [large] })).receipts;
  assertEquals([missing.length, signatures.length], [max, max]);

  const parts: Partial<ControlMessage>[] = [
    { acks: [acks[0]] },
    { offers: packNonces([1n]) },
    { asks: [1n] },
    { wants: [1n] },
    { denials: [1n] },
    { receipts: [receipts[0]] },
    { duties: [duties[0]] },
  ];
  const fullBytes = encodeControlMessage({ ...SILENT, ...lists, receipts });
  for (const part of parts) {
    assertEquals(code(glued([fullBytes, encodeControlMessage({ ...SILENT, ...part })])), "control_too_many");
  }
  const over = Array(max + 1);
  const tooMany: Partial<ControlMessage>[] = [
    { acks: over.fill({ first: 1, count: 1 }).slice() },
    { offers: packNonces(over.fill(1n)) },
    { receipts: [{ ...large, missing: over.fill(range).slice() }] },
    { receipts: [{ ...large, signatures: over.fill(new Uint8Array(96)).slice() }] },
    { receipts: over.fill(receipts[0]).slice() },
  ];
  for (const lists of tooMany) assertEquals(code(encodeControlMessage({ ...SILENT, ...lists })), "control_too_many");
});

Deno.test("decodeControlMessage() looks at each byte once, however small the parts are that a list comes in", () => {
  // 8,192 nonces, then 20,000 empty parts of the same list: copied together at each part, that would be 1.3 GB.
  const offers = packNonces(Array.from({ length: CONTROL_ENTRIES_MAX }, (_, i) => BigInt(i + 1)));
  const out = new ByteWriter();
  out.push(encodeControlMessage({ ...SILENT, offers }));
  for (let i = 0; i < 20_000; i++) out.push(Uint8Array.of(0x12, 0));
  assertEquals(decodeControlMessage(out.bytes()).offers, offers);
  // And to look at them takes long too, where there is no end to them.
  for (let i = 0; i < 20_000; i++) out.push(Uint8Array.of(0x1a, 0));
  assertEquals(code(out.bytes()), "proto_too_many");
});

Deno.test("decodeControlMessage() takes as many receipts and duties as there may be, and not many fields within one", () => {
  const nonces = Array.from({ length: CONTROL_ENTRIES_MAX }, (_, i) => BigInt(i + 1));
  const range = { from: new Uint8Array(20), until: new Uint8Array(20).fill(1) };
  const receipts = nonces.map((nonce) => ({ nonce, missing: [range], signatures: [new Uint8Array(96)] }));
  const duties = nonces.map((nonce) => ({ nonce, until: range.until, seq: 1, receiptMs: 1, signed: true }));
  const read = decodeControlMessage(encodeControlMessage({ ...SILENT, receipts, duties }));
  assertEquals([read.receipts, read.duties], [receipts, duties]);
  const inner = {
    6: { fields: [0x0a, 0x12, 0x1a, 0x20], known: 1 },
    9: { fields: [0x0a, 0x18, 0x20, 0x28, 0x30], known: 2 },
  };
  for (const [kind, { fields, known }] of Object.entries(inner)) {
    for (const field of fields) {
      const write = (count: number) => {
        const part = new ProtoWriter().bytes(1, bigEndian([1n]));
        if (kind === "9") part.bytes(2, range.until);
        const empties = new Uint8Array(2 * (count - known)).map((_, i) => i % 2 === 0 ? field : 0);
        return new ProtoWriter().message(Number(kind), glued([part.finish(), empties])).finish();
      };
      decodeControlMessage(write(8));
      assertEquals(code(write(9)), "proto_too_many", `field ${field} in ${kind}`);
    }
  }
});

Deno.test("decodeControlMessage() returns or throws a ProtocolError whatever the bytes", () => {
  const random = seededRandom(seed);
  const whole = encodeControlMessage({
    acks: [{ first: UINT32_MAX, count: 3 }, { first: 70, count: 1 }],
    offers: packNonces([1n, 2n]),
    asks: [3n],
    wants: [4n],
    denials: [5n],
    receipts: [{
      nonce: 6n,
      missing: [{ from: new Uint8Array(20).fill(1), until: new Uint8Array(20).fill(2) }],
      signatures: [new Uint8Array(96).fill(3)],
    }],
    duties: [{ nonce: 7n, until: new Uint8Array(20).fill(4), seq: 5, receiptMs: 1000, signed: true }],
    probe: true,
    alive: true,
  });
  const read = { random: 0, mutated: 0 };
  for (let i = 0; i < 20_000; i++) {
    const kind = i % 2 === 0 ? "random" : "mutated";
    const bytes = kind === "random" ? random.fill(new Uint8Array(below(random, 40))) : whole.slice();
    for (let flips = kind === "mutated" ? 1 + below(random, 3) : 0; flips > 0; flips--) {
      bytes[below(random, bytes.length)] ^= 1 << below(random, 8);
    }
    const cut = below(random, 4) === 0 ? bytes.subarray(0, below(random, bytes.length + 1)) : bytes;
    try {
      const { acks, offers, receipts } = decodeControlMessage(cut);
      for (const { first, count } of acks) assert(first <= UINT32_MAX && count > 0 && count <= UINT32_MAX);
      eachPacked(offers, (high, low) => assert((high | low) !== 0));
      assert(receipts.every(({ nonce }) => nonce > 0n), `seed ${seed}, input ${i}`);
      read[kind]++;
    } catch (error) {
      assertInstanceOf(error, ProtocolError, `seed ${seed}, input ${i}`);
    }
  }
  assert(read.random > 100 && read.mutated > 100, `read ${read.random} random and ${read.mutated} mutated inputs`);
});
