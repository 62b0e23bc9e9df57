import { assertEquals } from "@std/assert";
import { LocalBus, type P2PEvent } from "../../src/module/bus.ts";

const up: P2PEvent = { type: "peer_up", peer: "aa" };
const bootstrapped: P2PEvent = { type: "bootstrapped" };

Deno.test("LocalBus hands each event to every subscriber, in order, until it leaves", () => {
  const bus = new LocalBus();
  const got: string[] = [];
  const leave = bus.subscribe(({ type }) => void got.push(`a ${type}`));
  bus.subscribe(({ type }) => void got.push(`b ${type}`));
  bus.publish(up);
  leave();
  leave();
  bus.publish(bootstrapped);
  assertEquals(got, ["a peer_up", "b peer_up", "b bootstrapped"]);
});

Deno.test("LocalBus tells what a subscriber throws, and the others still get the event", () => {
  const errors: unknown[] = [];
  const bus = new LocalBus((error) => void errors.push(error));
  const thrown = new Error("bug");
  const got: P2PEvent[] = [];
  bus.subscribe(() => {
    throw thrown;
  });
  bus.subscribe((event) => void got.push(event));
  bus.publish(up);
  assertEquals([errors, got], [[thrown], [up]]);
});

Deno.test("LocalBus by default survives a subscriber that throws, and the others still get the event", () => {
  const bus = new LocalBus();
  const got: string[] = [];
  bus.subscribe(() => {
    throw new Error("subscriber bug");
  });
  bus.subscribe(({ type }) => got.push(type));
  bus.publish({ type: "bootstrapped" });
  assertEquals(got, ["bootstrapped"]);
});
