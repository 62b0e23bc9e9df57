import { assert, assertEquals, assertLessOrEqual, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { MORE } from "../../src/codec/frame.ts";
import { ReceiveLane } from "../../src/socket/receive_lane.ts";
import { MESSAGE_COST } from "../../src/transport/control_frame.ts";
import { lane } from "./_socket_pair.ts";

function codeOf(work: () => unknown): string {
  return assertThrows(work, ProtocolError).code;
}

Deno.test("ReceiveLane hands a message of one frame over as it is, without a copy", () => {
  const receives = new ReceiveLane(lane(5));
  const body = Uint8Array.of(1, 2, 3);
  assertStrictEquals(receives.push(0, body), body);
  assertEquals(receives.received, 1);
});

Deno.test("ReceiveLane joins fragments to the message that was cut", () => {
  fc.assert(
    fc.property(fc.nat(20_000), fc.nat(), (size, seed) => {
      const random = seededRandom(seed);
      const message = random.fill(new Uint8Array(size));
      const receives = new ReceiveLane(lane(5));
      let at = 0;
      while (size - at > 1024) {
        const end = at + 1024 + below(random, size - at - 1024);
        assertEquals(receives.push(MORE, message.subarray(at, end)), undefined);
        at = end;
      }
      assertEquals(receives.push(0, message.subarray(at)), message);
      assertEquals(receives.push(0, Uint8Array.of(7)), Uint8Array.of(7));
      assertEquals(receives.received, 2);
    }),
    { seed: 73 },
  );
});

Deno.test("ReceiveLane refuses a message above the limit as soon as it passes it", () => {
  const receives = new ReceiveLane(lane(5, { messageBytesMax: 5000 }));
  assertEquals(receives.push(0, new Uint8Array(5000))?.length, 5000);
  receives.push(MORE, new Uint8Array(3000));
  assertEquals(codeOf(() => receives.push(MORE, new Uint8Array(2001))), "message_too_large");
});

Deno.test("ReceiveLane refuses tiny fragments, of which a peer could make us keep any number", () => {
  assertEquals(codeOf(() => new ReceiveLane(lane(5)).push(MORE, new Uint8Array(0))), "fragment_too_short");
  assertEquals(codeOf(() => new ReceiveLane(lane(5)).push(MORE, new Uint8Array(1023))), "fragment_too_short");
});

Deno.test("ReceiveLane refuses a message that begins beyond the peer's credit, not one that ends there", () => {
  const receives = new ReceiveLane(lane(5, { receiveCapacity: 1000, messageBytesMax: 10_000 }));
  receives.push(0, new Uint8Array(500));
  receives.push(MORE, new Uint8Array(1024));
  receives.push(0, new Uint8Array(1024)); // began with credit left
  assertEquals(codeOf(() => receives.push(0, new Uint8Array(0))), "credit_exceeded");
  receives.consumed(500);
  receives.consumed(2048);
  assertEquals(receives.push(0, new Uint8Array(1))?.length, 1);
});

Deno.test("ReceiveLane bounds empty messages too", () => {
  const receives = new ReceiveLane(lane(5, { receiveCapacity: 640 }));
  for (let i = 0; i < 10; i++) receives.push(0, new Uint8Array());
  assertEquals(codeOf(() => receives.push(0, new Uint8Array())), "credit_exceeded");
});

Deno.test("ReceiveLane owes credit for what was consumed, tells at half the capacity at the latest, and settles it once", () => {
  const receives = new ReceiveLane(lane(5, { receiveCapacity: 100_000 }));
  for (let i = 0; i < 500; i++) receives.push(0, new Uint8Array(100));
  assertEquals(receives.consumed(100), false, "no credit frame per message");
  let owed = 100 + MESSAGE_COST;
  while (!receives.consumed(100)) owed += 100 + MESSAGE_COST;
  owed += 100 + MESSAGE_COST;
  assertLessOrEqual(owed, 50_000 + 100 + MESSAGE_COST);
  assertEquals([receives.settle(), receives.settle()], [owed, 0]);
  receives.grant(50);
  assertEquals(receives.settle(), 50);
});

Deno.test("ReceiveLane.reopen() owes the peer what the capacity grew, and never takes back what it has", () => {
  const receives = new ReceiveLane(lane(5, { receiveCapacity: 1_000 }));
  receives.grant(1_000);
  assertEquals(receives.settle(), 1_000);
  receives.reopen(lane(5, { receiveCapacity: 3_000, messageBytesMax: 70 }));
  assertEquals(receives.settle(), 2_000);
  receives.reopen(lane(5, { receiveCapacity: 10, messageBytesMax: 80 }));
  assertEquals([receives.settle(), receives.options.receiveCapacity], [0, 3_000]);
  assertEquals(codeOf(() => receives.push(0, new Uint8Array(81))), "message_too_large");
  let taken = 0;
  assertEquals(
    codeOf(() => {
      for (;; taken += 80 + MESSAGE_COST) receives.push(0, new Uint8Array(80));
    }),
    "credit_exceeded",
  );
  assert(taken >= 3_000, `${taken}`);
});
