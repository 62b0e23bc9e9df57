import { assert, assertEquals } from "@std/assert";
import type { Duty } from "../../src/raintree/control_message.ts";
import { encodeRainTreeMessage } from "../../src/raintree/message.ts";
import { payload, ReliableNetwork } from "./reliable_network.ts";
import { packNonces } from "../../src/raintree/packed_nonces.ts";
import { treeNeighbours } from "../../src/raintree/tree_neighbours.ts";

/** All positions but some. */
function others(n: number, ...without: number[]): number[] {
  return Array.from({ length: n }, (_, i) => i).filter((i) => !without.includes(i));
}

function duty(network: ReliableNetwork, nonce: bigint, until: number, seq: number): Duty {
  return { nonce, until: network.ring.bytesAt(until), seq, receiptMs: 0, signed: false };
}

/** A node at 9 that a broadcast was offered to, asked for and sent, before its segment is handed to it. */
async function repairedNode(options: ConstructorParameters<typeof ReliableNetwork>[1] = {}) {
  const network = new ReliableNetwork(27, { routers: [9], ...options });
  const { clock } = network;
  const data = payload(5n, 1000);
  network.say(8, 9, { offers: packNonces([5n]) });
  await clock.advance(400);
  assertEquals(network.controls(9).filter(({ wants }) => wants.length > 0).map(({ to, wants }) => [to, wants]), [
    [8, [5n]],
  ]);
  network.play(8, 9, { data, copy: true });
  return { network, clock, data };
}

