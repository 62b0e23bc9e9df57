import { assert, assertEquals } from "@std/assert";
import { BUSY_MS, LAZY_MS } from "../../src/raintree/control_outbox.ts";
import { AckBench, anna, bert, carl, handover, others } from "./ack_bench.ts";

Deno.test("AckLedger takes a peer that goes on acknowledging for slow and not for silent, up to four ceilings", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  ledger.measured(anna, 40);
  bench.send(anna, 200);
  // One in 100 ms: the last of 70 has waited for 7 s.
  for (let i = 0; i < 70; i++) {
    await clock.advance(100);
    ledger.acked(anna, i, 1);
  }
  assertEquals(bench.silences, []);
  await clock.advance(100);
  for (let i = 70; i < 80; i++) {
    ledger.acked(anna, i, 1);
    await clock.advance(100);
  }
  assertEquals(bench.ids(), Array.from({ length: 120 }, (_, i) => 80 + i));
  assert(bench.silences[0].atMs > 8000, `found at ${bench.silences[0].atMs}`);
});

Deno.test("AckLedger does not let a peer hold back what it owes by acknowledging old things again and again", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  ledger.measured(anna, 40);
  const [old] = bench.send(anna, 1);
  ledger.acked(anna, old, 1);
  for (let i = 0; i < 1200; i++) {
    ledger.sent(anna, handover(i));
    await clock.advance(10);
    ledger.acked(anna, old, 1);
  }
  const outstanding = ledger.outstandingOf(anna);
  assert(outstanding <= 810, `${outstanding} outstanding, four ceilings are 800 of them`);
  assertEquals(bench.ids().length + outstanding, 1200);
});

Deno.test("AckLedger.timeoutMs() follows the round trips, between floor and ceiling", async () => {
  const bench = new AckBench({ floorMs: 100, ceilingMs: 3000 });
  const { ledger } = bench;
  ledger.measured(anna, 20);
  assertEquals(ledger.timeoutMs(anna), 105, "acknowledgements may wait for company, and a sweep come late");
  for (let i = 0; i < 40; i++) await bench.roundTrip(anna, 90);
  const quick = ledger.timeoutMs(anna);
  assert(quick > 90 && quick < 250, `${quick} ms for round trips of 90`);
  const slow: AckBench = new AckBench();
  slow.ledger.measured(anna, 700);
  for (let i = 0; i < 40; i++) await slow.roundTrip(anna, 700);
  const steady = slow.ledger.timeoutMs(anna);
  assert(steady > 700 && steady < 900, `${steady} ms for round trips of 700`);
  // As regular, but longer at times.
  for (let i = 0; i < 40; i++) await slow.roundTrip(anna, i % 4 === 0 ? 1000 : 600);
  const jittery = slow.ledger.timeoutMs(anna);
  assert(jittery > steady + 150, `${jittery} ms for round trips of 600 to 1000, ${steady} before`);
  assertEquals(bench.silences, []);
  assert(slow.silences.length <= 2, `${slow.silences.length} of the first that took longer were not expected`);
  assert(
    Math.abs(slow.ledger.roundTripMs(anna, () => false) - 700) < 150,
    `${slow.ledger.roundTripMs(anna, () => false)}`,
  );
  slow.ledger.measured(anna, 5000);
  assertEquals(slow.ledger.timeoutMs(anna), 2000);
});

Deno.test("AckLedger waits twice as long after a silence, once for all that was under way, until something is acknowledged", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  ledger.measured(anna, 40);
  assertEquals(ledger.timeoutMs(anna), 200);
  for (let i = 0; i < 20; i++) {
    ledger.sent(anna, handover(i));
    await clock.advance(10);
  }
  await clock.advance(50);
  assert(bench.ids().length > 0 && bench.ids().length < 5, `${bench.ids().length} silences`);
  assertEquals(ledger.timeoutMs(anna), 400);
  await clock.advance(450);
  assertEquals([bench.ids().length, ledger.timeoutMs(anna)], [20, 400]);
  const timeouts: number[] = [];
  for (let i = 0; i < 4; i++) {
    ledger.sent(anna, handover(100));
    await clock.advance(2100);
    timeouts.push(ledger.timeoutMs(anna));
  }
  assertEquals(timeouts, [800, 1600, 1600, 1600]);
  await bench.roundTrip(anna, 50);
  assertEquals(ledger.timeoutMs(anna), 200 + LAZY_MS);
});

