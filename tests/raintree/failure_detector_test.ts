import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { seededRandom } from "../../src/base/random.ts";
import type { Address } from "../../src/identity/address.ts";
import { FailureDetector, type FailureDetectorOptions, type PeerState } from "../../src/raintree/failure_detector.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { addresses } from "./networks.ts";

interface Change {
  atMs: number;
  peer: Address;
  state: PeerState;
}

/** A detector whose probes are answered after `rttMs` by whom `answers` says, and what it said and did. */
class Bench {
  readonly clock = new VirtualClock(1000);
  readonly probes: { atMs: number; peer: Address }[] = [];
  readonly changes: Change[] = [];
  readonly detector: FailureDetector;
  answers: (peer: Address) => boolean = () => false;
  rttMs = 140;

  constructor(options: Partial<FailureDetectorOptions> = {}, seed = 1) {
    this.detector = new FailureDetector({
      clock: this.clock,
      random: seededRandom(seed),
      probe: (peer) => {
        this.probes.push({ atMs: this.clock.now(), peer });
        if (this.answers(peer)) this.clock.after(this.rttMs, () => this.detector.heard(peer));
      },
      onChange: (peer, state) => this.changes.push({ atMs: this.clock.now(), peer, state }),
      ...options,
    });
  }

  /** Has `peer` say something every 100 ms for `ms`. */
  talk(peer: Address, ms: number): void {
    for (let at = 0; at < ms; at += 100) this.clock.after(at, () => this.detector.heard(peer));
  }

  states(): PeerState[] {
    return this.changes.map(({ state }) => state);
  }
}

const [peer, talker, ...more] = addresses(40, 7);

Deno.test("FailureDetector takes a silent peer for dead after probing it again and again", async () => {
  const bench = new Bench();
  bench.talk(talker, 5000);
  bench.detector.silent(peer);
  assertEquals([bench.detector.stateOf(peer), bench.detector.isDead(peer)], ["suspect", false]);
  await bench.clock.advance(1199);
  assertEquals(bench.detector.stateOf(peer), "suspect");
  const probes = bench.probes.length;
  assert(probes >= 5 && probes <= 9, `${probes} probes`);
  await bench.clock.advance(300);
  assertEquals([bench.detector.stateOf(peer), bench.detector.isDead(peer)], ["dead", true]);
  assertEquals(bench.states(), ["suspect", "dead"]);
  assertEquals(bench.detector.stateOf(talker), "alive");
  bench.detector.close();
});

Deno.test("FailureDetector waits half as long for a peer whose connection is lost", async () => {
  const bench = new Bench();
  bench.talk(talker, 5000);
  bench.detector.gone(peer);
  const [other] = more;
  bench.detector.silent(other);
  await bench.clock.advance(400);
  bench.detector.gone(other);
  await bench.clock.advance(450);
  assertEquals([bench.detector.stateOf(peer), bench.detector.stateOf(other)], ["dead", "dead"]);
  bench.detector.close();
});

Deno.test("FailureDetector takes an answer for life, and leaves no timer", async () => {
  const bench = new Bench();
  bench.answers = () => true;
  bench.detector.silent(peer);
  bench.detector.silent(peer);
  await bench.clock.advance(140);
  assertEquals(bench.states(), ["suspect", "alive"]);
  assertEquals([bench.detector.size, bench.clock.pending, bench.probes.length], [0, 0, 1]);
});

Deno.test("FailureDetector stands one probe in ten without an answer", async () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = seededRandom(seed);
    const bench = new Bench({}, seed);
    bench.answers = () => random.next() >= 0.1;
    for (const suspect of more) bench.detector.silent(suspect);
    await bench.clock.advance(1500);
    assertEquals(bench.changes.filter(({ state }) => state === "dead"), [], `seed ${seed}`);
    assertEquals(bench.detector.size, 0);
  }
});

Deno.test("FailureDetector probes the dead ever more slowly, and sees an outage end before it has grown by a third", async () => {
  for (const outageMs of [3_000, 10_000, 60_000, 3_600_000]) {
    const bench = new Bench();
    bench.talk(talker, 2000);
    bench.detector.silent(peer);
    await bench.clock.advance(outageMs);
    assertEquals(bench.detector.stateOf(peer), "dead");
    const probes = bench.probes.length;
    assert(probes < 30 + outageMs / 20_000, `${probes} probes in ${outageMs} ms`);
    bench.answers = () => true;
    await bench.clock.advance(Math.min(outageMs / 3 + 700, 38_000));
    assertEquals(bench.states().slice(-2), ["dead", "alive"], `after ${outageMs} ms`);
    assertEquals(bench.clock.pending, 0);
  }
});

