import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { bytesCodec } from "../../src/router/codec.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import { type LaggedPlaces, LaggedTransport } from "./_lagged_transport.ts";
import { keyOf, type TestNode, World } from "./_node.ts";

Deno.test("Router dials whom the manager wants, and both ends hear of it", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  a.meet([b]);
  await settle();
  assertEquals([a.router.connected, b.router.connected], [[b.address], [a.address]]);
  assertEquals([a.updates, b.updates], [[`up ${b.address}`], [`up ${a.address}`]]);
  assertEquals([a.peers.status(b.address), b.peers.status(a.address)], ["ready", "ready"]);
  assertEquals(a.router.socket(b.address)?.direction, "outbound");
  assertEquals(b.router.socket(a.address)?.direction, "inbound");
});

Deno.test("Router evicts whom the manager gives up, and both ends hear of it", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  a.meet([b]);
  await settle();
  a.peers.ban(b.address, 1_000, "test");
  await settle();
  assertEquals([a.router.connected, b.router.connected], [[], []]);
  assertEquals(a.updates, [`up ${b.address}`, `down ${b.address}`]);
  assertEquals(b.updates, [`up ${a.address}`, `down ${a.address}`]);
  // Banned: it may not come back by itself before the ban has ended, and does after.
  b.meet([a]);
  await world.clock.advance(900);
  assertEquals(a.router.connected, []);
  await world.clock.advance(31_000);
  assertEquals(a.router.connected, [b.address]);
});

Deno.test("Router keeps inbound connections to the limit, and the refused dialler stays unharmed", async () => {
  await using world = new World();
  const a = await world.started(0, { peers: { maxInbound: 2, maxOutbound: 2 } });
  const others = [await world.started(1), await world.started(2), await world.started(3)];
  for (const other of others) {
    other.meet([a]);
    await settle();
  }
  assertEquals(a.router.connected.length, 2);
  assertEquals(a.peers.counts().refused, 1);
  assertEquals(others[2].router.connected, []);
  const refused = others[2].dials.length;
  await world.clock.advance(5_000);
  assert(others[2].dials.length > refused, "dials again");
  assert(others[2].dials.length < refused + 10, "with back-off");
});

Deno.test("Router closes idle connections that nobody wants, and connects again on demand", async () => {
  await using world = new World();
  const a = await world.started(0, { peers: { keepConnected: 0, idleMs: 1_000 } });
  const b = await world.started(1);
  a.meet([b], { wanted: false });
  const channel = a.texts();
  const received = b.texts().collect().received;
  await settle();
  assertEquals(a.router.connected, []);
  await channel.send(b, "one");
  await settle();
  assertEquals(received, ["one"]);
  for (let i = 0; i < 8; i++) {
    await world.clock.advance(500);
    await channel.send(b, `used ${i}`);
  }
  assertEquals(a.updates.length, 1, "what is used stays connected");
  await world.clock.advance(3_000);
  assertEquals(a.router.connected, []);
  await channel.send(b, "two");
  await settle();
  assertEquals(received.at(-1), "two");
  assertEquals(a.dials.length, 2);
});

Deno.test("Router.connect() refuses whom nobody knows, and shares one dial among all who wait", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  await assertRejectsWith("peer_unknown", a.router.connect(b.address));
  a.meet([b], { wanted: false });
  const sockets = await Promise.all([a.router.connect(b.address), a.router.connect(b.address)]);
  assertEquals(sockets[0], sockets[1]);
  assertEquals(await a.router.connect(b.address), sockets[0]);
  assertEquals(a.dials.length, 1);
});

Deno.test("Router.connect() says why a dial failed, ends with its signal, and rejects when the router stops", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = world.node(1);
  a.meet([b], { wanted: false });
  await assertRejectsWith("dial_refused", world.pass(a.router.connect(b.address)));
  const stop = new AbortController();
  const waiting = a.router.connect(b.address, stop.signal);
  stop.abort(new P2pError("enough", "Enough"));
  await assertRejectsWith("enough", waiting);
  const last = assertRejectsWith("router_stopped", a.router.connect(b.address));
  await a.router.stop();
  await last;
  await assertRejectsWith("router_stopped", a.router.connect(b.address));
});