Deno.test("Reliability hands the segment of a silent node to the next, and a suspect gets the message alone", async () => {
  const network = new ReliableNetwork(27);
  const { clock } = network;
  network.dead.add(9);
  network.broadcast(0, 1n);
  assertEquals(network.payloads(0).map(({ to, until }) => [to, until]), [[9, 18], [18, 0], [3, 6], [6, 9], [1, 2], [
    2,
    3,
  ]]);
  await clock.advance(1200);
  assertEquals(network.payloads(0).slice(6).map(({ to, until }) => [to, until]), [[10, 18]]);
  assertEquals(network.reached(1n), others(27, 0, 9));
  assertEquals(network.router(0).reliability!.stateOf(network.ring.at(9)), "suspect");
  network.sent.length = 0;
  network.broadcast(0, 2n);
  assertEquals(network.payloads(0).slice(0, 3).map(({ to, until }) => [to, until]), [[9, 10], [10, 18], [18, 0]]);
  await clock.advance(60);
  assertEquals(network.reached(2n).includes(10), true);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability passes the dead over, and trusts who is heard of again", async () => {
  const network = new ReliableNetwork(27);
  const { clock } = network;
  network.dead.add(9);
  network.broadcast(0, 1n);
  await clock.advance(8000);
  assertEquals(network.router(0).reliability!.stateOf(network.ring.at(9)), "dead");
  network.sent.length = 0;
  network.broadcast(0, 2n);
  assertEquals(network.payloads(0).filter(({ to }) => to === 9 || to === 10).map(({ to, until }) => [to, until]), [
    [10, 18],
  ]);
  network.dead.clear();
  // It answers the next probe, and is offered what it missed.
  await clock.advance(10_000);
  assertEquals(network.router(0).reliability!.stateOf(network.ring.at(9)), "alive");
  assertEquals(network.got.get(9)!.slice().sort(), [1n, 2n]);
  network.broadcast(0, 3n);
  await clock.advance(400);
  assertEquals(network.reached(3n), others(27, 0));
  for (const got of network.got.values()) assertEquals(new Set(got).size, got.length);
  assertEquals(network.blamed, []);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability hands a segment on without the payload where repair was faster", async () => {
  const { network, clock, data } = await repairedNode();
  network.sent.length = 0;
  network.play(0, 9, { data, until: network.ring.bytesAt(18), seq: 3 });
  const duties = network.controls(9).flatMap(({ to, duties }) => duties.map(({ seq }) => ({ to, seq })));
  assertEquals(duties.map(({ to }) => to), [12, 15, 10, 11]);
  assertEquals(network.payloads(9), []);
  // 12 lacks it, the others have it.
  network.say(12, 9, { wants: [5n] });
  for (const { to, seq } of duties.slice(1)) network.say(to, 9, { acks: [{ first: seq, count: 1 }] });
  const again = network.payloads(9);
  assertEquals(again.map(({ to, until, copy }) => [to, until, copy]), [[12, 15, undefined]]);
  network.say(12, 9, { acks: [{ first: again[0].seq!, count: 1 }] });
  // Asking twice helps nobody.
  network.say(12, 9, { wants: [5n] });
  await clock.advance(100);
  assertEquals(network.payloads(9).length, 1);
  assertEquals(network.controls(9).filter(({ acks }) => acks.length > 0).map(({ to, acks }) => [to, acks]), [
    [0, [{ first: 3, count: 1 }]],
  ]);
  await clock.advance(5000);
  assertEquals(network.router(9).reliability!.stats.silences, 0);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability sends the message alone to who asks for it after its segment went to another", async () => {
  const { network, clock, data } = await repairedNode({ failureDetector: false });
  network.play(0, 9, { data, until: network.ring.bytesAt(18), seq: 3 });
  await clock.advance(3000);
  assert(network.router(9).reliability!.stats.silences >= 4);
  network.sent.length = 0;
  network.say(12, 9, { wants: [5n] });
  assertEquals(network.payloads(9).map(({ to, until, copy }) => [to, until, copy]), [[12, undefined, true]]);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability asks for the broadcast of a duty that it lacks, and acknowledges only what it has", async () => {
  const network = new ReliableNetwork(27, { routers: [9], recentMs: 1000 });
  const { clock } = network;
  network.say(0, 9, { duties: [duty(network, 5n, 18, 3)] });
  await clock.advance(30);
  assertEquals(network.controls(9).map(({ to, wants, acks }) => [to, wants, acks]), [[0, [5n], []]]);
  network.play(0, 9, { data: payload(5n), until: network.ring.bytesAt(18), seq: 4 });
  await clock.advance(30);
  assertEquals(network.controls(9).flatMap(({ acks }) => acks), [{ first: 4, count: 1 }]);
  assertEquals(network.payloads(9).map(({ to }) => to), [12, 15, 10, 11]);
  // Forgotten since: not asked for again, and nobody answers for it.
  await clock.advance(5000);
  network.sent.length = 0;
  network.say(0, 9, { duties: [duty(network, 5n, 22, 9)] });
  await clock.advance(30);
  assertEquals(network.controls(9).filter(({ to, acks, wants }) => to === 0 && acks.length + wants.length > 0), []);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability answers duties with duties: a few bytes do not make it send the payload", async () => {
  const network = new ReliableNetwork(27, { routers: [9], failureDetector: false, adjustLimit: 0, repair: false });
  const { clock } = network;
  network.play(0, 9, { data: payload(5n, 4000), until: network.ring.bytesAt(12) });
  const written = network.payloads(9).length;
  // Segments that grow by one, from a peer that stands behind all of them.
  for (let until = 13; until < 26; until++) network.say(26, 9, { duties: [duty(network, 5n, until, until)] });
  await clock.advance(1000);
  assertEquals(network.payloads(9).length, written);
  const bytes = network.sent.filter(({ control }) => control !== undefined).map(({ bytes }) => bytes);
  assert(bytes.reduce((sum, each) => sum + each, 0) < 13 * 60);
  // And a segment that holds who hands it over is refused.
  network.say(26, 9, { duties: [duty(network, 5n, 3, 99)] });
  assertEquals(network.blamed, ["26 raintree_bad_until"]);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability answers an old nonce with few bytes with duties: it does not make it send the payload", async () => {
  const network = new ReliableNetwork(27, { routers: [9], failureDetector: false, adjustLimit: 0, repair: false });
  network.play(0, 9, { data: payload(5n, 100_000), until: network.ring.bytesAt(10) });
  const [before, written] = [network.sent.length, network.payloads(9).length];
  for (let until = 11; until < 26; until++) {
    network.play(26, 9, { data: payload(5n, 0), until: network.ring.bytesAt(until) });
  }
  assertEquals(network.payloads(9).length, written);
  assert(network.sent.length > before, "what is behind is handed on");
  const bytes = network.sent.slice(before).reduce((sum, each) => sum + each.bytes, 0);
  assert(bytes < 15 * 3 * 100, `${bytes} bytes for 15 messages of some 40`);
  await network.clock.advance(1000);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability gives what was left out although the largest broadcast there is came right after it", async () => {
  const network = new ReliableNetwork(27);
  const { clock } = network;
  network.dead.add(9);
  network.broadcast(0, 1n);
  await clock.advance(100);
  await network.router(4).broadcast(payload(2n, 4_000_000));
  await clock.advance(10_000);
  for (const nonce of [1n, 2n]) {
    assertEquals(network.reached(nonce).filter((at) => at !== 0 && at !== 4), others(27, 0, 4, 9));
  }
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability does not take the payload out of the tree for a copy that nobody asked for", async () => {
  const network = new ReliableNetwork(27, { routers: [9] });
  const data = payload(5n);
  network.play(20, 9, { data, copy: true });
  network.play(0, 9, { data, until: network.ring.bytesAt(18) });
  assertEquals(network.payloads(9).map(({ to }) => to), [12, 15, 10, 11]);
  assertEquals(network.controls(9), []);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability adjusts in classic mode as published: +1 one level down, then -1", async () => {
  const network = new ReliableNetwork(27, { mode: "classic", routers: [0], failureDetector: false, repair: false });
  network.broadcast(0, 1n);
  const first = network.payloads(0);
  assertEquals(first.filter(({ level }) => level === 3).map(({ to }) => to), [9, 18]);
  // All acknowledge but 9 and who replaces it.
  for (const { to, seq } of first) if (to !== 9) network.say(to, 0, { acks: [{ first: seq!, count: 1 }] });
  await network.clock.advance(8000);
  assertEquals(network.payloads(0).slice(first.length).map(({ to, level }) => [to, level]), [[10, 2], [8, 2]]);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability asks replacements for no acknowledgement where it is told so, and stops at adjustLimit", async () => {
  const silent = { routers: [0], failureDetector: false, repair: false };
  const trusting = new ReliableNetwork(27, { ...silent, replacementsAck: false });
  trusting.broadcast(0, 1n);
  await trusting.clock.advance(20_000);
  const later = trusting.payloads(0).slice(6);
  assertEquals(
    later.map(({ to, until, seq }) => [to, until, seq]).sort(),
    [
      [10, 18, undefined],
      [19, 0, undefined],
      [4, 6, undefined],
      [7, 9, undefined],
    ].sort(),
  );
  const limited = new ReliableNetwork(27, { ...silent, adjustLimit: 2 });
  limited.broadcast(0, 1n);
  await limited.clock.advance(20_000);
  assertEquals(limited.payloads(0).filter(({ until }) => until === 18).map(({ to }) => to), [9, 10, 11]);
  for (const network of [trusting, limited]) {
    assertEquals(await network.close(), 0);
  }
});

