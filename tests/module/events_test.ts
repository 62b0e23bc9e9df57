import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import protobuf from "protobufjs";
import { ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { ProtoWriter } from "../../src/codec/proto.ts";
import { decodeNodeEvent, encodeNodeEvent, type NodeEvent } from "../../src/module/events.ts";

const { root } = protobuf.parse(`
  syntax = "proto3";
  message ConsensusNewHeightEvent { uint64 height = 1; }
  message StateMachineTransitionEvent { string event = 1; string previous_state = 2; string new_state = 3; }`);

const events: fc.Arbitrary<NodeEvent> = fc.oneof(
  fc.record({ type: fc.constant("ConsensusNewHeightEvent" as const), height: fc.maxSafeNat() }, {
    noNullPrototype: true,
  }),
  fc.record({
    type: fc.constant("StateMachineTransitionEvent" as const),
    event: fc.string({ unit: "grapheme" }),
    previousState: fc.string(),
    newState: fc.string(),
  }, { noNullPrototype: true }),
);

Deno.test("decodeNodeEvent() reads what encodeNodeEvent() wrote", () => {
  fc.assert(
    fc.property(events, (event) => assertEquals(decodeNodeEvent(event.type, encodeNodeEvent(event)), event)),
    { seed: 121 },
  );
});

Deno.test("encodeNodeEvent() and protobufjs read each other", () => {
  fc.assert(
    fc.property(events, (event) => {
      const Type = root.lookupType(event.type);
      const { type, ...fields } = event;
      const read = Type.toObject(Type.decode(encodeNodeEvent(event)), { longs: Number, defaults: true });
      assertEquals<unknown>({ ...read }, { ...fields });
      assertEquals(decodeNodeEvent(type, new Uint8Array(Type.encode(Type.create(fields)).finish())), event);
    }),
    { seed: 122 },
  );
});

Deno.test("decodeNodeEvent() skips fields of later releases and refuses heights from 2^53", () => {
  const later = new ProtoWriter().uint(1, 7).string(9, "later").finish();
  assertEquals(decodeNodeEvent("ConsensusNewHeightEvent", later), { type: "ConsensusNewHeightEvent", height: 7 });
  const large = new ProtoWriter().uint64(1, 1n << 53n).finish();
  assertThrows(() => decodeNodeEvent("ConsensusNewHeightEvent", large), ProtocolError);
});

Deno.test("decodeNodeEvent() reads or refuses random bytes with a typed error", () => {
  const random = seededRandom(123);
  for (let round = 0; round < 10_000; round++) {
    const bytes = random.fill(new Uint8Array(below(random, 30)));
    if (bytes.length > 0) bytes[0] = [8, 10, 18, 26][below(random, 4)];
    const type = round % 2 === 0 ? "ConsensusNewHeightEvent" : "StateMachineTransitionEvent";
    try {
      assertEquals(decodeNodeEvent(type, bytes).type, type);
    } catch (error) {
      assert(error instanceof ProtocolError, `seed 123, round ${round}: ${error}`);
    }
  }
});
