import { assertEquals } from "@std/assert";
import { InboundGate } from "../../src/transport/inbound_gate.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

function leaving(entered: (() => void) | string): () => void {
  if (typeof entered === "string") throw new Error(`Not let in: ${entered}`);
  return entered;
}

function unexpected(): void {
  throw new Error("Had to give way");
}

Deno.test("InboundGate.enter() bounds handshakes, of all hosts and of each", () => {
  const gate = new InboundGate(new VirtualClock(), { handshakesMax: 3, handshakesPerHostMax: 2 });
  const first = leaving(gate.enter("a", unexpected));
  leaving(gate.enter("a", unexpected));
  assertEquals(gate.enter("a", unexpected), "too_many_from_host");
  const other = leaving(gate.enter("b", unexpected));
  assertEquals(gate.enter("b", unexpected), "too_many_handshakes");
  assertEquals(gate.refused, 2);
  first();
  first();
  leaving(gate.enter("a", unexpected));
  assertEquals(gate.enter("b", unexpected), "too_many_handshakes", "leaving twice makes room once");
  other();
  leaving(gate.enter("c", unexpected));
});

Deno.test("InboundGate.enter() bounds attempts per host over time", async () => {
  const clock = new VirtualClock();
  const gate = new InboundGate(clock, { attemptsBurst: 3, attemptsPerSecond: 2 });
  for (let i = 0; i < 3; i++) leaving(gate.enter("a", unexpected))();
  assertEquals(gate.enter("a", unexpected), "too_frequent_from_host");
  leaving(gate.enter("b", unexpected))();
  await clock.advance(500);
  leaving(gate.enter("a", unexpected))();
  assertEquals(gate.enter("a", unexpected), "too_frequent_from_host");
  await clock.advance(60_000);
  for (let i = 0; i < 3; i++) leaving(gate.enter("a", unexpected))();
  assertEquals(gate.enter("a", unexpected), "too_frequent_from_host", "what is not used does not add up");
});

Deno.test("InboundGate forgets hosts, but none with a handshake under way", () => {
  const gate = new InboundGate(new VirtualClock(), { handshakesPerHostMax: 1, attemptsBurst: 1 });
  leaving(gate.enter("busy", unexpected));
  leaving(gate.enter("done", unexpected))();
  for (let i = 0; i < 5_000; i++) leaving(gate.enter(`host ${i}`, unexpected))();
  assertEquals(gate.enter("busy", unexpected), "too_many_from_host");
  leaving(gate.enter("done", unexpected))();
});

/** Fills a gate and tells who had to give way, in order. */
function crowded(handshakesMax: number) {
  const clock = new VirtualClock();
  const gate = new InboundGate(clock, { handshakesMax, handshakesPerHostMax: 64 });
  const gaveWay: string[] = [];
  let count = 0;
  const enter = (host: string) => {
    const name = `${host} ${++count}`;
    return gate.enter(host, () => gaveWay.push(name));
  };
  return { clock, gate, gaveWay, enter };
}

Deno.test("InboundGate.enter() lets a newcomer in at the cost of the host that has the most", () => {
  const { gate, gaveWay, enter } = crowded(6);
  for (const host of ["a", "b", "b", "b", "a", "c"]) leaving(enter(host));
  leaving(enter("d"));
  assertEquals(gaveWay, ["b 2"]);
  // Nobody has more than the newcomer would have by more than one: nobody gives way.
  assertEquals([enter("d"), gate.refused], ["too_many_handshakes", 1]);
  assertEquals(gaveWay, ["b 2"]);
});

Deno.test("InboundGate.enter() lets a newcomer in at the cost of the oldest handshake that has had its time", async () => {
  const { clock, gaveWay, enter } = crowded(3);
  const first = leaving(enter("a"));
  await clock.advance(999);
  leaving(enter("b"));
  leaving(enter("c"));
  assertEquals(enter("d"), "too_many_handshakes");
  await clock.advance(1);
  leaving(enter("e"));
  assertEquals(gaveWay, ["a 1"]);
  first();
  assertEquals(enter("f"), "too_many_handshakes", "who gave way has left already");
  await clock.advance(10_000);
  for (const host of "ghi") leaving(enter(host));
  assertEquals([gaveWay, enter("j")], [["a 1", "b 2", "c 3", "e 5"], "too_many_handshakes"], "each its time");
});
