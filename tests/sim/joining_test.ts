import { assertEquals } from "@std/assert";
import { SimCluster } from "../../src/sim/sim_cluster.ts";

Deno.test("a node that is staked later gets what was broadcast shortly before, and what is under way while the height changes reaches all of the old set", async () => {
  await using cluster = await SimCluster.start({ nodes: 27, seed: 11 });
  const { chain, clock, nodes } = cluster;
  const all = await chain.getStakedPeerstoreAtHeight(0);
  const newcomer = 13;
  const move = async (height: number) => {
    const moves = Promise.all(
      nodes.map(({ module }) => module.handleEvent({ type: "ConsensusNewHeightEvent", height })),
    );
    chain.setHeight(height);
    await clock.advance(60);
    await moves;
  };
  chain.set(1, all.filter(({ address }) => address !== nodes[newcomer].key.address));
  chain.set(2, all);
  await move(1);
  await clock.advance(3000);
  const before = cluster.broadcast(0);
  await clock.advance(3000);
  assertEquals([before.arrivals.size, before.arrivals.has(newcomer)], [25, false]);
  // Half way through the tree, the newcomer is staked.
  const during = cluster.broadcast(5);
  await clock.advance(60);
  await move(2);
  await clock.advance(5000);
  assertEquals([before.arrivals.size, during.arrivals.size], [26, 26]);
  assertEquals([before.duplicates, during.duplicates], [0, 0]);
});
