import { assert, assertEquals } from "@std/assert";
import type { P2pError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { Address } from "../../src/identity/address.ts";
import { NonceDeduper } from "../../src/raintree/dedup.ts";
import { randomNonce } from "../../src/raintree/envelope.ts";
import { HELD } from "../../src/raintree/nonce_marks.ts";
import { packNonces } from "../../src/raintree/packed_nonces.ts";
import { RecentMessages } from "../../src/raintree/recent_messages.ts";
import { Repair, type RepairOptions } from "../../src/raintree/repair.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { addresses } from "./networks.ts";
import { RecordingSink } from "./recording_sink.ts";

/** One node of a ring of `nodes`, at index 0; every fifth node is connected. */
function rig(nodes = 20, options: Partial<RepairOptions> = {}) {
  const clock = new VirtualClock();
  const sink = new RecordingSink();
  const random = seededRandom(nodes);
  const all = addresses(nodes + 1, nodes);
  const stranger = all.pop()!;
  const ring = Ring.of(all);
  const recent = new RecentMessages({ clock });
  const nonces = new NonceDeduper({ random });
  const delivered: [to: Address, nonce: bigint][] = [];
  const complaints: [from: Address, code: string][] = [];
  const connected = Array.from({ length: Math.floor((nodes - 1) / 5) }, (_, i) => ring.at(5 * (i + 1)));
  const repair = new Repair({
    clock,
    random,
    self: ring.at(0),
    ring: () => ring,
    sink,
    recent,
    nonces,
    isDead: () => false,
    connected: () => connected,
    deliver: (to, message) => delivered.push([to, message.nonce]),
    onMisbehaviour: (from, error) => complaints.push([from, (error as P2pError).code]),
    intervalMs: 50,
    settleMs: 300,
    ...options,
  });
  const got = (nonce: bigint, by: "tree" | "repair" | "own" = "tree") => {
    nonces.seen(nonce, HELD);
    repair.got(recent.add(nonce, new Uint8Array(10)), by);
  };
  return { clock, sink, ring, stranger, recent, connected, delivered, complaints, repair, got, random };
}

Deno.test("Repair offers a broadcast once, when it has settled, to both neighbours and one connected peer, and later to those behind them", async () => {
  const { clock, sink, ring, connected, got } = rig();
  got(7n);
  await clock.advance(290);
  assertEquals(sink.take(), []);
  await clock.advance(60);
  const said = sink.take();
  assertEquals(said.map(({ what, nonce }) => [what, nonce]), Array(3).fill(["offer", 7n]));
  assertEquals(said.slice(0, 2).map(({ to }) => to).sort(), [ring.at(1), ring.at(0, -1)].sort());
  assert(connected.includes(said[2].to));
  await clock.advance(340);
  assertEquals(sink.take(), []);
  await clock.advance(60);
  assertEquals(sink.take().map(({ to }) => to).sort(), [ring.at(2), ring.at(0, -2)].sort());
  await clock.advance(10_000);
  assertEquals([sink.take(), clock.pending], [[], 0]);
});

Deno.test("Repair skips dead neighbours", async () => {
  const dead = new Set<Address>();
  const { clock, sink, ring, got } = rig(20, { isDead: (peer) => dead.has(peer) });
  dead.add(ring.at(1)).add(ring.at(2)).add(ring.at(0, -1)).add(ring.at(5));
  got(7n);
  await clock.advance(400);
  const to = sink.take().map((said) => said.to);
  assert(to.includes(ring.at(3)) && to.includes(ring.at(0, -2)), `offered to ${to}`);
  assert(!to.some((peer) => dead.has(peer)));
});

/** Two hundred broadcasts an interval, for three seconds, and what each peer is told meanwhile. */
async function many(
  { clock, sink, got, random }: ReturnType<typeof rig>,
  each: (interval: number, nonces: readonly bigint[]) => void = () => {},
) {
  const nonces: bigint[] = [];
  const told = new Map<Address, { nonces: bigint[]; rounds: number }>();
  for (let interval = 0; interval < 60; interval++) {
    nonces.push(...Array.from({ length: 200 }, () => randomNonce(random)));
    for (const nonce of nonces.slice(200 * interval)) got(nonce);
    await clock.advance(50);
    each(interval, nonces);
    for (const [to, said] of Map.groupBy(sink.take(), ({ to }) => to)) {
      const row = told.getOrInsert(to, { nonces: [], rounds: 0 });
      row.nonces.push(...said.map(({ nonce }) => nonce));
      row.rounds++;
    }
  }
  return { nonces, told };
}

Deno.test("Repair offers many less often, and in calm to both neighbours and one connected peer alone", async () => {
  const network = rig();
  const { ring, connected, clock } = network;
  const { nonces, told } = await many(network);
  for (const peer of [ring.at(1), ring.at(0, -1)]) {
    const row = told.get(peer)!;
    assert(row.nonces.length >= 200 * (60 - 6 - 6), `told of ${row.nonces.length}`); // settled, and not in the current rest
    assertEquals(row.nonces, nonces.slice(0, row.nonces.length));
    assert(row.rounds <= 10, `told in ${row.rounds} rounds`);
    told.delete(peer);
  }
  assert([...told.keys()].every((peer) => connected.includes(peer)), `told ${[...told.keys()]}`);
  assert([...told.values()].flatMap(({ nonces }) => nonces).length <= nonces.length);
  await clock.advance(10_000);
  assertEquals(clock.pending, 0);
});

Deno.test("Repair offers many to those behind the neighbours and to more connected peers from a hint of trouble on, and those of the moments before", async () => {
  const network = rig();
  const { ring, connected, repair } = network;
  const { nonces, told } = await many(network, (interval, nonces) => {
    if (interval === 25) repair.contest(nonces[0]);
  });
  const due = nonces.slice(0, 200 * (60 - 14 - 3)); // settled, behind the neighbours, and not in the current rest
  for (const peer of [1, -1, 2, -2].map((offset) => ring.at(0, offset))) {
    assert(new Set(told.get(peer)?.nonces).isSupersetOf(new Set(due)), `not told ${peer}`);
  }
  const others = connected.flatMap((peer) => told.get(peer)?.nonces ?? []);
  assert(others.length >= 3 * due.length, `${others.length} offers of ${due.length} broadcasts to connected peers`);
});

Deno.test("Repair takes them for many as long as they come fast, and not for what came before", async () => {
  const { clock, sink, ring, got } = rig();
  const nonces = Array.from({ length: 1400 }, (_, i) => BigInt(i + 1));
  for (const nonce of nonces.slice(0, 1000)) got(nonce);
  for (const nonce of nonces.slice(1000)) {
    got(nonce);
    await clock.advance(10);
  }
  await clock.advance(1000);
  const said = sink.take().filter(({ to }) => to === ring.at(2)).map(({ nonce }) => nonce);
  assertEquals(new Set(said), new Set(nonces));
  assertEquals(clock.pending, 0);
});

Deno.test("Repair offers everything to its neighbours however long its intervals are", async () => {
  for (const intervalMs of [20, 50, 200, 300, 600]) {
    for (const intervals of [0, 1, 2]) {
      const { clock, sink, ring, got, random } = rig(20, { intervalMs });
      const nonces = Array.from({ length: 101 }, () => randomNonce(random));
      nonces.slice(0, 100).forEach((nonce) => got(nonce));
      await clock.advance(intervals * intervalMs);
      got(nonces[100]);
      await clock.advance(10_000);
      const said = sink.take();
      for (const to of [ring.at(1), ring.at(0, -1)]) {
        assertEquals(said.filter((each) => each.to === to).map(({ nonce }) => nonce), nonces, `every ${intervalMs} ms`);
      }
      assertEquals(clock.pending, 0);
    }
  }
});

Deno.test("Repair offers a contested broadcast to k random peers for H intervals, once in its life", async () => {
  const { clock, sink, connected, repair, got } = rig(100, { rounds: 3 });
  got(7n);
  await clock.advance(1000);
  sink.take();
  for (let again = 0; again < 2; again++) {
    repair.contest(7n);
    const rounds: number[] = [];
    for (let i = 0; i < 5; i++) {
      await clock.advance(50);
      const to = sink.take().map((said) => said.to);
      rounds.push(to.length);
      assertEquals(new Set(to).size, to.length);
      if (i === 1) assertEquals(to.filter((peer) => connected.includes(peer)).length >= 3, !again);
    }
    assertEquals(rounds, again ? [0, 0, 0, 0, 0] : [6, 4, 4, 0, 0]);
  }
  repair.contest(8n);
  assertEquals(clock.pending, 0);
});

Deno.test("Repair contests what it had to ask for, and what others want", async () => {
  const { clock, sink, ring, repair, got } = rig(200);
  repair.offered(ring.at(4), packNonces([7n]));
  await clock.advance(150);
  assertEquals(sink.take(), [{ what: "want", to: ring.at(4), nonce: 7n }]);
  got(7n, "repair");
  await clock.advance(60);
  assertEquals(sink.take().length, 6);
  got(8n);
  // Sent without being asked for: no reason for alarm.
  got(9n, "repair");
  await clock.advance(1000);
  const neighbour = ring.at(1);
  assertEquals(sink.take().filter(({ nonce }) => nonce !== 7n).length, 10);
  repair.wanted(neighbour, [8n]);
  await clock.advance(50);
  assertEquals(sink.take().filter(({ nonce }) => nonce === 8n).length, 6);
});

Deno.test("Repair sends a payload only to whom it was offered, once per offer, and bans who floods it with wants", async () => {
  const { clock, sink, ring, delivered, complaints, repair, got, random, stranger } = rig(20, { rounds: 0 });
  const offered = Array.from({ length: 10 }, () => randomNonce(random));
  for (const nonce of offered) got(nonce);
  await clock.advance(400);
  sink.take();
  repair.wanted(ring.at(1), offered);
  assertEquals(delivered.length, 10);
  for (let i = 0; i < 1000; i++) {
    repair.wanted(ring.at(1), offered);
    repair.wanted(ring.at(4), offered);
    repair.wanted(stranger, [randomNonce(random)]);
  }
  assertEquals([delivered.length, sink.take().length], [10, 0]);
  for (const peer of [ring.at(1), ring.at(4), stranger]) {
    const count = complaints.filter(([from, code]) => from === peer && code === "repair_not_offered").length;
    assert(count >= 30, `${count} complaints about ${peer}`);
  }
});

Deno.test("Repair does not blame a peer for what this node forgot, nor for one want too many", async () => {
  const { clock, ring, recent, delivered, complaints, repair, got } = rig();
  got(7n);
  await clock.advance(400);
  repair.wanted(ring.at(1), [7n]);
  repair.wanted(ring.at(1), [7n]);
  await clock.advance(61_000);
  recent.add(8n, new Uint8Array());
  for (let i = 0; i < 100; i++) repair.wanted(ring.at(1), [7n]);
  assertEquals([delivered.length, complaints], [1, []]);
});

Deno.test("Repair ignores offers of peers that are not staked, and complains where it is many", () => {
  const { sink, stranger, complaints, repair, clock } = rig();
  repair.offered(stranger, packNonces([1n]));
  repair.asked(stranger, [1n]);
  assertEquals([sink.take(), complaints, repair.sizes.lacking], [[], [], 0]);
  for (let i = 0; i < 100; i++) repair.offered(stranger, packNonces([1n]));
  assertEquals(complaints.length, 3);
  assertEquals(clock.pending, 0);
});

Deno.test("Repair.asked() answers that it has it, or wants it at once", () => {
  const { sink, ring, repair, got } = rig();
  got(7n);
  repair.asked(ring.at(3), [7n, 8n]);
  assertEquals(sink.take(), [{ what: "deny", to: ring.at(3), nonce: 7n }, { what: "want", to: ring.at(3), nonce: 8n }]);
  repair.close();
});

Deno.test("Repair.recovered() offers all, the newest first and so many at a time, not at every turn, and nothing twice", async () => {
  const { clock, sink, ring, stranger, delivered, repair, got } = rig(20, { rounds: 0 });
  for (let nonce = 1n; nonce <= 3000n; nonce++) got(nonce);
  await clock.advance(3000);
  sink.take();
  const peer = ring.at(9);
  repair.recovered(peer);
  const nonces = sink.take().map(({ to, nonce }) => (assertEquals(to, peer), nonce));
  assertEquals(nonces, Array.from({ length: 2048 }, (_, i) => 3000n - BigInt(i)));
  repair.recovered(peer);
  repair.recovered(stranger);
  assertEquals(sink.take(), []);
  repair.wanted(peer, [3000n, 2000n, 1n]);
  assertEquals(delivered.map(([, nonce]) => nonce), [3000n, 2000n]);
  await clock.advance(1900);
  assertEquals(sink.take(), []);
  // It came again too soon: by and by it is offered what it has not had all the same, once.
  await clock.advance(200);
  assertEquals(sink.take().length, 2046);
  await clock.advance(1800);
  assertEquals(sink.take(), []);
  await clock.advance(300);
  assertEquals(sink.take().map(({ nonce }) => nonce), Array.from({ length: 952 }, (_, i) => 952n - BigInt(i)));
  repair.wanted(peer, [1n]);
  assertEquals(delivered.length, 3);
  await clock.advance(10_000);
  assertEquals([sink.take(), clock.pending], [[], 0]);
});

Deno.test("Repair's tables stay bounded, and empty when it is over", async () => {
  const { clock, sink, ring, complaints, repair, got, random } = rig(200, { rounds: 2 });
  for (let round = 0; round < 100; round++) {
    for (let i = 0; i < 100; i++) {
      const nonce = randomNonce(random);
      got(nonce);
      repair.contest(nonce);
    }
    for (let peer = 1; peer < 20; peer++) {
      repair.offered(ring.at(peer), packNonces(Array.from({ length: 50 }, () => randomNonce(random))));
    }
    repair.recovered(ring.at(round + 20));
    await clock.advance(100);
    const { lacking, offerers, contested, recovered } = repair.sizes;
    assert(lacking <= 8192 && offerers <= 200 && contested <= 8192 && recovered <= 200);
  }
  assert(complaints.length > 0);
  await clock.advance(100_000);
  sink.take();
  got(1n);
  await clock.advance(1000);
  const { lacking, served, contested, recovered } = repair.sizes;
  assertEquals([lacking, contested, recovered], [0, 0, 0]);
  assert(served <= 200, `${served} entries`);
  assertEquals(clock.pending, 0);
});

Deno.test("Repair.close() leaves no timer, and nothing is said afterwards", () => {
  const { clock, sink, ring, repair, got } = rig();
  got(7n);
  repair.offered(ring.at(1), packNonces([8n]));
  repair.close();
  repair.close();
  got(9n);
  repair.contest(7n);
  repair.offered(ring.at(1), packNonces([10n]));
  repair.asked(ring.at(1), [10n]);
  repair.wanted(ring.at(1), [7n]);
  repair.recovered(ring.at(1));
  assertEquals([sink.take(), clock.pending], [[], 0]);
});