Deno.test("Router.connect() to a banned peer fails at once", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  a.meet([b], { wanted: false });
  a.peers.ban(b.address, 1_000, "test");
  await assertRejectsWith("peer_banned", a.router.connect(b.address));
});

Deno.test("Router.connect() ends at once when the peer is banned while it is dialled", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  a.meet([b], { wanted: false });
  const answer = assertRejectsWith("peer_banned", a.router.connect(b.address));
  await Promise.resolve(); // the dial is under way
  a.peers.ban(b.address, 1_000, "test");
  await settle();
  await answer;
});

Deno.test("Router redials a wanted peer for ever, with growing back-off, and finds it when it has restarted", async () => {
  await using world = new World();
  const a = await world.started(0);
  const first = await world.started(1);
  a.meet([first]);
  await settle();
  await world.clock.advance(20_000);
  await world.pass(first.stop());
  assertEquals(a.router.connected, []);
  await world.clock.advance(200_000);
  const pauses = a.dials.slice(2).map((at, i) => at - a.dials[i + 1]);
  assert(pauses[0] < 1_000, `soon at first: ${pauses}`);
  assert(pauses.every((pause) => pause <= 30_100), `never longer than 30 s: ${pauses}`);
  assert(pauses.at(-1)! > 10_000, `rarely at last: ${pauses}`);
  const again = await world.started(1);
  await world.clock.advance(30_100);
  assertEquals(a.router.connected, [again.address]);
  assertEquals(a.updates, [`up ${first.address}`, `down ${first.address}`, `up ${first.address}`]);
});

Deno.test("Router refuses peers of other networks, and the dialler does not try again soon", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1, { router: { network: "other" } });
  a.meet([b], { wanted: false });
  await assertRejectsWith("handshake_wrong_network", a.router.connect(b.address));
  assertEquals([a.peers.status(b.address), a.router.connected, b.router.connected], ["inactive", [], []]);
  await world.clock.advance(60_000);
  assertEquals(a.dials.length, 1);
});

Deno.test("Router refuses to connect with itself", async () => {
  await using world = new World();
  const a = await world.started(0);
  const ghost = world.node(1);
  // Somebody tells us that the ghost is to be found where we listen ourselves.
  await a.router.listen({ protocol: "memory", path: ghost.address });
  a.meet([ghost]);
  await settle();
  assertEquals(a.router.connected, []);
  assertEquals(a.updates, []);
  const [endpoint] = a.peers.explain(ghost.address)!.endpoints;
  assertEquals([endpoint.failures > 0, endpoint.lastError?.includes(a.address)], [true, true]);
});

Deno.test("Router keeps one connection when both ends dial at once, and loses nothing that was sent", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = seededRandom(seed);
    await using world = new World();
    const places: LaggedPlaces = new Map();
    const lagMs = () => 1 + below(random, 20);
    // Either end may be the lower address, and either may be first.
    const lagged = (node: number) => ({
      router: { transports: [new LaggedTransport(places, world.clock, keyOf(node), lagMs)] },
    });
    const [a, b] = seed % 2 ? [0, 1] : [1, 0];
    const ends = [await world.started(a, lagged(a)), await world.started(b, lagged(b))];
    const channels = ends.map((end) => end.texts().collect());
    const sent: string[][] = [[], []];
    const queued: Promise<void>[] = [];
    ends[0].meet([ends[1]]);
    await world.clock.advance(below(random, 25));
    ends[1].meet([ends[0]]);
    // Both send every few milliseconds, on whatever connection stands just then.
    for (let ms = 0; ms < 80; ms += 4) {
      for (const end of [0, 1]) {
        sent[end].push(`${end} at ${ms}`);
        queued.push(channels[end].send(ends[1 - end], `${end} at ${ms}`));
      }
      await world.clock.advance(4);
    }
    await world.clock.advance(2_000);
    await Promise.all(queued);
    for (const end of [0, 1]) {
      assertEquals(channels[end].received.toSorted(), sent[1 - end].toSorted(), `replay with seed ${seed}`);
      assertEquals([...ends[end].router.sockets()].map(({ state }) => state), ["open"], `replay with seed ${seed}`);
      assertEquals(ends[end].updates, [`up ${ends[1 - end].address}`], `replay with seed ${seed}`);
      assertEquals(ends[end].peers.counts().inbound + ends[end].peers.counts().outbound, 1);
    }
  }
});

