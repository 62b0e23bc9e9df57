import { assertEquals } from "@std/assert";
import { InboundGate } from "../../src/router/inbound_gate.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

function leaving(entered: (() => void) | string): () => void {
  if (typeof entered === "string") throw new Error(`Not let in: ${entered}`);
  return entered;
}

Deno.test("InboundGate.enter() bounds handshakes, of all hosts and of each", () => {
  const gate = new InboundGate(new VirtualClock(), { handshakesMax: 3, handshakesPerHostMax: 2 });
  const first = leaving(gate.enter("a"));
  leaving(gate.enter("a"));
  assertEquals(gate.enter("a"), "too_many_from_host");
  const other = leaving(gate.enter("b"));
  assertEquals(gate.enter("c"), "too_many_handshakes");
  assertEquals(gate.refused, 2);
  first();
  first();
  leaving(gate.enter("a"));
  assertEquals(gate.enter("c"), "too_many_handshakes", "leaving twice makes room once");
  other();
  leaving(gate.enter("c"));
});

Deno.test("InboundGate.enter() bounds attempts per host over time", async () => {
  const clock = new VirtualClock();
  const gate = new InboundGate(clock, { attemptsBurst: 3, attemptsPerSecond: 2 });
  for (let i = 0; i < 3; i++) leaving(gate.enter("a"))();
  assertEquals(gate.enter("a"), "too_frequent_from_host");
  leaving(gate.enter("b"))();
  await clock.advance(500);
  leaving(gate.enter("a"))();
  assertEquals(gate.enter("a"), "too_frequent_from_host");
  await clock.advance(60_000);
  for (let i = 0; i < 3; i++) leaving(gate.enter("a"))();
  assertEquals(gate.enter("a"), "too_frequent_from_host", "what is not used does not add up");
});

Deno.test("InboundGate forgets hosts, but none with a handshake under way", () => {
  const gate = new InboundGate(new VirtualClock(), { handshakesPerHostMax: 1, attemptsBurst: 1 });
  leaving(gate.enter("busy"));
  leaving(gate.enter("done"))();
  for (let i = 0; i < 5_000; i++) leaving(gate.enter(`host ${i}`))();
  assertEquals(gate.enter("busy"), "too_many_from_host");
  leaving(gate.enter("done"))();
});
