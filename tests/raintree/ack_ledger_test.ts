import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { below, seededRandom } from "../../src/base/random.ts";
import type { Address } from "../../src/identity/address.ts";
import { AckBench, anna, bert, carl, handover } from "./ack_bench.ts";

const UINT32 = 2 ** 32;

Deno.test("AckLedger numbers what each peer is handed, and is content when it is acknowledged in order", async () => {
  const { clock, ledger, silences } = new AckBench();
  for (let i = 0; i < 100; i++) {
    assertEquals(ledger.sent(anna, handover(i)), i);
    await clock.advance(10);
    if (i % 3 === 2) ledger.acked(anna, i - 2, 3);
  }
  assertEquals(ledger.outstandingOf(anna), 1);
  ledger.acked(anna, 99, 1);
  assertEquals([ledger.outstandingOf(anna), ledger.outstandingOf(bert)], [0, 0]);
  await clock.advance(60_000);
  assertEquals(silences, []);
  assertEquals(clock.pending, 0, "nothing owed and still a timer");
});

Deno.test("AckLedger takes runs that go round at 2^32", () => {
  const bench = new AckBench({ firstSeq: UINT32 - 3 });
  const { ledger } = bench;
  assertEquals(bench.send(anna, 8), [UINT32 - 3, UINT32 - 2, UINT32 - 1, 0, 1, 2, 3, 4]);
  ledger.acked(anna, UINT32 - 2, 4);
  assertEquals(ledger.outstandingOf(anna), 4);
  ledger.acked(anna, UINT32 - 3, 3);
  ledger.acked(anna, 3, 1);
  ledger.gone(anna);
  assertEquals(bench.ids(), [5, 7]);
});

Deno.test("AckLedger finds lost what stays out while later ones are acknowledged", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  ledger.measured(anna, 40);
  for (let i = 0; i < 100; i++) {
    const seq = ledger.sent(anna, handover(i));
    await clock.advance(10);
    if (i !== 30 && i !== 31) ledger.acked(anna, seq, 1);
  }
  assertEquals(bench.ids(), [30, 31]);
  const [{ atMs, first }, next] = bench.silences;
  assert(atMs > 550 && atMs <= 600, `found at ${atMs} ms, handed over at 300`);
  // One sweep found both, or two did: then it is the first of each.
  assertEquals([first, next.first], [true, next.atMs !== atMs]);
  assertEquals(ledger.outstandingOf(anna), 0);
});

Deno.test("AckLedger tells of all that a silent peer owes, the first of a row marked", async () => {
  const bench = new AckBench();
  bench.ledger.measured(anna, 40);
  bench.ledger.measured(bert, 40);
  bench.send(anna, 3);
  bench.send(bert, 2, 10);
  bench.ledger.acked(bert, 2, 2);
  await bench.clock.advance(200);
  assertEquals(bench.silences, []);
  await bench.clock.advance(25);
  assertEquals(bench.silences.map(({ peer, id, first }) => [peer, id, first]), [
    [anna, 0, true],
    [anna, 1, false],
    [anna, 2, false],
    [bert, 10, true],
    [bert, 11, false],
  ]);
  await bench.clock.advance(25);
  assertEquals(bench.clock.pending, 0);
});

Deno.test("AckLedger.gone() tells at once of all that is owed, forgets the peer and never uses a number again", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  ledger.measured(anna, 40);
  const before = bench.send(anna, 5);
  ledger.acked(anna, 1, 2);
  const [other] = bench.send(bert, 1, 50);
  ledger.gone(anna);
  ledger.gone(anna);
  assertEquals(bench.silences.map(({ id, first }) => [id, first]), [[0, true], [3, false], [4, false]]);
  assertEquals([ledger.outstandingOf(anna), ledger.timeoutMs(anna)], [0, 1000 - 4 * (210 / 8)]);
  const after = bench.send(anna, 5, 10);
  assertEquals(after.filter((seq) => before.includes(seq)), []);
  // Acknowledgements of what went over the old connection, and of all of it.
  ledger.acked(anna, 0, 5);
  ledger.acked(anna, 3, 2);
  assertEquals(ledger.outstandingOf(anna), 5);
  ledger.acked(anna, after[0], 5);
  ledger.acked(bert, other, 1);
  await clock.advance(10_000);
  assertEquals(bench.silences.length, 3);
  assertEquals(ledger.size, 2);
  for (const peer of [anna, bert]) ledger.gone(peer);
  assertEquals([ledger.size, clock.pending, bench.silences.length], [0, 0, 3]);
});

Deno.test("AckLedger remembers 16,384 hand-overs to a peer; of more, the oldest count as silent", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  bench.send(anna, 20_000);
  const [other] = bench.send(bert, 100);
  await clock.advance(25);
  assertEquals([ledger.outstandingOf(anna), ledger.outstandingOf(bert)], [16_384, 100]);
  assertEquals(bench.ids(), Array.from({ length: 20_000 - 16_384 }, (_, i) => i));
  assertEquals(ledger.timeoutMs(anna), 1000, "too many is not too late");
  ledger.acked(anna, 0, 20_000);
  ledger.acked(bert, other, 100);
  await clock.advance(5000);
  assertEquals([bench.silences.length, clock.pending], [20_000 - 16_384, 0]);
});

