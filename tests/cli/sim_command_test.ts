import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { main } from "../../src/cli/main.ts";
import { simulateClassic, simulateExact } from "../../src/raintree/simulate.ts";
import { fakeIo } from "./fake_io.ts";

async function sim(args: string): Promise<{ code: number; out: string; err: string }> {
  const { io, out, err } = fakeIo();
  const code = await main(["sim", ...args.split(" ").filter(Boolean)], io);
  return { code, out: out(), err: err() };
}

Deno.test("sim --arithmetic --json prints one object with exactly the fields that programs rely on", async () => {
  const { code, out, err } = await sim("--arithmetic --nodes 1000000 --json");
  assertEquals([code, err], [0, ""]);
  const { elapsedMs, ...counted } = JSON.parse(out);
  assertEquals(counted, {
    nodes: 1_000_000,
    mode: "exact",
    messages: 999_999,
    reached: 1_000_000,
    depth: 13,
    reads: { max: 1 },
    writes: { max: 25 },
  });
  assert(elapsedMs > 0 && Number.isFinite(elapsedMs), `took ${elapsedMs} ms`);
});

Deno.test("sim --arithmetic counts the mode that is asked for", async () => {
  for (const mode of ["exact", "classic"] as const) {
    const { messages, reads, writes } = mode === "exact" ? simulateExact(81) : simulateClassic(81);
    const printed = JSON.parse((await sim(`--arithmetic --nodes 81 --mode ${mode} --json`)).out);
    assertEquals(
      [printed.mode, printed.messages, printed.reads.max, printed.writes.max],
      [mode, messages, Math.max(...reads), Math.max(...writes)],
    );
  }
});

Deno.test("sim --arithmetic prints depth, coverage and the load per node for people", async () => {
  const { code, out } = await sim("--arithmetic --nodes 27 --mode classic");
  assertEquals(code, 0);
  const lines = out.split("\n");
  assertEquals(lines[0], "One classic broadcast over 27 nodes, by arithmetic");
  for (const line of ["reached       27 of 27", "depth         3 hops, ceil(log3 N) is 3"]) {
    assert(lines.includes(line));
  }
  const load = lines.slice(lines.indexOf("Load per node") + 2, -3).map((line) => line.trim().split(/ +/));
  for (const column of [1, 2]) {
    assertEquals(load.reduce((nodes, row) => nodes + Number(row[column]), 0), 27, "every node is in one class");
  }
});

Deno.test("sim --arithmetic counts as deliveries what is reached, not what should be", async () => {
  const { out } = await sim("--arithmetic --nodes 24 --mode classic");
  assertStringIncludes(out, "messages      26 for 14 deliveries\nreached       15 of 24\n");
  assertEquals(JSON.parse((await sim("--arithmetic --nodes 24 --mode classic --json")).out).reached, 15);
  assertStringIncludes((await sim("--arithmetic --nodes 2")).out, "1 for 1 delivery\n");
});

Deno.test("sim --arithmetic and --counts refuse what has no meaning with them", async () => {
  for (
    const [args, name, alone] of [["--arithmetic --dead 0.1", "dead", "arithmetic"], [
      "--counts --loss 0.1",
      "loss",
      "counts",
    ], ["--arithmetic --counts", "counts", "arithmetic"]]
  ) {
    const { code, out, err } = await sim(args);
    assertEquals([code, out], [2, ""]);
    assertStringIncludes(err, `"--${name}" has no meaning with "--${alone}"`);
  }
});

Deno.test("sim refuses seeds beyond the last one: what it prints to replay a run is taken again", async () => {
  const { code, err } = await sim("--nodes 2 --seed 4294967290 --seeds 7");
  assertEquals(code, 2);
  assertStringIncludes(err, "the last seed there is is 4294967295");
  assertEquals((await sim("--nodes 2 --seed 4294967290 --seeds 6")).code, 0);
});

Deno.test("sim refuses sizes, modes and flags that it does not know", async () => {
  for (const args of ["--nodes 0", "--nodes 10000001", "--nodes many", "--mode exakt", "--noodles 3", "9"]) {
    const { code, out, err } = await sim(`--arithmetic ${args}`);
    assertEquals([args, code, out], [args, 2, ""]);
    assertStringIncludes(err, args.split(" ").at(-1) === "3" ? "--noodles" : args.split(" ").at(-1)!);
  }
});
