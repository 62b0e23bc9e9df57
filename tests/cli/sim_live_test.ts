import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "../../src/cli/main.ts";
import { fakeIo } from "./fake_io.ts";

async function sim(args: string, signal?: AbortSignal): Promise<{ code: number; out: string; err: string }> {
  const { io, out, err } = fakeIo({ signal });
  const code = await main(["sim", ...args.split(" ").filter(Boolean)], io);
  return { code, out: out(), err: err() };
}

Deno.test("sim --json prints one object with exactly the fields that programs rely on, the same each time", async () => {
  const args = "--nodes 27 --dead 0.1 --liars 0.1 --loss 0.01 --latency 40ms+-10 --seeds 3 --json";
  const first = await sim(args);
  const report = JSON.parse(first.out);
  assertEquals(Object.keys(report), [
    "nodes",
    "mode",
    "seeds",
    "dead",
    "liars",
    "loss",
    "live",
    "copiesPerLive",
    "controlBytesPerLive",
    "lastMs",
    "digest",
  ]);
  assertEquals(Object.keys(report.live), ["reached", "missed", "worstSeed"]);
  assertEquals(Object.keys(report.lastMs), ["p50", "p99", "max"]);
  const { nodes, mode, seeds, dead, liars, loss, live } = report;
  assertEquals([nodes, mode, seeds, dead, liars, loss], [27, "exact", 3, 0.1, 0.1, 0.01]);
  // Three are dead, three are liars, one is the originator.
  assertEquals(live.reached + live.missed, 3 * 20);
  assertMatch(report.digest, /^[0-9a-f]{64}$/);
  assertEquals(first.code, live.missed > 0 ? 1 : 0);
  assertEquals((await sim(args)).out, first.out);
  assert(JSON.parse((await sim(`${args} --seed 2`)).out).digest !== report.digest);
});

Deno.test("sim's digest is that of the seed alone, in a worker or not", async () => {
  const args = "--nodes 9 --json";
  const digests = await Promise.all([1, 2].map(async (seed) => {
    return JSON.parse((await sim(`${args} --seed ${seed} --seeds 1`)).out).digest as string;
  }));
  const both = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(digests.join("")));
  const hex = new Uint8Array(both).toHex();
  assertEquals(JSON.parse((await sim(`${args} --seeds 2`)).out).digest, hex);
});

Deno.test("sim exits with 1 when a live node was missed, and prints the command that replays the worst seed", async () => {
  // Every message is lost that could be, more often than anything repairs it in time.
  const args = "--nodes 24 --mode classic --dead 0.6 --loss 0.5 --seeds 3 --seed 5";
  const { code, out, err } = await sim(args);
  assertEquals(code, 1);
  const command = /replay it: deno run -A mod\.ts sim (.*)\n/.exec(err)?.[1];
  assert(command !== undefined, err);
  assertMatch(command, /^--nodes 24 --mode classic --dead 0\.6 --loss 0\.5 --seed [5-7] --seeds 1$/);
  assertStringIncludes(out, "nodes missed (");
  const replayed = await sim(`${command} --json`);
  assertEquals(replayed.code, 1);
});

Deno.test("sim for people tells faults, who was reached, when, and what it cost", async () => {
  const { code, out } = await sim("--nodes 10 --seeds 2");
  assertEquals(code, 0);
  const lines = out.split("\n");
  assertEquals(lines[0], "One exact broadcast over 10 nodes, 2 seeds, 50 ms ± 20 ms a hop");
  assert(lines.includes("faults        none"));
  assert(lines.includes("reached       18 of 18 live honest nodes"));
  assertStringIncludes(out, "payloads      1 sent for each live node");
});

Deno.test("sim --svg and --html draw every node, the same for the same seed, and load nothing", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const draw = async (name: string) => {
      const args = `--nodes 30 --dead 0.1 --seeds 1 --seed 3 --svg ${folder}/${name}.svg --html ${folder}/${name}.html`;
      await sim(args);
      return await Promise.all(["svg", "html"].map((kind) => Deno.readTextFile(`${folder}/${name}.${kind}`)));
    };
    const [svg, html] = await draw("a");
    assertEquals(await draw("b"), [svg, html]);
    assertEquals([...svg.matchAll(/data-node="/g)].length, 30);
    assertEquals([...svg.matchAll(/<path class="dead" data-node="/g)].length, 3);
    for (const text of [svg, html]) assert(!/(?:src|href|url\()\s*=?\s*["']?(?:https?:)?\/\//.test(text));
    assert([...html.matchAll(/data-to="/g)].length >= 20);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("sim says which file it cannot write before it runs, and takes no file for two pictures", async () => {
  const { code, err, out } = await sim("--nodes 3 --seeds 1 --svg /nowhere/at/all.svg");
  assertEquals([code, out], [3, ""]);
  assertStringIncludes(err, "/nowhere/at/all.svg");
  const twice = await sim("--nodes 3 --seeds 1 --svg /tmp/picture --html /tmp/picture");
  assertEquals([twice.code, twice.out], [2, ""]);
});

Deno.test("sim reads latencies and shares in every way they are written, and refuses what they cannot be", async () => {
  const same = ["50ms±20", "50ms+-20", "50±20ms", "50+/-20", "50ms±20ms"];
  const digests = await Promise.all(same.map(async (latency) => {
    return JSON.parse((await sim(`--nodes 3 --seeds 1 --json --latency ${latency}`)).out).digest;
  }));
  assertEquals(new Set(digests).size, 1);
  for (
    const args of [
      "--latency fast",
      "--latency 50±60",
      "--dead 1",
      "--dead -0.1",
      "--liars half",
      "--loss 0.6",
      "--nodes 1",
      "--nodes 5000",
      "--seeds 0",
      "--seed -1",
      "--nodes 3 --dead 0.9",
      "--counts --dead 0.1",
      "--counts --mode classic",
    ]
  ) {
    const { code, out, err } = await sim(args);
    assertEquals([args, code, out], [args, 2, ""]);
    assertStringIncludes(err, args.split(" ").find((word) => word.startsWith("--") && word !== "--nodes") ?? "--nodes");
  }
  assertStringIncludes((await sim("--nodes 5000")).err, "--arithmetic --nodes 5000");
});

Deno.test("sim ends when it is interrupted", async () => {
  const { code, err } = await sim("--nodes 9 --seeds 5", AbortSignal.abort(new DOMException("stop", "AbortError")));
  assert(code !== 0, err);
});

Deno.test("sim --counts prints the published totals beside what a run counted", async () => {
  const { code, out } = await sim("--counts --nodes 27 --json");
  assertEquals(code, 0);
  const [row] = JSON.parse(out);
  const { by, comms, acks, tree, redundancy, own, questions, published } = row;
  assertEquals([by, comms, acks, published.comms, published.acks], ["run", 107, 56, 107, 56]);
  assertEquals(tree + redundancy + own + questions, comms);
  assertStringIncludes((await sim("--counts --nodes 27")).out, "production nodes");
});
