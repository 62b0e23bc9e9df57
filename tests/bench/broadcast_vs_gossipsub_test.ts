import { assert, assertEquals, assertMatch } from "@std/assert";
import { main, type SideFigures } from "../../bench/broadcast_vs_gossipsub.ts";

const SMALL = ["--nodes", "9", "--mesh", "4", "--runs", "1", "--warmup-ms", "50", "--window-ms", "100"];

async function run(...args: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(args, { out: (line) => out.push(line), err: (line) => err.push(line) });
  return { code, out, err };
}

function assertSide(figures: SideFigures): void {
  const { deliveriesPerSecond, copiesPerDelivery, bytesPerDelivery, coverage } = figures;
  assert(deliveriesPerSecond > 0);
  assert(copiesPerDelivery >= 1);
  assert(bytesPerDelivery > 256);
  assert(coverage > 0 && coverage <= 1);
}

Deno.test("broadcast_vs_gossipsub prints both sides' figures when a third of the nodes falls silent", async () => {
  const { code, out, err } = await run("killed-33", ...SMALL, "--patience-ms", "1000");
  assertEquals([code, out.length], [0, 1], err.join("\n"));
  const row = JSON.parse(out[0]);
  assertEquals(row.name, "broadcast-vs-gossipsub-killed-33");
  assertEquals([row.parameters.nodes, row.parameters.dead, row.parameters.death], [9, 3, "silent"]);
  assertEquals(row.settings.peer.D, 4);
  assertSide(row.ours);
  assertSide(row.peer);
  assertEquals(row.runs.length, 1);
});

Deno.test("broadcast_vs_gossipsub reaches everybody once over ours when nobody dies", async () => {
  const { measurePaced } = await import("../../bench/survival.ts");
  const figures = await measurePaced("ours", {
    nodes: 9,
    dead: 0,
    death: "silent",
    bytes: 256,
    patienceMs: 5_000,
    warmupMs: 20,
    windowMs: 100,
    ratePerSecond: 50,
    signed: false,
  });
  assertEquals([figures.broadcasts, figures.coverage], [5, 1]);
  assert(figures.timeToAllMs.p99! > 0);
  assert(figures.copiesPerDelivery >= 1);
});

Deno.test("broadcast_vs_gossipsub exits with 2 and the list of rows when a row or an option is unknown", async () => {
  for (const args of [["killed-50"], ["--no-such-option"], ["--nodes", "none"]]) {
    const { code, out, err } = await run(...args);
    assertEquals([code, out], [2, []]);
    assertMatch(err[0], new RegExp(args.at(-1)!));
    assertMatch(err[0], /killed-33/);
  }
});
