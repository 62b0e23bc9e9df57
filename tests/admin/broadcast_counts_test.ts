import { assertEquals } from "@std/assert";
import { BroadcastCounts } from "../../src/admin/broadcast_counts.ts";
import { addressToBytes } from "../../src/identity/address.ts";
import { keysOf } from "../module/live_network.ts";

const [first, second, third] = keysOf(3).map(({ address }) => address);
const until = addressToBytes(third);

Deno.test("BroadcastCounts counts broadcasts that began and that came, not private messages", () => {
  const counts = new BroadcastCounts();
  counts.arrived(undefined, { level: 0 });
  counts.arrived(first, { level: 0, until });
  counts.arrived(first, { level: 2 });
  counts.arrived(first, { level: 0, copy: true });
  counts.arrived(first, { level: 0 });
  assertEquals([counts.began, counts.reached], [1, 3]);
});

Deno.test("BroadcastCounts.byLevel() never takes back what it said, though a target's level changes", () => {
  const counts = new BroadcastCounts();
  counts.handedOver(first, { level: 0, until });
  counts.handedOver(first, { level: 0, until });
  counts.handedOver(second, { level: 1 });
  counts.handedOver(second, { level: 0, copy: true });
  counts.handedOver(second, { level: 0 });
  const levels = new Map([[first, 2], [second, 1]]);
  assertEquals([...counts.byLevel((target) => levels.get(target))], [[2, 2], [1, 1]]);
  levels.set(first, 1).delete(second);
  assertEquals([...counts.byLevel((target) => levels.get(target))], [[2, 2], [1, 1]]);
  counts.handedOver(first, { level: 0, until });
  counts.handedOver(second, { level: 0, until });
  assertEquals([...counts.byLevel((target) => levels.get(target))], [[2, 2], [1, 2], [0, 1]]);
  assertEquals(counts.copies, 1);
});