Deno.test("AckLedger gives a peer with traffic the time by which acknowledgements then wait", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  ledger.measured(anna, 10);
  assertEquals(ledger.timeoutMs(anna), 200);
  await bench.roundTrip(anna, 30);
  assertEquals(ledger.timeoutMs(anna), 200 + LAZY_MS);
  bench.send(anna, 1);
  await clock.advance(200 + LAZY_MS);
  assertEquals(bench.silences, []);
  await clock.advance(300);
  assertEquals(bench.silences.length, 1);
  // It is over some time after the last acknowledgement.
  await bench.roundTrip(anna, 30);
  await clock.advance(2 * BUSY_MS);
  assertEquals(ledger.timeoutMs(anna), 200);
});

Deno.test("AckLedger learns from an acknowledgement that came too late", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  ledger.measured(anna, 20);
  const seqs: number[] = [];
  for (let i = 0; i < 300; i++) {
    seqs.push(ledger.sent(anna, handover(i)));
    await clock.advance(10);
    // The way has become 700 ms long.
    if (i >= 70) ledger.acked(anna, seqs[i - 70], 1);
  }
  const { length } = bench.silences;
  assert(length > 0 && length <= 50, `${length} silences`);
  assertEquals(bench.ids(), Array.from({ length }, (_, i) => i));
  assert(ledger.timeoutMs(anna) > 725, `${ledger.timeoutMs(anna)}`);
  // Who says so again and again has the time of who is late, and no more.
  for (let i = 0; i < 1000; i++) ledger.acked(anna, seqs[225], 1);
  const owed = ledger.outstandingOf(anna);
  await clock.advance(2050);
  assertEquals([owed, bench.silences.length], [70, length + 70]);
});

Deno.test("AckLedger gives a peer that must be dialled first longer, and the time again once it is connected", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  assertEquals([ledger.timeoutMs(anna), ledger.roundTripMs(anna, () => false)], [1000, 1000]);
  bench.send(anna, 3);
  await clock.advance(990);
  ledger.measured(anna, 30);
  assertEquals([ledger.timeoutMs(anna), ledger.roundTripMs(anna, () => false)], [200, 30]);
  await clock.advance(150);
  assertEquals(bench.silences, []);
  ledger.acked(anna, 0, 1);
  await clock.advance(400);
  assertEquals(bench.ids(), [1, 2]);
});

Deno.test("AckLedger.measured() begins anew: what waited for the connection says nothing of the way", async () => {
  const bench = new AckBench();
  await bench.roundTrip(anna, 900);
  assert(bench.ledger.timeoutMs(anna) > 900);
  bench.ledger.measured(anna, 30);
  assertEquals(bench.ledger.timeoutMs(anna), 200);
});

Deno.test("AckLedger learns from the peers it measured how long to wait for others, and from nobody's acknowledgements", async () => {
  const bench = new AckBench();
  const { ledger } = bench;
  for (let i = 0; i < 1000; i++) {
    const seq = ledger.sent(anna, handover(i));
    ledger.acked(anna, seq, 1);
  }
  assertEquals(ledger.timeoutMs(carl), 1000);
  for (const peer of others) ledger.measured(peer, 100);
  const timeoutMs = ledger.timeoutMs(carl);
  assert(timeoutMs > 400 && timeoutMs < 550, `${timeoutMs} ms where round trips are 100`);
  await bench.clock.advance(25);
});

Deno.test("AckLedger waits longer while its owner doubts itself", async () => {
  let doubt = 3;
  const bench = new AckBench({ doubt: () => doubt });
  bench.ledger.measured(anna, 40);
  assertEquals(bench.ledger.timeoutMs(anna), 600);
  bench.send(anna, 1);
  await bench.clock.advance(600);
  assertEquals(bench.ids(), []);
  doubt = 1;
  await bench.clock.advance(25);
  assertEquals(bench.ids(), [0]);
});

Deno.test("AckLedger finds nobody silent because this process was held up", async () => {
  const bench = new AckBench();
  const { clock, ledger } = bench;
  ledger.measured(anna, 40);
  bench.send(anna, 1);
  await clock.advance(100);
  bench.heldUpMs = 30_000;
  await clock.advance(25);
  assertEquals(bench.silences, [], "the acknowledgement may wait in a buffer");
  bench.send(anna, 1, 1);
  await clock.advance(25);
  assertEquals(bench.silences, []);
  await clock.advance(75);
  assertEquals(bench.ids(), [0]);
  await clock.advance(1000);
  assertEquals(bench.ids(), [0, 1]);
});

Deno.test("AckLedger.measured() takes no round trip for longer than the ceiling: an answer may come a minute late", () => {
  const { ledger } = new AckBench({ ceilingMs: 2000 });
  const before = ledger.roundTripMs(bert, () => true);
  ledger.measured(anna, 60_000);
  assertEquals(ledger.roundTripMs(anna, () => true), 2000);
  assertEquals(ledger.roundTripMs(bert, () => true), before + (2000 - before) / 8);
  ledger.close();
});
