import { maxLevels } from "../../../src/raintree/tree.ts";
import { runSimulation } from "../../../src/sim/sim_run.ts";
import { EVERYONE, measuresOf, type SimCase } from "./case.ts";

const BARS = [
  ...EVERYONE,
  { measure: "beyondN1", of: "max", most: 0 },
  { measure: "tooDeep", of: "max", most: 0 },
] as const;

/** Nothing goes wrong: every node, exactly N - 1 payloads, no deeper than ceil(log3 N), whoever broadcasts. */
function faultFree(from: number, to: number, quick?: number): SimCase {
  return {
    name: from === to ? `fault-free N=${from}` : `fault-free N=${from}..${to}`,
    seeds: 5,
    quick,
    bars: BARS,
    async run(seed) {
      const total = { missed: 0, duplicates: 0, beyondN1: 0, tooDeep: 0, lastMs: 0 };
      const broadcasts = 3;
      for (let nodes = from; nodes <= to; nodes++) {
        const outcome = await runSimulation({ nodes, seed, broadcasts });
        const { missed, duplicates, payloads, depth, lastMs } = measuresOf(outcome);
        total.missed += missed;
        total.duplicates += duplicates;
        total.beyondN1 = Math.max(total.beyondN1, Math.abs(payloads - broadcasts * (nodes - 1)));
        total.tooDeep = Math.max(total.tooDeep, depth - maxLevels(nodes));
        total.lastMs = Math.max(total.lastMs, lastMs);
      }
      return total;
    },
  };
}

/** The fault-free family. */
export const FAULT_FREE: readonly SimCase[] = [
  faultFree(2, 27, 1),
  faultFree(28, 100),
  faultFree(101, 150),
  faultFree(151, 200),
  faultFree(201, 250),
  faultFree(251, 300),
  faultFree(500, 500),
  faultFree(1000, 1000),
];
