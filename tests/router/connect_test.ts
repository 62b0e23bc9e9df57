import { assertEquals, assertRejects } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import { type TestNode, World } from "./_node.ts";

/** A node that dials one peer at a time, and whose dials hang until `release` is called. */
async function hanging(world: World): Promise<{ node: TestNode; dialled: string[]; release: () => void }> {
  const node = await world.started(0, {
    peers: { maxDialing: 1 },
    router: { dialTimeoutMs: 5_000, handshakeTimeoutMs: 1_000 },
  });
  const dialled: string[] = [];
  const gate = Promise.withResolvers<void>();
  const { dial } = node.transport;
  node.transport.dial = async (address, signal) => {
    dialled.push(address.id);
    await gate.promise;
    return await dial(address, signal);
  };
  return { node, dialled, release: gate.resolve };
}

for (const end of ["signal", "deadline"]) {
  Deno.test(`Router.connect() that ended at its ${end} before the dial began is not dialled later for nobody`, async () => {
    await using world = new World();
    const { node, dialled, release } = await hanging(world);
    const [busy, other] = [await world.started(1), await world.started(2)];
    node.meet([busy, other], { wanted: false });
    // Enough is connected with keepConnected 0: only what is asked for is dialled.
    node.router.connect(busy.address).catch(() => {}); // it may end at its deadline too
    await settle();
    const stop = new AbortController();
    const calls = [1, 2].map(() => assertRejects(() => node.router.connect(other.address, stop.signal), P2pError));
    await settle();
    if (end === "signal") stop.abort(new P2pError("enough", "Enough"));
    else await world.clock.advance(6_000);
    const codes = (await Promise.all(calls)).map(({ code }) => code);
    assertEquals(codes, end === "signal" ? ["enough", "enough"] : ["deadline", "deadline"]);
    release();
    await world.clock.advance(60_000);
    assertEquals(dialled.filter((id) => id === other.address), []);
    // Who asks anew is served.
    await world.pass(node.router.connect(other.address));
    assertEquals(dialled.filter((id) => id === other.address), [other.address]);
  });
}

Deno.test("Router.connect() that gives up leaves the dial to those who still wait", async () => {
  await using world = new World();
  const { node, dialled, release } = await hanging(world);
  const [busy, other] = [await world.started(1), await world.started(2)];
  node.meet([busy, other], { wanted: false });
  const first = node.router.connect(busy.address);
  await settle();
  const stop = new AbortController();
  const gone = assertRejects(() => node.router.connect(other.address, stop.signal), P2pError);
  const stays = node.router.connect(other.address);
  await settle();
  stop.abort(new P2pError("enough", "Enough"));
  assertEquals((await gone).code, "enough");
  release();
  const sockets = await world.pass(Promise.all([first, stays]));
  assertEquals(sockets.map(({ address }) => address), [busy.address, other.address]);
  assertEquals(dialled, [busy.address, other.address]);
});

Deno.test("Router.connect() with a signal that has aborted already dials nobody", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  a.meet([b], { wanted: false });
  const reason = new P2pError("enough", "Enough");
  const error = await assertRejects(() => a.router.connect(b.address, AbortSignal.abort(reason)), P2pError);
  await world.clock.advance(60_000);
  assertEquals([error.code, a.dials], ["enough", []]);
});

Deno.test("Router.openChannel() opens the ID of a closed channel again, with other limits, on connections that stand", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  a.meet([b]);
  const old = a.texts({ receiveCapacity: 1_000, sendCapacity: 1_000 });
  const peer = b.texts().collect();
  await settle();
  // Held by a handler that never ends, so that the old channel's credit is used up.
  old.channel.handle(() => new Promise(() => {}));
  for (let i = 0; i < 12; i++) await peer.send(a, "x".repeat(100));
  await old.send(b, "old");
  old.channel.close();
  const wide = a.texts({ receiveCapacity: 1 << 20, sendCapacity: 1 << 20 }).collect();
  const texts = Array.from({ length: 50 }, (_, i) => `${i}`.padEnd(1_000, "."));
  for (const text of texts) {
    await peer.send(a, text);
    await wide.send(b, text);
  }
  await settle();
  assertEquals(peer.received, ["old", ...texts]);
  assertEquals(wide.received.filter((text) => text.length === 1_000), texts);
  const narrow = a.router.drops().filter(({ reason }) => reason !== "channel_closed");
  assertEquals(narrow, []);
  // Closed and opened with less, the peer may still use up what it was given.
  wide.channel.close();
  const again = a.texts({ receiveCapacity: 1_000 }).collect();
  for (const text of texts) await peer.send(a, text);
  await settle();
  assertEquals([again.received, a.updates], [texts, [`up ${b.address}`]]);
});
