import { below, type Random, seededRandom } from "../../../src/base/random.ts";
import type { Address } from "../../../src/identity/address.ts";
import { type SimBroadcast, SimCluster } from "../../../src/sim/sim_cluster.ts";
import { EVERYONE, type Measures, type SimCase, take } from "./case.ts";

const NODES = 100;

/** What a disturbed cluster is to do. */
async function disturbed(
  seed: number,
  act: (cluster: SimCluster, random: Random) => Promise<Measures>,
): Promise<Measures> {
  const cluster = await SimCluster.start({ nodes: NODES, seed });
  await cluster.clock.advance(1000);
  return await act(cluster, seededRandom(seed + 1_000_000));
}

/** `count` different positions. */
function some(random: Random, count: number): number[] {
  return take([...everyPosition], count, random);
}

function addressesOf(cluster: SimCluster, positions: Iterable<number>): Address[] {
  return Array.from(positions, (position) => cluster.nodes[position].key.address);
}

/** Of those at `positions`, who has not got it; the originator always has. */
function lacking({ from, arrivals }: SimBroadcast, positions: readonly number[]): number {
  return positions.filter((position) => position !== from && !arrivals.has(position)).length;
}

function duplicates({ broadcasts }: SimCluster): number {
  return broadcasts.reduce((sum, each) => sum + each.duplicates, 0);
}

const everyPosition = Array.from({ length: NODES }, (_, position) => position);

/** The network falls into halves for ten seconds. */
const PARTITION: SimCase = {
  name: "partition 50:50 for 10 s, healed",
  seeds: 100,
  quick: 1,
  bars: EVERYONE,
  run: (seed) =>
    disturbed(seed, async (cluster, random) => {
      const { clock, network } = cluster;
      network.partition([addressesOf(cluster, some(random, NODES / 2))]);
      for (const waitMs of [500, 4500, 4500]) {
        await clock.advance(waitMs);
        cluster.broadcast(below(random, NODES));
      }
      await clock.advance(500);
      network.heal();
      await clock.advance(5000);
      const missed = cluster.broadcasts.reduce((sum, each) => sum + lacking(each, everyPosition), 0);
      await clock.advance(5000); // a second copy may come later
      return { missed, duplicates: duplicates(cluster) };
    }),
};

/** A fifth of the processes stand still for ten seconds, then go on. */
const PAUSED: SimCase = {
  name: "20% paused for 10 s",
  seeds: 100,
  quick: 1,
  bars: [...EVERYONE, { measure: "othersLastMs", of: "p99", most: 1500 }],
  run: (seed) =>
    disturbed(seed, async (cluster, random) => {
      const { clock, network } = cluster;
      const paused = new Set(some(random, NODES / 5));
      const others = everyPosition.filter((position) => !paused.has(position));
      for (const address of addressesOf(cluster, paused)) network.pause(address);
      const from = () => others[below(random, others.length)];
      const first = cluster.broadcast(from());
      await clock.advance(5000);
      const second = cluster.broadcast(from());
      await clock.advance(5000);
      const tookMs = [first, second].flatMap(({ arrivals, sentMs }) =>
        others.map((position) => (arrivals.get(position) ?? sentMs) - sentMs)
      ).sort((a, b) => a - b);
      const [othersLastMs, othersP99Ms] = [1, 0.99].map((share) => tookMs[Math.ceil(share * tookMs.length) - 1]);
      const missedByOthers = lacking(first, others) + lacking(second, others);
      for (const address of addressesOf(cluster, paused)) network.resume(address);
      await clock.advance(5000);
      const missed = missedByOthers + lacking(first, everyPosition) + lacking(second, everyPosition);
      return { missed, othersLastMs, othersP99Ms, duplicates: duplicates(cluster) };
    }),
};

/** One node in twenty has not heard of the newest height, at which five nodes came and five went. */
const VIEWS: SimCase = {
  name: "views differ by a height (5% of nodes)",
  seeds: 100,
  quick: 1,
  bars: EVERYONE,
  run: (seed) =>
    disturbed(seed, async (cluster, random) => {
      const { chain, clock, nodes } = cluster;
      const [all, changing] = [await chain.getStakedPeerstoreAtHeight(0), some(random, 10)];
      const [coming, going] = [changing.slice(0, 5), changing.slice(5)].map((each) =>
        new Set(addressesOf(cluster, each))
      );
      chain.set(1, all.filter(({ address }) => !coming.has(address)));
      chain.set(2, all.filter(({ address }) => !going.has(address)));
      const move = (position: number, height: number) =>
        nodes[position].module.handleEvent({ type: "ConsensusNewHeightEvent", height });
      const behind = new Set(some(random, NODES / 20));
      for (const height of [1, 2]) {
        const moved = everyPosition.filter((position) => height === 1 || !behind.has(position));
        const moves = Promise.all(moved.map((position) => move(position, height)));
        chain.setHeight(height);
        await clock.advance(3000); // connections follow
        await moves;
      }
      const shared = everyPosition.filter((position) => !changing.includes(position));
      for (let i = 0; i < 3; i++) {
        const far = shared.filter((position) => behind.has(position));
        // One by a node that is behind, the rest by anyone.
        const among = i === 0 && far.length > 0 ? far : shared;
        cluster.broadcast(among[below(random, among.length)]);
        await clock.advance(500);
      }
      await clock.advance(5000);
      const missed = cluster.broadcasts.reduce((sum, each) => sum + lacking(each, shared), 0);
      return { missed, duplicates: duplicates(cluster) };
    }),
};

/** What is not a matter of single nodes. */
export const DISTURBED: readonly SimCase[] = [PARTITION, PAUSED, VIEWS];