Deno.test("Reliability has many told of a broadcast whose segments it gave up at adjustLimit", async () => {
  for (const adjustLimit of [0, 8]) {
    const network = new ReliableNetwork(27, { routers: [0], failureDetector: false, adjustLimit });
    network.broadcast(0, 1n);
    await network.clock.advance(2500);
    const told = new Set(network.controls(0).filter(({ offers }) => offers.length > 0).map(({ to }) => to));
    // Both neighbours, those behind them and one more hear of every broadcast.
    if (adjustLimit === 0) assert(told.size >= 12, `told ${told.size}`);
    else assertEquals(told.size, 5);
    assertEquals(await network.close(), 0);
  }
});

Deno.test("Reliability suspects who disconnects and owes an acknowledgement, and nobody else", async () => {
  const network = new ReliableNetwork(27, { routers: [0] });
  const { ring, clock } = network;
  network.broadcast(0, 1n);
  const { seq } = network.payloads(0).find(({ to }) => to === 3)!;
  network.say(3, 0, { acks: [{ first: seq!, count: 1 }] });
  const reliability = network.router(0).reliability!;
  for (const position of [3, 9]) reliability.down(ring.at(position));
  assertEquals([3, 9].map((position) => reliability.stateOf(ring.at(position))), ["alive", "suspect"]);
  await clock.advance(20);
  assertEquals(network.payloads(0).slice(6).map(({ to, until }) => [to, until]), [[10, 18]], "without waiting");
  // A lost connection says more than silence.
  for (let i = 0; i < 8; i++) {
    network.say(3, 0, { alive: true });
    await clock.advance(100);
  }
  assertEquals(reliability.stateOf(ring.at(9)), "dead");
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability offers what is recent to who connects and is near in the tree", async () => {
  const network = new ReliableNetwork(81, { routers: [0], acks: false, failureDetector: false });
  const { ring, clock } = network;
  network.broadcast(0, 1n);
  await clock.advance(5000);
  network.sent.length = 0;
  const near = treeNeighbours(ring, ring.at(0));
  const strangers = [...ring].slice(1).filter((peer) => !near.has(peer));
  assert(near.size > 0 && strangers.length > 0);
  for (const peer of [...near, ...strangers]) network.router(0).reliability!.up(peer);
  await clock.advance(100);
  const told = network.controls(0).filter(({ offers }) => offers.length > 0).map(({ to }) => ring.at(to));
  assertEquals(told.sort(), [...near].sort());
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability finishes a broadcast on the ring that it began with", async () => {
  const network = new ReliableNetwork(27, { failureDetector: false });
  const { ring, clock } = network;
  network.dead.add(9);
  // Stands right behind the dead one.
  const newcomer = (BigInt(`0x${ring.at(9)}`) + 1n).toString(16).padStart(40, "0");
  network.broadcast(0, 1n);
  await clock.advance(75);
  const larger = ring.with({ add: [newcomer], height: 1 });
  for (const router of network.routers.values()) router.setRing(larger);
  await clock.advance(3000);
  assertEquals(network.payloads(0).slice(6).map(({ to, until }) => [to, until]), [[10, 18]]);
  assertEquals(network.reached(1n), others(27, 0, 9));
  for (const got of network.got.values()) assert(got.length <= 1);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability neither keeps nor offers private messages", async () => {
  const network = new ReliableNetwork(9);
  const { clock } = network;
  await network.router(0).send(payload(1n), network.ring.at(4));
  await clock.advance(5000);
  assertEquals(network.got.get(4), [1n]);
  assertEquals(network.router(4).reliability!.recent.size, 0);
  network.say(2, 4, { wants: [1n] });
  await clock.advance(1000);
  assertEquals(network.sent.length, 1);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability wants a broadcast, keeps it and offers it although a private message with its nonce came first", async () => {
  for (const how of ["offer", "duty", "tree"]) {
    const network = new ReliableNetwork(27, { routers: [9] });
    const { clock, ring } = network;
    const data = payload(5n);
    network.play(8, 9, { data });
    assertEquals(network.got.get(9), [5n]);
    if (how === "offer") network.say(7, 9, { offers: packNonces([5n]) });
    if (how === "duty") network.say(0, 9, { duties: [duty(network, 5n, 18, 3)] });
    await clock.advance(400);
    const wants = network.controls(9).filter(({ wants }) => wants.length > 0).map(({ to, wants }) => [to, wants]);
    assertEquals(wants, how === "tree" ? [] : [[how === "offer" ? 7 : 0, [5n]]]);
    if (how === "offer") network.play(7, 9, { data, copy: true });
    else network.play(0, 9, { data, until: ring.bytesAt(18), seq: 4 });
    assertEquals(network.payloads(9).map(({ to }) => to), how === "offer" ? [] : [12, 15, 10, 11]);
    await clock.advance(400);
    const told = network.controls(9).filter(({ offers }) => offers.length > 0).map(({ to }) => to);
    assert([8, 10].every((neighbour) => told.includes(neighbour)), `${how}: told ${told}`);
    assertEquals([network.got.get(9), network.blamed], [[5n], []]);
    assertEquals(await network.close(), 0);
  }
});

