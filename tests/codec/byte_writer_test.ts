import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { varintLength, writeVarint } from "../../src/codec/varint.ts";

type Step =
  | { type: "byte" | "varint" | "truncate"; value: number }
  | { type: "push"; value: Uint8Array }
  | { type: "clear" };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ type: fc.constant("byte" as const), value: fc.nat(255) }),
    fc.record({ type: fc.constant("varint" as const), value: fc.maxSafeNat() }),
    fc.record({ type: fc.constant("truncate" as const), value: fc.nat(200) }),
    fc.record({ type: fc.constant("push" as const), value: fc.uint8Array({ maxLength: 200 }) }),
    fc.record({ type: fc.constant("clear" as const) }),
  ),
);

Deno.test("ByteWriter holds what an array of numbers would, whatever is done to it", () => {
  fc.assert(
    fc.property(steps, fc.nat(64), (todo, capacity) => {
      const writer = new ByteWriter(capacity);
      let model: number[] = [];
      for (const step of todo) {
        if (step.type === "byte") {
          writer.byte(step.value);
          model.push(step.value);
        } else if (step.type === "varint") {
          writer.varint(step.value);
          const bytes = new Uint8Array(varintLength(step.value));
          writeVarint(bytes, 0, step.value);
          model.push(...bytes);
        } else if (step.type === "truncate") {
          const length = Math.min(step.value, model.length);
          writer.truncate(length);
          model = model.slice(0, length);
        } else if (step.type === "push") {
          writer.push(step.value);
          model.push(...step.value);
        } else {
          writer.clear();
          model = [];
        }
        assertEquals(writer.length, model.length);
      }
      assertEquals(writer.bytes(), Uint8Array.from(model));
      assertEquals(writer.bytes(model.length >> 1), Uint8Array.from(model.slice(model.length >> 1)));
    }),
    { seed: 21 },
  );
});

Deno.test("reserve() gives room in the buffer that bytes() shows", () => {
  const writer = new ByteWriter(2);
  writer.byte(1);
  const offset = writer.reserve(3);
  writer.buffer.set([7, 8, 9], offset);
  assertEquals([...writer.bytes()], [1, 7, 8, 9]);
});

Deno.test("clear() keeps the memory up to its limit and gives back what grew beyond", () => {
  const writer = new ByteWriter(16);
  writer.push(new Uint8Array(100));
  const grown = writer.buffer;
  writer.clear(1024);
  assertStrictEquals(writer.buffer, grown);
  writer.push(new Uint8Array(5000));
  writer.clear(1024);
  assertNotStrictEquals(writer.buffer, grown);
  assertEquals([writer.buffer.length, writer.length], [1024, 0]);
});

Deno.test("ByteWriter doubles: a million bytes cost few copies", () => {
  const writer = new ByteWriter(1);
  const buffers = new Set<Uint8Array>();
  for (let i = 0; i < 1_000_000; i++) {
    writer.byte(i & 0xff);
    buffers.add(writer.buffer);
  }
  assert(buffers.size <= 21, `${buffers.size} buffers`);
});
