import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import protobuf from "protobufjs";
import { ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { ProtoReader, ProtoWriter } from "../../src/codec/proto.ts";
import { bytesCodec, type MessageCodec, type OneOf, oneOfCodec } from "../../src/router/codec.ts";

interface Ask {
  id: number;
  text: string;
}

const askCodec: MessageCodec<Ask> = {
  encode: ({ id, text }) => new ProtoWriter().uint(1, id).string(2, text).finish(),
  decode(bytes) {
    const ask = { id: 0, text: "" };
    const reader = new ProtoReader(bytes);
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) ask.id = reader.uint();
      else if (field === 2) ask.text = reader.string();
    }
    return ask;
  },
};

type Variants = { ask: Ask; blob: Uint8Array; far: Uint8Array };
const codec = oneOfCodec<Variants>({
  ask: { field: 1, codec: askCodec },
  blob: { field: 3, codec: bytesCodec },
  far: { field: 70_000, codec: bytesCodec },
});

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Ask { uint32 id = 1; string text = 2; }
  message Wrapper { oneof message { Ask ask = 1; bytes blob = 3; bytes far = 70000; } }`);
const Wrapper = root.lookupType("Wrapper");

const messages: fc.Arbitrary<OneOf<Variants>> = fc.oneof(
  fc.record({ id: fc.nat(), text: fc.string() }, { noNullPrototype: true }).map((value) => ({
    type: "ask" as const,
    value,
  })),
  fc.record({ type: fc.constantFrom("blob" as const, "far" as const), value: fc.uint8Array() }, {
    noNullPrototype: true,
  }),
);

Deno.test("oneOfCodec() unwraps what it wrapped", () => {
  fc.assert(fc.property(messages, (message) => assertEquals(codec.decode(codec.encode(message)), message)), {
    seed: 101,
  });
});

Deno.test("oneOfCodec() writes what protobufjs reads, and reads what protobufjs writes", () => {
  fc.assert(
    fc.property(messages, ({ type, value }) => {
      const read = Wrapper.toObject(Wrapper.decode(codec.encode({ type, value } as OneOf<Variants>)), { oneofs: true });
      assertEquals(read.message, type);
      const theirs = Wrapper.encode(Wrapper.create({ [type]: value })).finish();
      assertEquals(codec.decode(new Uint8Array(theirs)), { type, value } as OneOf<Variants>);
    }),
    { seed: 102 },
  );
});

Deno.test("oneOfCodec() takes the last alternative, skips unknown fields, and refuses a wrapper of none", () => {
  const several = new ProtoWriter().message(3, Uint8Array.of(1)).uint(9, 5).message(70_000, Uint8Array.of(2)).finish();
  assertEquals(codec.decode(several), { type: "far", value: Uint8Array.of(2) });
  assertEquals(codec.decode(new ProtoWriter().message(3, new Uint8Array()).finish()), {
    type: "blob",
    value: new Uint8Array(),
  });
  for (const bytes of [new Uint8Array(), new ProtoWriter().uint(9, 5).finish()]) {
    assertEquals(assertThrows(() => codec.decode(bytes), ProtocolError).code, "wrapper_empty");
  }
  const wrongType = new ProtoWriter().uint(3, 5).finish();
  assertEquals(assertThrows(() => codec.decode(wrongType), ProtocolError).code, "proto_wrong_type");
});

Deno.test("oneOfCodec() reads or refuses random and mutated bytes with a typed error", () => {
  const random = seededRandom(103);
  const encoded = codec.encode({ type: "ask", value: { id: 300, text: "height" } }).slice();
  for (let round = 0; round < 10_000; round++) {
    const bytes = round % 2 === 0 ? random.fill(new Uint8Array(below(random, 40))) : encoded.slice();
    for (let flips = below(random, 4); flips > 0 && bytes.length > 0; flips--) {
      bytes[below(random, bytes.length)] = below(random, 256);
    }
    try {
      assert(["ask", "blob", "far"].includes(codec.decode(bytes).type));
    } catch (error) {
      assert(error instanceof ProtocolError, `seed 103, round ${round}: ${error}`);
    }
  }
});

Deno.test("bytesCodec hands bytes through without a copy", () => {
  const bytes = Uint8Array.of(1, 2);
  assertStrictEquals(bytesCodec.encode(bytes), bytes);
  assertStrictEquals(bytesCodec.decode(bytes), bytes);
});
