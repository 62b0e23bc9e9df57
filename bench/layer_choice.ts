// What each layer does against each fault, in the simulator: the table of docs/adr/0008-which-layers-are-on.md. `deno run -A bench/layer_choice.ts [--nodes N] [--seeds K]`
import { parseArgs } from "@std/cli";
import type { P2PConfigInput } from "../src/module/config.ts";
import { runSimulation } from "../src/sim/sim_run.ts";
import { LAYERS_OFF } from "./layers.ts";

const VARIANTS: readonly [name: string, config: P2PConfigInput][] = [
  ["off", LAYERS_OFF],
  ["acks, adjust once, replacements do not acknowledge (as published)", {
    ...LAYERS_OFF,
    acks: true,
    adjust_limit: 1,
    replacements_ack: false,
  }],
  ["acks", { ...LAYERS_OFF, acks: true }],
  ["acks, failure_detector", { ...LAYERS_OFF, acks: true, failure_detector: true }],
  ["igyw", { ...LAYERS_OFF, igyw: true }],
  ["acks, igyw", { ...LAYERS_OFF, acks: true, igyw: true }],
  ["repair", { ...LAYERS_OFF, repair: true }],
  ["redundancy 1", { ...LAYERS_OFF, redundancy: 1 }],
  ["acks, failure_detector, repair (the default)", { ...LAYERS_OFF, acks: true, failure_detector: true, repair: true }],
  ["all but redundancy", { ...LAYERS_OFF, acks: true, failure_detector: true, repair: true, igyw: true }],
];

const FAULTS = [{ fault: "none" }, { fault: "33 % dead", dead: 0.33 }, { fault: "33 % liars", liars: 0.33 }, {
  fault: "5 % loss",
  loss: 0.05,
}];

const { nodes = "100", seeds = "10" } = parseArgs(Deno.args, { string: ["nodes", "seeds"] });
for (const { fault, ...faults } of FAULTS) {
  for (const [layers, config] of VARIANTS) {
    const runs = [];
    for (let seed = 1; seed <= Number(seeds); seed++) {
      runs.push(await runSimulation({ nodes: Number(nodes), seed, ...faults, config }));
    }
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const reached = mean(runs.map(({ reached }) => reached));
    const missed = mean(runs.map(({ missed }) => missed));
    const last = runs.map(({ lastMs }) => lastMs).sort((a, b) => a - b);
    console.log(JSON.stringify({
      nodes: Number(nodes),
      seeds: Number(seeds),
      fault,
      layers,
      coverage: round(reached / (reached + missed)),
      lastMs: { p50: round(last[Math.floor((last.length - 1) / 2)]), max: round(last[last.length - 1]) },
      copiesPerLive: round(mean(runs.map(({ copiesPerLive }) => copiesPerLive))),
      controlBytesPerLive: round(mean(runs.map(({ controlBytesPerLive }) => controlBytesPerLive))),
    }));
  }
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
