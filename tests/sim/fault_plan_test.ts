import { assert, assertEquals, assertRejects } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { eachSeed } from "../../src/sim/each_seed.ts";
import { drawFaults, drawLink, scheduleFaults } from "../../src/sim/fault_plan.ts";
import { linkProfile } from "../../src/sim/link_profile.ts";
import { SimCluster } from "../../src/sim/sim_cluster.ts";

const NODES = Array.from({ length: 9 }, (_, i) => String(i).repeat(40));

Deno.test("drawFaults() draws the same plan from the same seed, keeps to its limits, and leaves kinds out", () => {
  const kindsSeen = new Map<string, number>();
  for (let seed = 1; seed <= 300; seed++) {
    const options = { withinMs: 10_000, most: 2, spare: [NODES[0]] };
    const plan = drawFaults(seededRandom(seed), NODES, options);
    assertEquals(drawFaults(seededRandom(seed), NODES, options), plan);
    assertEquals(plan, plan.toSorted((a, b) => a.atMs - b.atMs));
    const hit = plan.flatMap((fault) => "node" in fault ? [fault.node] : []);
    assertEquals([new Set(hit).size, hit.includes(NODES[0])], [hit.length, false]);
    for (const { atMs, forMs = 0 } of plan) assert(atMs >= 0 && atMs + forMs <= 10_000);
    const cuts = plan.filter(({ kind }) => kind === "partition");
    cuts.slice(1).forEach((cut, i) => assert(cut.atMs >= cuts[i].atMs + cuts[i].forMs!, `partitions overlap`));
    const kinds = [...new Set(plan.map(({ kind }) => kind))].sort().join();
    kindsSeen.set(kinds, (kindsSeen.get(kinds) ?? 0) + 1);
  }
  assertEquals(kindsSeen.size, 16, "every set of the four kinds comes up");
});

Deno.test("drawLink() draws links that can be, perfect in some respects and bad in others", () => {
  const latencies = new Set<number>();
  for (let seed = 1; seed <= 200; seed++) {
    const link = linkProfile(drawLink(seededRandom(seed)));
    assertEquals(linkProfile(drawLink(seededRandom(seed))), link);
    latencies.add(link.latencyMs);
  }
  assert(latencies.has(1) && latencies.size > 50);
});

Deno.test("eachSeed() runs the seeds in order and ends with the first that fails and the command that replays it", async () => {
  const ran: number[] = [];
  const replay = (seed: number) => `SEED=${seed} deno task test tests/x_test.ts`;
  await eachSeed({ first: 5, count: 3, replay }, (seed) => void ran.push(seed));
  assertEquals(ran, [5, 6, 7]);
  const thrown = new Error("a node was missed");
  const failing = eachSeed({ count: 10, replay }, (seed) => seed === 4 ? Promise.reject(thrown) : undefined);
  const error = await assertRejects(() => failing, P2pError);
  assertEquals(error.code, "sim_seed_failed");
  assertEquals(
    error.message,
    "Seed 4 fails: a node was missed\nReplay it: SEED=4 deno task test tests/x_test.ts",
  );
  assertEquals(error.cause, thrown);
});

const FILE = "tests/sim/fault_plan_test.ts";

Deno.test("production nodes come back from whatever faults a seed draws: connected, everyone reached, nothing twice", async () => {
  const given = Deno.env.get("SEED");
  await eachSeed({
    first: given === undefined ? 1 : Number(given),
    count: given === undefined ? 12 : 1,
    replay: (seed) => `SEED=${seed} deno task test ${FILE}`,
  }, async (seed) => {
    const random = seededRandom(seed);
    await using cluster = await SimCluster.start({ nodes: 9, seed, link: drawLink(random) });
    const { network, clock, nodes } = cluster;
    const plan = drawFaults(random, nodes.map(({ key }) => key.address), { spare: [nodes[4].key.address] });
    scheduleFaults(network, plan, (node) => cluster.restart(cluster.positionOf(node)));
    for (let i = 0; i < 40; i++) {
      const position = i % nodes.length;
      if (cluster.lives(position) && nodes[position].module.started) cluster.broadcast(position);
      await clock.advance(1000);
    }
    await cluster.until("connections", () => cluster.connected());
    await clock.advance(30_000);
    const last = cluster.broadcast(4);
    await clock.advance(10_000);
    const missed = nodes.map((_, position) => position)
      .filter((position) => position !== 4 && cluster.lives(position) && !last.arrivals.has(position));
    assertEquals(missed, [], JSON.stringify(plan));
    assertEquals(cluster.broadcasts.filter(({ duplicates }) => duplicates > 0), []);
  });
});
