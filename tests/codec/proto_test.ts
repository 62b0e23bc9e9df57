import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import protobuf from "protobufjs";
import { ProtocolError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { ProtoReader, ProtoWriter } from "../../src/codec/proto.ts";

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Inner { uint32 level = 1; }
  message Sample {
    uint64 small = 1; uint64 large = 2; bool flag = 3; bytes data = 4; string text = 5;
    Inner inner = 6; repeated bytes many = 7; fixed32 f32 = 8; fixed64 f64 = 9; string far = 536870911;
  }`);
const Sample = root.lookupType("Sample");

interface Sampled {
  small: number;
  large: bigint;
  flag: boolean;
  data: Uint8Array;
  text: string;
  level: number;
  many: Uint8Array[];
  far: string;
}

function write(sample: Sampled): Uint8Array {
  const writer = new ProtoWriter()
    .uint(1, sample.small).uint64(2, sample.large).bool(3, sample.flag).bytes(4, sample.data).string(5, sample.text)
    .message(6, new ProtoWriter().uint(1, sample.level).finish());
  for (const item of sample.many) writer.message(7, item);
  return writer.string(536870911, sample.far).finish();
}

function read(bytes: Uint8Array): Sampled {
  const sample: Sampled = {
    small: 0,
    large: 0n,
    flag: false,
    data: new Uint8Array(),
    text: "",
    level: 0,
    many: [],
    far: "",
  };
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) sample.small = reader.uint();
    else if (field === 2) sample.large = reader.uint64();
    else if (field === 3) sample.flag = reader.bool();
    else if (field === 4) sample.data = reader.bytes();
    else if (field === 5) sample.text = reader.string();
    else if (field === 6) {
      const inner = new ProtoReader(reader.bytes());
      while (inner.next() !== 0) sample.level = inner.uint();
    } else if (field === 7) sample.many.push(reader.bytes());
    else if (field === 536870911) sample.far = reader.string();
  }
  return sample;
}

const samples = fc.record({
  small: fc.oneof(fc.nat(), fc.maxSafeNat()),
  large: fc.bigInt(0n, (1n << 64n) - 1n),
  flag: fc.boolean(),
  data: fc.uint8Array({ maxLength: 300 }),
  text: fc.string({ unit: "grapheme" }),
  level: fc.nat(),
  many: fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 4 }),
  far: fc.string(),
}, { noNullPrototype: true });

function codeOf(work: () => unknown): string {
  return assertThrows(work, ProtocolError).code;
}

Deno.test("ProtoReader reads what ProtoWriter wrote", () => {
  fc.assert(fc.property(samples, (sample) => assertEquals(read(write(sample)), sample)), { seed: 1 });
});

Deno.test("ProtoWriter writes what protobufjs reads", () => {
  fc.assert(
    fc.property(samples, (sample) => {
      const other = Sample.toObject(Sample.decode(write(sample)), {
        longs: String,
        defaults: true,
        arrays: true,
      });
      assertEquals(other.small, String(sample.small));
      assertEquals(other.large, String(sample.large));
      assertEquals(other.flag, sample.flag);
      assertEquals(new Uint8Array(other.data), sample.data);
      assertEquals(other.text, sample.text);
      assertEquals(other.inner.level, sample.level);
      assertEquals(other.many.map((item: Uint8Array) => new Uint8Array(item)), sample.many);
      assertEquals(other.far, sample.far);
    }),
    { seed: 2 },
  );
});

Deno.test("ProtoReader reads what protobufjs wrote and skips fields it does not know", () => {
  fc.assert(
    fc.property(samples, fc.integer({ min: 1 }), (sample, unknown) => {
      const bytes = Sample.encode(Sample.fromObject({
        ...sample,
        large: sample.large.toString(),
        inner: { level: sample.level },
        f32: unknown,
        f64: unknown,
      })).finish();
      assertEquals(read(Uint8Array.from(bytes)), sample);
    }),
    { seed: 3 },
  );
});

Deno.test("ProtoWriter leaves defaults out, but not embedded messages", () => {
  const empty = new Uint8Array();
  const writer = new ProtoWriter().uint(1, 0).uint64(2, 0n).bool(3, false).bytes(4, empty).string(5, "");
  assertEquals(writer.finish(), empty);
  assertEquals(writer.message(6, empty).finish(), Uint8Array.of(0x32, 0));
});

Deno.test("ProtoWriter appends to a writer that holds something", () => {
  const out = new ByteWriter(1);
  out.byte(9);
  assertEquals(new ProtoWriter(out).uint(1, 300).finish(), Uint8Array.of(8, 0xac, 2));
  assertEquals(out.bytes(), Uint8Array.of(9, 8, 0xac, 2));
});

Deno.test("ProtoWriter refuses numbers that no field can hold", () => {
  for (const value of [-1, 0.5, 2 ** 53, NaN]) assertThrows(() => new ProtoWriter().uint(1, value), RangeError);
  for (const value of [-1n, 1n << 64n]) assertThrows(() => new ProtoWriter().uint64(1, value), RangeError);
});

Deno.test("ProtoReader names what is wrong with a message", () => {
  const uint = (...bytes: number[]) => () => {
    const reader = new ProtoReader(Uint8Array.from(bytes));
    reader.next();
    return reader.uint();
  };
  const bytes = (...bytes: number[]) => () => read(Uint8Array.from(bytes));
  assertEquals(codeOf(uint(8)), "proto_truncated");
  assertEquals(codeOf(uint(8, 0x80)), "proto_truncated");
  assertEquals(codeOf(uint(8, ...Array(10).fill(0xff), 1)), "proto_malformed");
  assertEquals(codeOf(uint(8, ...Array(9).fill(0xff), 2)), "proto_malformed");
  assertEquals(codeOf(uint(8, ...Array(9).fill(0xff), 1)), "proto_malformed"); // 2^64 - 1 is no safe integer
  assertEquals(codeOf(uint(10, 1, 1)), "proto_wrong_type");
  assertEquals(codeOf(bytes(0x80)), "proto_truncated");
  assertEquals(codeOf(bytes(0x22, 2, 1)), "proto_truncated");
  assertEquals(codeOf(bytes(0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)), "proto_truncated");
  assertEquals(codeOf(bytes(0x45, 1, 2, 3)), "proto_truncated"); // fixed32, skipped
  assertEquals(codeOf(bytes(0, 0)), "proto_malformed"); // field 0
  assertEquals(codeOf(bytes(0x0b)), "proto_malformed"); // start of group
  assertEquals(codeOf(bytes(0x0c)), "proto_malformed"); // end of group
  assertEquals(codeOf(bytes(0x0e)), "proto_malformed");
  assertEquals(codeOf(bytes(0xff, 0xff, 0xff, 0xff, 0x7f)), "proto_malformed"); // field beyond 2^29 - 1
  assertEquals(codeOf(bytes(0x2a, 2, 0xc3, 0x28)), "proto_bad_utf8");
  assertEquals(codeOf(bytes(0x0a, 0)), "proto_wrong_type");
});

Deno.test("ProtoReader refuses more fields than it was told, or 4,096, whether they are taken or not", () => {
  const fields = (count: number, fieldsMax?: number) => {
    const reader = new ProtoReader(new Uint8Array(2 * count).map((_, i) => i % 2 === 0 ? 0x0a : 0), fieldsMax);
    let read = 0;
    while (reader.next() !== 0) if (++read % 2 === 0) reader.bytes();
    return read;
  };
  for (const [most, told] of [[4096, undefined], [3, 3], [10_000, 10_000]] as const) {
    assertEquals(fields(most, told), most);
    assertEquals(assertThrows(() => fields(most + 1, told), ProtocolError).code, "proto_too_many");
  }
});

Deno.test("ProtoReader refuses a value taken twice", () => {
  const reader = new ProtoReader(Uint8Array.of(8, 1));
  assertEquals(reader.next(), 1);
  assertEquals(reader.uint(), 1);
  assertEquals(codeOf(() => reader.uint()), "proto_wrong_type");
  assertEquals(reader.next(), 0);
});

Deno.test("ProtoReader takes uint64 to its last bit", () => {
  const reader = new ProtoReader(Uint8Array.of(8, ...Array(9).fill(0xff), 1));
  reader.next();
  assertEquals(reader.uint64(), (1n << 64n) - 1n);
});

Deno.test("ProtoReader returns or throws ProtocolError on random and mutated messages", () => {
  const seed = 20_260;
  const random = seededRandom(seed);
  const whole = write({
    small: 300,
    large: 1n << 60n,
    flag: true,
    data: new Uint8Array(40),
    text: "häuser",
    level: 7,
    many: [new Uint8Array(3)],
    far: "x",
  });
  for (let i = 0; i < 5000; i++) {
    const bytes = i % 2 === 0
      ? random.fill(new Uint8Array(Math.floor(random.next() * 64)))
      : whole.slice(0, 1 + Math.floor(random.next() * whole.length));
    bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256);
    try {
      read(bytes);
    } catch (error) {
      assertInstanceOf(error, ProtocolError, `seed ${seed}, round ${i}`);
    }
  }
});