Deno.test("Router lets in as many handshakes as the gate allows", async () => {
  await using world = new World();
  const a = await world.started(0, {
    router: { inbound: { handshakesMax: 2, attemptsBurst: 5, attemptsPerSecond: 1 } },
  });
  const others: TestNode[] = [];
  for (let seed = 1; seed <= 4; seed++) others.push(await world.started(seed));
  for (const other of others) other.meet([a], { wanted: false });
  const results = await Promise.allSettled(others.map(({ router }) => router.connect(a.address)));
  assertEquals(results.map(({ status }) => status), ["fulfilled", "fulfilled", "rejected", "rejected"]);
  assertEquals(a.router.refused, 2);
  // The burst has one left, and a second gives one more.
  await world.clock.advance(250);
  await world.pass(others[2].router.connect(a.address));
  await assertRejectsWith("connection_closed", world.pass(others[3].router.connect(a.address)));
  await world.clock.advance(1_000);
  await world.pass(others[3].router.connect(a.address));
  assertEquals(a.router.connected.length, 4);
});

Deno.test("Router.stop() writes what it has accepted and leaves nothing", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  a.meet([b]);
  const channel = a.texts();
  const { received } = b.texts().collect();
  await settle();
  const texts = Array.from({ length: 100 }, (_, i) => `${i}`.padStart(2_000, " "));
  await Promise.all(texts.map((text) => channel.send(b, text)));
  await world.pass(Promise.all([a.router.stop(), a.router.stop()]));
  assertEquals(received, texts);
  assertEquals([a.routines.names(), a.router.connected], [[], []]);
  await assertRejectsWith("channel_closed", channel.send(b, "late"));
});

Deno.test("Router.stop() waits for a peer that does not read no longer than the drain time", async () => {
  await using world = new World();
  const a = await world.started(0, { router: { drainMs: 300 } });
  const b = await world.started(1);
  a.meet([b]);
  const channel = a.texts();
  b.texts({ receiveCapacity: 1_000 }).channel.handle(() => new Promise(() => {}));
  await settle();
  for (let i = 0; i < 10; i++) await channel.send(b, "x".repeat(1_000));
  const before = world.clock.now();
  await world.pass(a.router.stop());
  assert(world.clock.now() - before <= 320, `took ${world.clock.now() - before} ms`);
  assertEquals(a.routines.names(), []);
  const [drops] = a.router.drops();
  assertEquals([drops.channel, drops.peer, drops.reason], [1, b.address, "closed"]);
  assert(drops.count >= 8, `${drops.count} dropped`);
});

Deno.test("Router.stop() during a dial ends it", async () => {
  await using world = new World();
  const a = await world.started(0);
  a.transport.dial = (_address, signal) =>
    new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
  a.meet([world.node(1)]);
  await settle();
  assertEquals(a.peers.counts().dialing, 1);
  await a.router.stop();
  assertEquals(a.peers.counts().dialing, 0);
});

Deno.test("Router ends a dial and a handshake at their deadlines", async () => {
  await using world = new World();
  const a = await world.started(0, { router: { dialTimeoutMs: 100, handshakeTimeoutMs: 200 } });
  const b = world.node(1);
  a.meet([b], { wanted: false });
  const dial = a.transport.dial;
  a.transport.dial = (_address, signal) =>
    new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
  await assertRejectsWith("deadline", world.pass(a.router.connect(b.address)));
  assertEquals(world.clock.now(), 100);
  // Somebody takes the connection and then says nothing.
  a.transport.dial = dial;
  await b.transport.listen({ protocol: "memory" }, () => {});
  const before = world.clock.now();
  await assertRejectsWith("deadline", world.pass(a.router.connect(b.address)));
  assert(world.clock.now() - before <= 500, "back-off and handshake");
  await b.transport.close();
});