Deno.test("AckLedger does with any acknowledgement what a plain list of numbers does", () => {
  const near = fc.integer({ min: -60, max: 60 });
  const operation = fc.oneof(
    fc.record({ kind: fc.constant("send" as const), count: fc.integer({ min: 1, max: 50 }) }),
    fc.record({ kind: fc.constant("ack" as const), near, count: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant("ack" as const), near, count: fc.integer({ min: 1, max: UINT32 - 1 }) }),
    fc.record({ kind: fc.constant("gone" as const) }),
  );
  const firstSeq = fc.oneof(fc.constant(0), fc.integer({ min: UINT32 - 200, max: UINT32 - 1 }));
  fc.assert(
    fc.property(firstSeq, fc.array(operation, { maxLength: 60 }), (firstSeq, operations) => {
      const bench = new AckBench({ firstSeq });
      let next = firstSeq;
      let owed: number[] = [];
      for (const operation of operations) {
        if (operation.kind === "send") {
          for (let i = 0; i < operation.count; i++) {
            assertEquals(bench.ledger.sent(anna, handover(next)), next);
            owed.push(next);
            next = (next + 1) % UINT32;
          }
        } else if (operation.kind === "ack") {
          const first = (next + operation.near) >>> 0;
          bench.ledger.acked(anna, first, operation.count);
          const sane = operation.count <= (next - first) >>> 0;
          if (sane) owed = owed.filter((seq) => (seq - first) >>> 0 >= operation.count);
        } else {
          bench.silences.length = 0;
          bench.ledger.gone(anna);
          assertEquals(bench.ids(), owed);
          owed = [];
        }
        assertEquals(bench.ledger.outstandingOf(anna), owed.length);
      }
      bench.silences.length = 0;
      bench.ledger.gone(anna);
      assertEquals(bench.ids(), owed);
      bench.ledger.close();
      assertEquals(bench.clock.pending, 0);
    }),
    { seed: 77, numRuns: 300 },
  );
});

Deno.test("AckLedger tells of each hand-over once, or it is acknowledged, whatever happens when", async () => {
  const random = seededRandom(2026);
  const bench = new AckBench({ firstSeq: UINT32 - 500 });
  const { clock, ledger } = bench;
  const peers = [anna, bert, carl];
  const under = new Map<Address, Map<number, number>>(peers.map((peer) => [peer, new Map()]));
  const settled = new Set<number>();
  let id = 0;
  for (let step = 0; step < 4000; step++) {
    const peer = peers[below(random, peers.length)];
    const open = under.get(peer)!;
    const dice = below(random, 100);
    if (dice < 55) open.set(ledger.sent(peer, handover(id)), id++);
    else if (dice < 90 && open.size > 0) {
      const [seq, which] = [...open][below(random, Math.min(4, open.size))];
      const before = ledger.outstandingOf(peer);
      ledger.acked(peer, seq, 1);
      if (ledger.outstandingOf(peer) < before) settled.add(which);
      open.delete(seq);
    } else if (dice === 99) ledger.gone(peer);
    else await clock.advance(below(random, 40));
  }
  for (const peer of peers) ledger.gone(peer);
  const told = bench.silences.map(({ id }) => id);
  assertEquals(told.length, new Set(told).size, "told twice");
  assertEquals(told.filter((which) => settled.has(which)), [], "acknowledged and told");
  assertEquals(told.length + settled.size, id);
  assert(told.length > 100 && settled.size > 100, `${told.length} silent, ${settled.size} acknowledged`);
  await clock.advance(50);
  assertEquals([clock.pending, ledger.size], [0, 0]);
});

Deno.test("AckLedger bears that a silence makes its owner hand over again, tell of lost connections, or close it", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  bench.onSilent = ({ peer, id }) => {
    // In turn: to the same peer, which is late again, then to one that acknowledges.
    if (id === 0) ledger.sent(peer, handover(1));
    else if (id === 1) ledger.acked(carl, ledger.sent(carl, handover(2)), 1);
    else if (id === 20) ledger.gone(bert);
  };
  bench.send(anna, 1);
  bench.send(anna, 1, 20);
  bench.send(bert, 2, 30);
  await clock.advance(10_000);
  assertEquals(bench.ids(), [0, 20, 1]);
  assertEquals(bench.ids(bert), [30, 31]);
  assertEquals([clock.pending, ledger.outstandingOf(carl)], [0, 0]);

  const closing = new AckBench();
  closing.onSilent = () => closing.ledger.close();
  closing.send(anna, 3);
  closing.send(bert, 3);
  await closing.clock.advance(10_000);
  assertEquals(closing.silences.length, 1);
});

Deno.test("AckLedger.close() leaves no timer, and what is handed over after it is nobody's", async () => {
  const bench = new AckBench();
  bench.send(anna, 2);
  bench.ledger.close();
  bench.ledger.close();
  bench.send(anna, 2);
  bench.ledger.measured(bert, 30);
  bench.ledger.acked(anna, 0, 1);
  bench.ledger.gone(anna);
  await bench.clock.advance(10_000);
  assertEquals([bench.silences.length, bench.clock.pending, bench.ledger.size], [0, 0, 0]);
});

Deno.test("AckLedger takes an acknowledgement of what it never sent for no sign of life", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  ledger.measured(anna, 20);
  bench.send(anna, 3);
  for (let ms = 0; ms < 1000; ms += 50) {
    ledger.acked(anna, 1_000_000, 1);
    await clock.advance(50);
  }
  assertEquals(bench.ids(), [0, 1, 2]);
});