Deno.test("FailureDetector revives a dead peer at any sign of life", async () => {
  const bench = new Bench();
  bench.talk(talker, 2000);
  bench.detector.silent(peer);
  await bench.clock.advance(2000);
  bench.detector.heard(peer);
  assertEquals(bench.states().slice(-2), ["dead", "alive"]);
  assertEquals([bench.detector.stateOf(peer), bench.clock.pending], ["alive", 0]);
});

Deno.test("FailureDetector gives everyone the longest time when it hears of nobody, and asks a witness", async () => {
  const [witness] = more;
  const bench = new Bench({ connected: () => [peer, witness] });
  bench.detector.silent(peer);
  await bench.clock.advance(5900);
  assertEquals(bench.detector.stateOf(peer), "suspect");
  assert(bench.probes.some((probe) => probe.peer === witness));
  await bench.clock.advance(400);
  assertEquals(bench.detector.stateOf(peer), "dead");
  bench.detector.close();

  const heard = new Bench({ connected: () => [peer, witness] });
  heard.answers = (probed) => probed === witness;
  heard.detector.silent(peer);
  await heard.clock.advance(1500);
  assertEquals(heard.detector.stateOf(peer), "dead");
  heard.detector.close();
});

Deno.test("FailureDetector doubts itself when most of its peers turn suspect at once, not when a third of them does", async () => {
  const connected = more.slice(0, 21);
  const third = new Bench({ connected: () => connected });
  third.answers = (probed) => connected.indexOf(probed) >= 7;
  for (const suspect of connected.slice(0, 7)) third.detector.silent(suspect);
  assertEquals(third.detector.health, 0);
  await third.clock.advance(1700);
  assertEquals(third.changes.filter(({ state }) => state === "dead").length, 7);
  third.detector.close();

  const most = new Bench({ connected: () => connected });
  for (const suspect of connected.slice(0, 14)) most.detector.silent(suspect);
  assertEquals(most.detector.health, 1);
  most.detector.heard(connected[0]);
  assertEquals(most.detector.health, 0);
  most.detector.close();
});

Deno.test("FailureDetector forgets who died first when it has no room", async () => {
  const bench = new Bench({ peersMax: 3 });
  bench.talk(talker, 10_000);
  const [a, b, c, d, e] = more;
  for (const suspect of [a, b, c, d]) bench.detector.silent(suspect);
  assertEquals([bench.detector.size, bench.detector.stateOf(d)], [3, "alive"]);
  await bench.clock.advance(2000);
  bench.detector.silent(d);
  bench.detector.silent(e);
  assertEquals([a, b, c, d, e].map((at) => bench.detector.stateOf(at)), [
    "alive",
    "alive",
    "dead",
    "suspect",
    "suspect",
  ]);
  bench.detector.close();
});

Deno.test("FailureDetector does nothing once it is closed, or for whom it is told to forget", async () => {
  const bench = new Bench();
  bench.detector.silent(peer);
  bench.detector.forget(peer);
  assertEquals([bench.detector.size, bench.clock.pending], [0, 0]);
  bench.detector.silent(peer);
  bench.detector.close();
  bench.detector.close();
  bench.detector.silent(talker);
  bench.detector.gone(talker);
  assertEquals([bench.detector.size, bench.clock.pending], [0, 0]);
  const probes = bench.probes.length;
  await bench.clock.advance(60_000);
  assertEquals(bench.probes.length, probes);
});

Deno.test("FailureDetector runs a timer exactly while somebody is suspect or dead, and reports every change once", async () => {
  const act = fc.record({
    what: fc.constantFrom("heard", "silent", "gone", "forget"),
    who: fc.nat(5),
    waitMs: fc.nat(900),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 40 }), fc.nat(), async (acts, seed) => {
      const bench = new Bench({ connected: () => more.slice(0, 6) }, seed);
      const states = new Map<Address, PeerState>();
      let changes = 0;
      for (const { what, who, waitMs } of acts) {
        bench.detector[what as "heard"](more[who]);
        if (what === "forget") states.set(more[who], "alive");
        await bench.clock.advance(waitMs);
        for (; changes < bench.changes.length; changes++) {
          const { peer, state } = bench.changes[changes];
          const before = states.get(peer) ?? "alive";
          assert(
            state === "suspect" ? before === "alive" : state === "dead" ? before === "suspect" : before !== "alive",
          );
          states.set(peer, state);
        }
        assertEquals(bench.clock.pending, bench.detector.size > 0 ? 1 : 0);
        for (const [peer, state] of states) assertEquals(bench.detector.stateOf(peer), state);
      }
      bench.detector.close();
      assertEquals(bench.clock.pending, 0);
    }),
    { seed: 11, numRuns: 60 },
  );
});
