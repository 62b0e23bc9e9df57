import { assertEquals } from "@std/assert";
import { nearestAlive } from "../../src/raintree/nearest_alive.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { addresses } from "./networks.ts";

Deno.test("nearestAlive() passes over the dead on either side, and does not go round", () => {
  const ring = Ring.of(addresses(6, 1));
  const dead = new Set([ring.at(1), ring.at(5)]);
  const isDead = (peer: string) => dead.has(peer);
  assertEquals([nearestAlive(ring, 0, 1, isDead), nearestAlive(ring, 0, -1, isDead)], [2, -2]);
  assertEquals([nearestAlive(ring, 0, 1, isDead, 2), nearestAlive(ring, 0, -1, isDead, -2)], [3, -3]);
  assertEquals(nearestAlive(ring, 0, 1, isDead, 4), 0);
  assertEquals(nearestAlive(ring, 0, 1, () => true), 0);
  assertEquals(nearestAlive(Ring.of(addresses(1, 1)), 0, 1, () => false), 0);
});
