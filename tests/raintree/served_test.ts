import { assert, assertEquals } from "@std/assert";
import { below, seededRandom } from "../../src/base/random.ts";
import { Served } from "../../src/raintree/served.ts";

const RECENT = { oldest: 0, size: 100_000 };

Deno.test("Served.take() grants what was offered, once for each offer", () => {
  const served = new Served(RECENT);
  assertEquals(served.take("a", 1), false);
  served.offered("a", 1);
  assertEquals([served.take("b", 1), served.take("a", 2)], [false, false]);
  assertEquals([served.take("a", 1), served.take("a", 1)], [true, false]);
  served.offered("a", 1);
  assertEquals([served.take("a", 1), served.take("a", 1)], [true, false]);
});

Deno.test("Served.take() grants all of a run once, and a run again gives back nothing", () => {
  const served = new Served(RECENT);
  served.offeredRun("a", 10, 20);
  served.offeredRun("a", 20, 30);
  assertEquals(served.entries, 1);
  assertEquals([9, 10, 19, 20, 29, 30].map((n) => served.take("a", n)), [false, true, true, true, true, false]);
  served.offeredRun("a", 0, 40);
  assertEquals([9, 10, 30].map((n) => served.take("a", n)), [true, false, true]);
  assertEquals([served.taken("a", 10), served.taken("a", 11), served.taken("b", 10)], [true, false, false]);
});

Deno.test("Served grants nothing that was not offered, and never more often than that", () => {
  const seed = 0x5e7d;
  const random = seededRandom(seed);
  const served = new Served(RECENT);
  const offers = new Map<string, number>();
  const note = (key: string) => offers.set(key, (offers.get(key) ?? 0) + 1);
  for (let step = 0; step < 20_000; step++) {
    const peer = `p${below(random, 5)}`;
    const sequence = below(random, 200);
    const kind = below(random, 10);
    if (kind === 0) {
      served.offeredRun(peer, sequence, sequence + 3);
      for (let n = sequence; n < sequence + 3; n++) note(`${peer} ${n}`);
    } else if (kind < 4) {
      served.offered(peer, sequence);
      note(`${peer} ${sequence}`);
    } else if (served.take(peer, sequence)) {
      const left = (offers.get(`${peer} ${sequence}`) ?? 0) - 1;
      assert(left >= 0, `seed ${seed}, step ${step}: granted more often than offered`);
      offers.set(`${peer} ${sequence}`, left);
    }
  }
});

Deno.test("Served remembers a bounded number of peers and runs, and no single broadcasts but the recent ones", () => {
  const recent = { oldest: 0, size: 1000 };
  const served = new Served(recent, { peersMax: 10 });
  for (let i = 0; i < 100_000; i++) {
    recent.oldest = Math.max(0, i - 1000);
    served.offered(`p${i % 20}`, i);
    served.offeredRun(`p${i % 20}`, 10 * i, 10 * i + 1);
    served.take(`p${i % 20}`, i);
  }
  assertEquals(served.peers, 10);
  assert(served.entries <= 10 * (64 + 2 * (2 + 1000 / 256)), `${served.entries} entries`);
  recent.oldest = 1_000_000;
  served.tidy();
  assertEquals([served.peers, served.entries], [0, 0]);
});

Deno.test("Served grants all that was offered, and nothing again, however much it is", () => {
  const served = new Served(RECENT);
  const grantedOf = (count: number) =>
    Array.from({ length: count }, (_, n) => served.take("a", n)).filter(Boolean).length;
  served.offeredRun("a", 0, 50_000);
  assertEquals([grantedOf(50_000), grantedOf(50_000)], [50_000, 0]);
  for (let n = 0; n < 50_000; n++) assertEquals(served.offered("a", n), false);
  assertEquals([grantedOf(50_000), grantedOf(50_000)], [50_000, 0]);
  for (let n = 0; n < 50_000; n++) assertEquals(served.offered("a", n), true);
});

Deno.test("Served has a peer take one broadcast twice at the most, however often it is offered", () => {
  const served = new Served(RECENT);
  const granted = [1, 2, 3, 4].map(() => [served.offered("a", 9), served.take("a", 9)]);
  assertEquals(granted, [[false, true], [false, true], [true, false], [true, false]]);
  assertEquals(served.offered("b", 9), false);
});

Deno.test("Served has a peer take what it was handed over without the payload once for each time, whatever else it had", () => {
  const served = new Served(RECENT);
  const granted = [1, 2, 3, 4, 5].map(() => {
    served.handed("a", 9);
    return [served.take("a", 9), served.take("a", 9)];
  });
  assertEquals(granted.flat().filter(Boolean).length, 5);
  assertEquals(served.offered("a", 9), true);
  served.handed("a", 9);
  served.given("a", 9);
  assertEquals(served.take("a", 9), false);
  served.offeredRun("a", 10, 11);
  served.handed("a", 10);
  served.given("a", 10);
  assertEquals([served.take("a", 10), served.take("a", 10), served.take("b", 10)], [true, false, false]);
});
