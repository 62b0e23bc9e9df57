import { assert, assertEquals } from "@std/assert";
import { below, seededRandom } from "../../src/base/random.ts";
import { Served } from "../../src/raintree/served.ts";

Deno.test("Served.take() grants what was offered, once for each offer", () => {
  const served = new Served();
  assertEquals(served.take("a", 1), false);
  served.offered("a", 1);
  assertEquals([served.take("b", 1), served.take("a", 2)], [false, false]);
  assertEquals([served.take("a", 1), served.take("a", 1)], [true, false]);
  served.offered("a", 1);
  assertEquals([served.take("a", 1), served.take("a", 1)], [true, false]);
});

Deno.test("Served.take() grants all of a run once, and a run again gives back nothing", () => {
  const served = new Served();
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
  const served = new Served();
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

Deno.test("Served remembers a bounded number of peers, runs and broadcasts, and forgets what is over", () => {
  const served = new Served({ peersMax: 10, entriesMax: 50 });
  for (let i = 0; i < 1000; i++) {
    served.offered(`p${i % 20}`, i);
    served.offeredRun(`p${i % 20}`, 10 * i, 10 * i + 1);
    served.take(`p${i % 20}`, i);
  }
  assertEquals(served.peers, 10);
  assert(served.entries <= 10 * (50 + 50 + 64), `${served.entries} entries`);
  served.forgetBelow(100_000);
  assertEquals([served.peers, served.entries], [0, 0]);
});

Deno.test("Served has a peer take one broadcast twice at the most, however often it is offered", () => {
  const served = new Served();
  const granted = [1, 2, 3, 4].map(() => [served.offered("a", 9), served.take("a", 9)]);
  assertEquals(granted, [[false, true], [false, true], [true, false], [true, false]]);
  assertEquals(served.offered("b", 9), false);
});