Deno.test("Reliability gives whoever was handed duties what it lacks of them, however many, and blames nobody", async () => {
  const network = new ReliableNetwork(27, { routers: [9], failureDetector: false });
  const nonces = Array.from({ length: 3000 }, (_, i) => BigInt(i + 1));
  for (const nonce of nonces) network.play(8, 9, { data: payload(nonce), copy: true });
  network.say(0, 9, { duties: nonces.map((nonce, i) => duty(network, nonce, 18, i + 1)) });
  await network.clock.advance(30);
  network.sent.length = 0;
  for (let again = 0; again < 2; again++) {
    network.say(12, 9, { wants: nonces });
    assertEquals(network.payloads(9).filter(({ to }) => to === 12).length, 3000);
    assertEquals(network.blamed.length, again);
  }
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability of a node that is not staked acknowledges nothing and serves nobody", async () => {
  const network = new ReliableNetwork(9, { routers: [] });
  const router = network.join("ff".repeat(20));
  network.play(0, -1, { data: payload(1n), until: network.ring.bytesAt(5), seq: 7 });
  await network.clock.advance(1000);
  assertEquals([network.got.get(-1), network.sent], [[1n], []]);
  router.close();
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability with redundancy 1 sends everybody the originator's own copy", async () => {
  const network = new ReliableNetwork(27, { redundancy: 1 });
  network.dead.add(9).add(18);
  network.broadcast(0, 1n);
  assertEquals(network.payloads(0).length, 6 + 26);
  await network.clock.advance(60);
  assertEquals(network.reached(1n), others(27, 0, 9, 18));
  const half = new ReliableNetwork(200, { redundancy: 0.5, routers: [0] });
  half.broadcast(0, 1n);
  const copies = half.payloads(0).length;
  assert(copies > 80 && copies < 130, `${copies}`);
  for (const each of [network, half]) assertEquals(await each.close(), 0);
});

