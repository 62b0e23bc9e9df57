import { assert, assertEquals } from "@std/assert";
import { broadcastSvg } from "../../src/sim/broadcast_svg.ts";
import { colourVariables, LIGHT, nodeKinds, STEPS, timeScale } from "../../src/sim/picture_parts.ts";
import type { SimRunOutcome } from "../../src/sim/sim_run.ts";

Deno.test("timeScale() ends at a round number at or behind the last arrival, and every time has a step", () => {
  for (const lastMs of [0, 0.3, 1, 7, 49.9, 50, 51, 355, 999, 1000, 1879, 12_345]) {
    const { endMs, ticks, step } = timeScale(lastMs);
    assert(endMs >= lastMs && endMs <= Math.max(2, 2 * lastMs), `${lastMs}: ${endMs}`);
    assertEquals([ticks[0], ticks[ticks.length - 1]], [0, endMs]);
    assert(ticks.length >= 2 && ticks.length <= 7, `${ticks}`);
    for (const share of [0, 0.5, 1]) assert(step(share * lastMs) >= 0 && step(share * lastMs) < STEPS);
  }
});

Deno.test("colourVariables() mixes the scale from its first colour to its last", () => {
  const variables = new Map(colourVariables(LIGHT).split(";").map((each) => each.split(":") as [string, string]));
  assertEquals([variables.get("--t0"), variables.get(`--t${STEPS - 1}`)], [LIGHT.scale[0], LIGHT.scale.at(-1)]);
  for (const colour of variables.values()) assert(/^#[0-9a-f]{6}$/.test(colour), colour);
});

Deno.test("broadcastSvg() draws who was reached, missed, dead and lying, and an edge for each arrival", () => {
  const outcome: SimRunOutcome = {
    seed: 7,
    dead: [1],
    liars: [2],
    broadcasts: [{
      from: 0,
      arrivalsMs: [null, null, 50, 60, null],
      parents: [null, null, 0, 0, null],
      missed: [4],
      duplicates: 0,
    }],
    reached: 1,
    missed: 1,
    lastMs: 60,
    depth: 1,
    payloads: 4,
    copiesPerLive: 4 / 3,
    receivedPerLive: 1,
    controlBytesPerLive: 0,
    digest: "",
  };
  assertEquals(nodeKinds(outcome, 5), ["origin", "dead", "liar", "live", "missed"]);
  const svg = broadcastSvg({ nodes: 5, dead: 0.2, liars: 0.2 }, outcome);
  assertEquals([...svg.matchAll(/data-to="(\d+)"/g)].map(([, to]) => to), ["3", "2"], "the latest lies below");
  for (
    const text of [
      "1 of 2 live honest nodes within 60 ms, 1.33 payloads sent for each live node",
      "honest, reached (1)",
      "missed (1)",
      "acknowledges only (1)",
      "dead, unknown to all (1)",
    ]
  ) {
    assert(svg.includes(text), text);
  }
  const nobody = {
    ...outcome,
    reached: 0,
    missed: 2,
    lastMs: 0,
    broadcasts: [{ ...outcome.broadcasts[0], arrivalsMs: new Array(5).fill(null), missed: [3, 4] }],
  };
  assert(broadcastSvg({ nodes: 5 }, nobody).includes("0 of 2 live honest nodes, 1.33 payloads"));
});
