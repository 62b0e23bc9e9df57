import { assertEquals } from "@std/assert";
import { settle } from "../../src/sim/virtual_clock.ts";
import { keyOf, World } from "./_node.ts";
import { RawPeer } from "./_raw_peer.ts";

Deno.test("Router hears out one connection of a peer that connects again and again, and ends the others at once", async () => {
  await using world = new World();
  const a = await world.started(0);
  const open: RawPeer[] = [];
  for (let i = 0; i < 20; i++) {
    open.push(await RawPeer.connect(world, keyOf(1), a));
    await world.clock.advance(50);
  }
  // The one that counts and the one before it; the peer answers no ping, so each would stay for two seconds.
  assertEquals(open.map(({ ended }) => ended === undefined), Array(20).fill(false).fill(true, 18));
  assertEquals(a.updates, [`up ${keyOf(1).address}`]);
  await world.clock.advance(2_000);
  assertEquals(open.filter(({ ended }) => ended === undefined).length, 1);
  for (const connection of open) await connection.close();
  await settle();
});