Deno.test("Router counts drops by channel, peer and reason", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  const c = await world.started(2);
  a.meet([b, c]);
  const small = a.texts({ id: 1, sendCapacity: 1_000, whenFull: "drop-newest" });
  const oldest = a.texts({ id: 2, sendCapacity: 1_000, whenFull: "drop-oldest" });
  for (const node of [b, c]) {
    node.texts({ id: 1, receiveCapacity: 1 }).channel.handle(() => new Promise(() => {}));
    node.texts({ id: 2, receiveCapacity: 1 }).channel.handle(() => new Promise(() => {}));
  }
  await settle();
  const body = new Uint8Array(300);
  for (let i = 0; i < 10; i++) {
    small.channel.trySend(b.address, body);
    if (i < 7) oldest.channel.trySend(c.address, body);
  }
  small.channel.trySend("00".repeat(20), body);
  await settle();
  const rows = a.router.drops().map(({ channel, peer, reason, count }) => ({ channel, peer, reason, count }));
  const of = (channel: number, peer: string, reason: string) =>
    rows.find((row) => row.channel === channel && row.peer === peer && row.reason === reason)?.count;
  assertEquals(of(1, "00".repeat(20), "not_connected"), 1);
  assertEquals(of(1, b.address, "full"), 10 - 2);
  assertEquals(of(2, c.address, "drop_oldest"), 7 - 2);
  assertEquals(rows.length, 3);
});

Deno.test("a node with five peers runs eleven routines", async () => {
  await using world = new World();
  const a = await world.started(0);
  const others = await Promise.all([1, 2, 3, 4, 5].map((seed) => world.started(seed)));
  a.meet(others.slice(0, 3));
  for (const other of others.slice(3)) other.meet([a]);
  await settle();
  const expected = ["listen", ...others.flatMap(({ address }) => [`read ${address}`, `write ${address}`])].sort();
  assertEquals(a.routines.names(), expected);
  assertEquals(a.routines.count, 11);
  await world.pass(others[0].stop());
  assertEquals(a.routines.count, 9);
});

Deno.test("Router.openChannel() serves connections that stand already", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  a.meet([b]);
  await settle();
  const fromA = a.texts({ id: 40 });
  await settle();
  await assertRejectsWith("channel_unsupported", fromA.send(b, "too early"));
  const { received } = b.texts({ id: 40 }).collect();
  await settle();
  await fromA.send(b, "in time");
  await settle();
  assertEquals(received, ["in time"]);
  assertThrows(() => a.router.openChannel({ id: 40, name: "again", codec: bytesCodec }), P2pError, "open already");
});

Deno.test("a peer that does not read holds up neither other peers, nor other channels, nor the pings", async () => {
  await using world = new World();
  const a = await world.started(0, { router: { keepAlive: { intervalMs: 1_000, timeoutMs: 500 } } });
  const slow = await world.started(1);
  const quick = await world.started(2);
  a.meet([slow, quick]);
  const bulk = a.texts({ id: 1, sendCapacity: 10_000 });
  const other = a.texts({ id: 2 });
  slow.texts({ id: 1, receiveCapacity: 1_000 }).channel.handle(() => new Promise(() => {}));
  const otherReceived = slow.texts({ id: 2 }).collect().received;
  const { received } = quick.texts({ id: 1 }).collect();
  await settle();
  let held = 0;
  for (let i = 0; i < 50; i++) {
    bulk.send(slow, "x".repeat(500)).then(() => {}, () => held++);
    await bulk.send(quick, `${i}`);
  }
  await other.send(slow, "on another channel");
  await world.clock.advance(10_000);
  assertEquals(received.length, 50);
  assertEquals(otherReceived, ["on another channel"]);
  assertEquals(a.updates.length, 2, "the pings were answered");
  await world.pass(a.stop());
  assert(held > 20, `the sender felt it: ${held} sends were waiting at the end`);
});

Deno.test("a peer whose messages the codec refuses is penalised, and stays connected", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = await world.started(1);
  b.meet([a]);
  a.router.openChannel({
    id: 1,
    name: "picky",
    codec: {
      encode: () => new Uint8Array(),
      decode: () => {
        throw new P2pError("test_malformed", "Not this");
      },
    },
  }).handle(() => {});
  const channel = b.texts();
  await settle();
  for (let i = 0; i < 3; i++) await channel.send(a, "x");
  await settle();
  assertEquals(a.peers.explain(b.address)!.changes.map(({ reason, times }) => [reason, times]), [["Not this", 3]]);
  assertEquals(a.router.connected, [b.address]);
  assertEquals(a.router.drops(), [{ channel: 1, peer: b.address, reason: "malformed", count: 3 }]);
});

async function assertRejectsWith(code: string, work: Promise<unknown>): Promise<void> {
  const error = await assertRejects(() => work, P2pError);
  assertEquals(error.code, code);
}
