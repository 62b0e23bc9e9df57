import { assertEquals } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { bytesCodec } from "../../src/router/codec.ts";
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

Deno.test("Router cuts off at once who misbehaves at the bottom of the scale, wanted peers too", async () => {
  for (const wanted of [false, true]) {
    await using world = new World();
    const a = await world.started(0);
    if (wanted) a.peers.want([keyOf(1).address]);
    let decoded = 0;
    const decode = () => {
      decoded++;
      throw new P2pError("test_malformed", "Not this");
    };
    a.router.openChannel({ id: 1, name: "picky", codec: { ...bytesCodec, decode } }).handle(() => {});
    const messages = Array(1_000).fill(new Uint8Array(1));
    const peer = await RawPeer.connect(world, keyOf(1), a);
    await peer.send(1, ...messages);
    // Ten points each: the tenth leads to the bottom, and those behind it are not looked at.
    assertEquals([decoded, peer.ended === undefined, a.router.connected], [10, false, []]);
    assertEquals(a.peers.explain(keyOf(1).address)!.score, -100);
    if (!wanted) continue;
    // It may come back, as it is needed, but has nothing to lose any more.
    const again = await RawPeer.connect(world, keyOf(1), a);
    assertEquals(a.router.connected, [keyOf(1).address]);
    await again.send(1, ...messages);
    assertEquals([decoded, again.ended === undefined, a.router.connected], [11, false, []]);
  }
});

Deno.test("Router gives up a handshake that took its time when others wait", async () => {
  await using world = new World();
  const a = await world.started(0, { router: { inbound: { handshakesMax: 2 } } });
  const silent = await Promise.all([1, 2].map((seed) => world.node(seed).transport.dial(a.nodeAddress)));
  await world.clock.advance(1_000);
  const b = await world.started(3);
  b.meet([a]);
  await settle();
  assertEquals([a.router.connected, a.router.refused], [[b.address], 0]);
  for (const connection of silent) await connection.close();
});