Deno.test("Reliability says nothing to V1 peers", async () => {
  const v1 = [3, 9, 20];
  const network = new ReliableNetwork(27, { v1, routers: others(27, ...v1) });
  for (const router of network.routers.values()) for (const each of v1) router.up(network.ring.at(each));
  network.broadcast(0, 1n);
  await network.clock.advance(3000);
  assertEquals(network.reached(1n), others(27, 0, ...v1));
  assertEquals(network.sent.filter(({ to, control }) => v1.includes(to) && control !== undefined), []);
  for (const { to, until, seq } of network.payloads()) {
    if (v1.includes(to)) assertEquals([until, seq], [undefined, undefined]);
  }
  assertEquals(network.router(0).reliability!.stats.silences, 0);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability complains about who replays one message or one duty, and not about honest repeats", async () => {
  const network = new ReliableNetwork(27, { routers: [9] });
  const data = payload(5n);
  const until = network.ring.bytesAt(18);
  for (let seq = 0; seq < 20; seq++) network.play(0, 9, { data, until, seq });
  assertEquals(network.blamed, []);
  for (let seq = 0; seq < 320; seq++) network.play(1, 9, { data, until, seq });
  assertEquals(network.blamed, new Array(10).fill("1 raintree_repeated"));
  for (let seq = 0; seq < 320; seq++) network.say(2, 9, { duties: [duty(network, 5n, 18, seq)] });
  assertEquals(network.blamed.slice(10), new Array(10).fill("2 raintree_repeated"));
  await network.clock.advance(100);
  assertEquals(network.payloads(9).length, 4);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability does not look for invented acknowledgements for long", async () => {
  const network = new ReliableNetwork(27, { routers: [0] });
  network.broadcast(0, 1n);
  network.say(9, 0, { acks: Array.from({ length: 8192 }, () => ({ first: 2 ** 32 - 1, count: 4096 })) });
  network.say(9, 0, { acks: [{ first: 5, count: 2 ** 32 - 1 }] });
  assertEquals(network.blamed, ["9 control_malformed", "9 control_malformed"]);
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability probes nobody who has left the ring", async () => {
  const network = new ReliableNetwork(9, { routers: [0] });
  const { clock, ring } = network;
  network.broadcast(0, 1n);
  await clock.advance(10_000);
  assertEquals(network.router(0).reliability!.stateOf(ring.at(3)), "dead");
  network.router(0).setRing(ring.with({ remove: [ring.at(3)], height: 1 }));
  await clock.advance(40_000);
  assertEquals(network.router(0).reliability!.stateOf(ring.at(3)), "alive");
  network.sent.length = 0;
  await clock.advance(60_000);
  assertEquals(network.sent.filter(({ to }) => to === 3), []);
  assert(network.sent.some(({ control }) => control?.probe));
  assertEquals(await network.close(), 0);
});

Deno.test("Reliability passes on what few strangers send, as they may be staked soon, and not what many do", async () => {
  const network = new ReliableNetwork(27, { routers: [9], repair: false, adjustLimit: 0, failureDetector: false });
  const { clock } = network;
  // Position -1 is a peer outside of the ring.
  const play = (nonce: bigint) =>
    network.router(9).receive(
      encodeRainTreeMessage({ level: 0, seq: 1, until: network.ring.bytesAt(12), data: payload(nonce) }),
      "ff".repeat(20),
    );
  for (let nonce = 1n; nonce <= 600n; nonce++) play(nonce);
  assertEquals(network.payloads(9).length, 512 * 2);
  assertEquals([network.got.get(9)!.length, network.router(9).reliability!.recent.size], [600, 512]);
  // The staked are served as before, and strangers again a little later.
  network.play(0, 9, { data: payload(1000n), until: network.ring.bytesAt(12) });
  await clock.advance(1000);
  for (let nonce = 2001n; nonce <= 2100n; nonce++) play(nonce);
  assertEquals(network.payloads(9).length, (512 + 1 + 64) * 2);
  assertEquals(network.blamed, []);
  assertEquals(await network.close(), 0);
});
