import { assert, assertEquals } from "@std/assert";
import { type Benchmark, type Figures, runBenchmark } from "../../bench/harness.ts";
import { rows } from "../../bench/rows.ts";

/** Rows where the peer is measured too: those that connect 27 of its nodes take seconds. */
const BOTH_SIDES = ["one-way-100b", "round-trip-100b", "dial", "start"];

/** What a peer that is left out measures. */
const STAND_IN = () => Promise.resolve(1);

/** A row cut down to what is quick: ours, and the peer where that is. */
function small(row: Benchmark): Benchmark {
  if (BOTH_SIDES.includes(row.name)) return row;
  const variants = Object.entries(row.variants ?? {}).map((
    [name, { parameters, ours }],
  ) => [name, { parameters, ours }]);
  return { ...row, peer: STAND_IN, variants: Object.fromEntries(variants) };
}

function assertFigures({ runs, ...medians }: Figures): void {
  assertEquals(runs.length, 1);
  for (const figure of [medians.ours, medians.peer, medians.ratio, runs[0].ours, runs[0].peer]) {
    if (figure !== undefined) assert(Number.isFinite(figure) && figure > 0, `Measured ${figure}`);
  }
}

for (const row of rows({ warmupMs: 10, windowMs: 20 })) {
  Deno.test(`${row.name} yields a line of finite figures above 0 when run small`, async () => {
    const printed = JSON.parse(JSON.stringify(await runBenchmark(small(row), 1, () => {})));
    const { name, unit, better: wins, parameters, variants = {}, ...figures } = printed;
    assertEquals({ name, unit, better: wins, parameters }, {
      name: row.name,
      unit: row.unit,
      better: row.better,
      parameters: row.parameters,
    });
    assertEquals(Object.keys(figures).sort(), ["ours", "peer", "ratio", "runs"]);
    assertFigures(figures);
    const [better, worse] = row.better === "higher" ? [figures.ours, figures.peer] : [figures.peer, figures.ours];
    assertEquals(figures.ratio, Number((better / worse).toPrecision(4)));
    for (
      const [variant, { parameters, ...figures }] of Object.entries<Figures & Pick<Benchmark, "parameters">>(variants)
    ) {
      assertEquals(parameters, row.variants![variant].parameters);
      assertFigures(figures);
    }
  });
}
