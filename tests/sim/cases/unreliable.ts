import { below, seededRandom } from "../../../src/base/random.ts";
import { SimCluster } from "../../../src/sim/sim_cluster.ts";
import { runSimulation, type SimRunOptions } from "../../../src/sim/sim_run.ts";
import { type Bar, EVERYONE, measuresOf, type SimCase, take } from "./case.ts";

/** What comes later is late: the bar for liars, virtual milliseconds. */
const LATE_MS = 2_000;

function unreliable(name: string, options: SimRunOptions, bars: readonly Bar[], few?: number): SimCase {
  return {
    name: `${name} N=${options.nodes}`,
    seeds: 100,
    quick: few,
    bars: [...EVERYONE, ...bars],
    async run(seed) {
      const outcome = await runSimulation({ ...options, seed });
      const measures = measuresOf(outcome);
      const [{ from, arrivalsMs }] = outcome.broadcasts;
      const [dead, liars] = [new Set(outcome.dead), new Set(outcome.liars)];
      const late =
        arrivalsMs.filter((at, position) =>
          position !== from && !dead.has(position) && !liars.has(position) && !(at !== null && at <= LATE_MS)
        ).length;
      return { ...measures, lateShare: late / (measures.reached + measures.missed) };
    },
  };
}

/** Seeds in every `deno test`. */
function quick(nodes: number): number | undefined {
  return nodes === 27 ? 10 : nodes === 100 ? 1 : undefined;
}

/** A share of the nodes is off and nobody knows it. */
export const DEAD: readonly SimCase[] = [0.01, 0.1, 0.33].flatMap((dead) =>
  [27, 81, 100, 200, 500, 1000].map((nodes) => {
    const inTime: Bar[] = nodes === 1000 && dead === 0.33 ? [{ measure: "lastMs", of: "p99", most: 3000 }] : [];
    const bars: Bar[] = [{ measure: "copiesPerLive", of: "mean", most: 1.6 }, ...inTime];
    return unreliable(`${Math.round(100 * dead)}% dead`, { nodes, dead }, bars, dead < 0.1 ? undefined : quick(nodes));
  })
);

/** A share of the nodes acknowledges and never forwards. */
export const LIARS: readonly SimCase[] = [0.1, 0.33].flatMap((liars) =>
  [100, 1000].map((nodes) =>
    unreliable(`${Math.round(100 * liars)}% liars`, { nodes, liars }, [
      { measure: "lateShare", of: "mean", most: 0.0001 },
      { measure: "copiesPerLive", of: "mean", most: 1.5 },
    ], quick(nodes))
  )
);

const LOADED_NODES = 27;
const LOADED_LIARS_COUNT = 9;

/** A third of the nodes acknowledges and never forwards, and two thousand broadcasts a second are under way: offers are then told by the hundred. */
export const LOADED_LIARS: SimCase = {
  name: `33% liars N=${LOADED_NODES}, 2000 broadcasts/s for a second`,
  seeds: 100,
  quick: 2,
  bars: [
    { measure: "lateShare", of: "mean", most: 0.0001 },
    { measure: "duplicates", of: "sum", most: 0 },
  ],
  async run(seed) {
    const random = seededRandom(seed + 1_000_000);
    const honest = Array.from({ length: LOADED_NODES }, (_, position) => position);
    const liars = take(honest, LOADED_LIARS_COUNT, random);
    const cluster = await SimCluster.start({ nodes: LOADED_NODES, seed, liars });
    for (let ms = 0; ms < 1000; ms++) {
      for (let i = 0; i < 2; i++) cluster.broadcast(honest[below(random, honest.length)]);
      await cluster.clock.advance(1);
    }
    await cluster.clock.advance(10_000);
    let [missed, late, duplicates] = [0, 0, 0];
    for (const { from, arrivals, sentMs, duplicates: again } of cluster.broadcasts) {
      const due = honest.filter((position) => position !== from);
      missed += due.filter((position) => !arrivals.has(position)).length;
      late += due.filter((position) => (arrivals.get(position) ?? Infinity) - sentMs > LATE_MS).length;
      duplicates += again;
    }
    return { lateShare: late / (cluster.broadcasts.length * (honest.length - 1)), missed, duplicates };
  },
};

const RECEIPT_MS = 2_000;

/** The same, and the sender asks who confirmed: who has not got it by then is named, and nobody is left out of both. */
export const RECEIPTS: readonly SimCase[] = [{ dead: 0.1 }, { liars: 0.33 }].map((faults) => ({
  name: `receipts, ${"dead" in faults ? "10% dead" : "33% liars"} N=100`,
  seeds: 100,
  quick: 1,
  bars: [
    { measure: "unanswered", of: "sum", most: 0 },
    { measure: "unnamed", of: "sum", most: 0 },
    { measure: "deadNotNamed", of: "sum", most: 0 },
  ],
  async run(seed) {
    const outcome = await runSimulation({ nodes: 100, ...faults, seed, receiptMs: RECEIPT_MS });
    const [{ from, arrivalsMs, receipt }] = outcome.broadcasts;
    const named = new Set(receipt?.missing);
    const excused = new Set([from, ...outcome.dead, ...outcome.liars]);
    const lacking = arrivalsMs.flatMap((at, position) =>
      excused.has(position) || (at !== null && at <= RECEIPT_MS) ? [] : [position]
    );
    return {
      unanswered: receipt === undefined ? 1 : 0,
      unnamed: lacking.filter((position) => !named.has(position)).length,
      deadNotNamed: outcome.dead.filter((position) => !named.has(position)).length,
      named: named.size,
      elapsedMs: receipt?.elapsedMs ?? 0,
    };
  },
}));

/** Every link loses one message in twenty. */
export const LOSS: readonly SimCase[] = [27, 100, 500].map((nodes) =>
  unreliable("5% loss", { nodes, loss: 0.05 }, [], quick(nodes))
);
