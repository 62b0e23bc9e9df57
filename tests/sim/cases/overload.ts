import { SimCluster } from "../../../src/sim/sim_cluster.ts";
import type { SimCase } from "./case.ts";

const NODES = 9;
const PER_SECOND = 10_000;
const SECONDS = 10;
const PAYLOAD_BYTES = 256;
/** What waits for a peer, 8 MiB at most, has left by then. */
const DRAIN_MS = 90_000;

/** Ten thousand broadcasts a second are offered to nine nodes for ten seconds, by all in turn; nobody waits for anything. */
function overload(name: string, bytesPerSecond: number, seconds: number, quick?: number): SimCase {
  return {
    name: `${PER_SECOND} broadcasts/s offered to N=${NODES}, ${name}`,
    seeds: 5,
    quick,
    bars: [
      { measure: "unaccounted", of: "max", most: 0 },
      { measure: "duplicates", of: "sum", most: 0 },
      { measure: "grownMiB", of: "max", most: 512 },
      ...(bytesPerSecond === Infinity ? [{ measure: "undelivered", of: "max", most: 0 } as const] : []),
    ],
    async run(seed) {
      const link = { latencyMs: 50, jitterMs: 20, bytesPerSecond };
      const cluster = await SimCluster.start({ nodes: NODES, seed, link });
      const { clock, nodes } = cluster;
      const before = Deno.memoryUsage().heapUsed;
      let grown = 0;
      let delivered = 0;
      let duplicates = 0;
      const settled = (upTo: number) => {
        // What is delivered is forgotten: otherwise the count of it is what grows.
        for (let i = 0; i < upTo; i++) {
          const { arrivals, parents, duplicates: again } = cluster.broadcasts[i];
          delivered += arrivals.size;
          duplicates += again;
          arrivals.clear();
          parents.clear();
          cluster.broadcasts[i].duplicates = 0;
        }
      };
      const perMs = PER_SECOND / 1000;
      for (let ms = 0; ms < 1000 * seconds; ms++) {
        for (let i = 0; i < perMs; i++) cluster.broadcast((ms * perMs + i) % NODES, PAYLOAD_BYTES);
        await clock.advance(1);
        if (ms % 1000 === 999) grown = Math.max(grown, Deno.memoryUsage().heapUsed - before);
      }
      await clock.advance(DRAIN_MS);
      settled(cluster.broadcasts.length);
      const due = cluster.broadcasts.length * (NODES - 1);
      const dropped = nodes.reduce(
        (sum, { module }) => sum + module.router.drops().reduce((each, { count }) => each + count, 0),
        0,
      );
      const undelivered = due - delivered;
      return {
        undelivered,
        dropped,
        // What did not arrive was dropped, with its segment at most, and whoever looks at the counters sees it.
        unaccounted: Math.max(0, undelivered - (NODES - 1) * dropped),
        duplicates,
        grownMiB: grown / 2 ** 20,
      };
    },
  };
}

/** More than is good for it. */
export const OVERLOAD: readonly SimCase[] = [
  overload("links without limit", Infinity, SECONDS),
  overload("links of 200 kB/s", 200_000, SECONDS),
  overload("links of 200 kB/s, for a second", 200_000, 1, 1),
];
