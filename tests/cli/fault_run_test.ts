import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { BroadcastReport } from "../../src/cli/broadcast_report.ts";
import { LocalNetwork } from "../../src/cli/local_network.ts";
import { RemoteGroup } from "../../src/cli/remote_group.ts";
import { runLocalNetwork, type RunParts } from "../../src/cli/run_command.ts";
import { ValidatorsHere } from "../../src/cli/validators_here.ts";
import { expectedTraffic } from "../../src/raintree/expectations.ts";
import { fakeIo } from "./fake_io.ts";

async function run(args: string, parts: RunParts = {}) {
  const { io, out, err } = fakeIo();
  const code = await runLocalNetwork(args.split(" "), io, parts);
  return { code, out: out(), err: err() };
}

async function runJson(args: string, parts: RunParts = {}) {
  const { code, out, err } = await run(`--json ${args}`, parts);
  const report: BroadcastReport = JSON.parse(out);
  const failed = report.assertions.flatMap(({ ok, name }) => ok ? [] : [name]);
  return { code, report, failed, out, err };
}

function fatesOf({ nodes }: BroadcastReport): Record<string, number> {
  const fates = { live: 0, killed: 0, stalled: 0 };
  for (const { fate } of nodes) fates[fate]++;
  return fates;
}

Deno.test("run --processes does exactly the expected table with every validator in a process of its own", async () => {
  const { code, report, failed, err } = await runJson("--validators 4 --processes --rounds 2 --payload 5000");
  assertEquals([code, failed, err], [0, [], ""]);
  const { validators, live, processes, broadcasts, expected, delivered, coverage, faults, assertions } = report;
  assertEquals([validators, live, processes, broadcasts], [4, 4, true, 8]);
  assertEquals([expected, delivered, coverage, faults], [24, 24, 1, null]);
  const table = expectedTraffic("exact", 4, [0, 1, 2, 3, 0, 1, 2, 3]);
  assertEquals(report.nodes.map(({ reads }) => reads), table.reads);
  assertEquals(report.nodes.map(({ writes }) => writes), table.writes);
  assertEquals(assertions.length, 9);
});

Deno.test("run --processes --mode classic waits for second copies in other processes too", async () => {
  const { code, report } = await runJson("--validators 5 --processes --mode classic");
  assertEquals([code, report.ok], [0, true]);
});

Deno.test("run --processes fails at once when a process dies, and says which", async () => {
  const start: RunParts["start"] = async (options) => {
    const network = await LocalNetwork.start(options);
    const [group] = network.groups;
    assert(group instanceof RemoteGroup);
    Deno.kill(Number(group.place!.replace("process ", "")), "SIGKILL");
    return network;
  };
  const { code, report, failed } = await runJson("--validators 3 --processes", { start });
  assertEquals([code, report.ok], [1, false]);
  assert(failed.includes("everything stopped and left nothing behind"), failed.join());
  const { detail } = report.assertions.find(({ name }) => name.includes("exactly once"))!;
  assertMatch(detail, /^0 of 6 deliveries; The process \d+ of validator 0 ended: SIGKILL/);
});

Deno.test("run --kill --stall exits with 1 and names who missed what, and everything stops all the same", async () => {
  // Whatever repairs there are: what is never broadcast reaches nobody.
  const start: RunParts["start"] = async (options) => {
    const network = await LocalNetwork.start(options);
    const [here] = network.groups;
    assert(here instanceof ValidatorsHere);
    const { broadcast } = here;
    here.broadcast = (position, number) =>
      position === here.positions[1] ? Promise.resolve() : broadcast.call(here, position, number);
    return network;
  };
  const { code, report, failed } = await runJson("--validators 6 --kill 1 --stall 1 --timeout 3", { start });
  assertEquals([code, report.ok], [1, false]);
  const { validators, live, killed, stalled, expected, broadcasts, nodes, faults } = report;
  assertEquals([validators, live, killed, stalled, broadcasts, expected], [6, 4, 1, 1, 4, 12]);
  assertEquals(fatesOf(report), { live: 4, killed: 1, stalled: 1 });
  assert(faults!.underWay + faults!.unaware > 0, JSON.stringify(faults));
  assertEquals(faults!.expectedStalled, 4);
  assert(nodes.filter(({ fate, missed }) => fate === "live" && missed > 0).length >= 3, JSON.stringify(nodes));
  assert(failed.includes("every broadcast reached every live validator exactly once"), failed.join());
  assert(!failed.includes("everything stopped and left nothing behind"), failed.join());
});

Deno.test("run --kill shows a person who was killed, in the sentence, in the tree and in the table", async () => {
  // With one left, nothing depends on repairs.
  const { code, out } = await run("--validators 3 --kill 1 --stall 1");
  assertEquals(code, 0, out);
  assertMatch(out, /In the middle: 1 killed \(\d\), 1 frozen \(\d\); 1 validator left/);
  assertMatch(out, /└─ \d[†‖], \d[†‖]\n/);
  assertStringIncludes(out, "each next to what it is without faults");
  assertMatch(out, /^ +\d {2}[0-9a-f]{8}\.\.\. .* - +- {2}killed$/m);
  assertMatch(out, /^ +\d {2}[0-9a-f]{8}\.\.\. .* \d +0 {2}stalled$/m);
  assertStringIncludes(out, "coverage     100 %, 0 of 0 deliveries at live validators");
  assertMatch(out, /frozen {7}for .*, got 1 of 1 deliveries, the last of it /);
  assertStringIncludes(out, "All 7 assertions hold");
});

for (const flags of ["", " --processes", " --mode classic"]) {
  Deno.test(`run --kill --stall${flags} reaches every live validator, and the frozen when they go on`, async () => {
    const { code, report, failed } = await runJson(`--validators 12 --kill 4 --stall 2${flags}`);
    assertEquals([code, failed], [0, []]);
    assertEquals(fatesOf(report), { live: 6, killed: 4, stalled: 2 });
    assertEquals([report.expected, report.delivered, report.coverage], [30, 30, 1]);
    const { underWay, expectedStalled, deliveredStalled } = report.faults!;
    assert(underWay > 0);
    assertEquals([expectedStalled, deliveredStalled], [12, 12]);
  });
}
