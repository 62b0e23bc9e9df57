import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { exitCodeOf } from "../../src/cli/exit_codes.ts";
import { LocalNetwork } from "../../src/cli/local_network.ts";
import { assertLoopback } from "../../src/cli/loopback.ts";
import { main } from "../../src/cli/main.ts";
import { assertOpenFiles } from "../../src/cli/open_files.ts";
import { Payload } from "../../src/cli/payload.ts";
import { runLocalNetwork, type RunParts } from "../../src/cli/run_command.ts";
import { ValidatorsHere } from "../../src/cli/validators_here.ts";
import { isAddress } from "../../src/identity/address.ts";
import type { Content } from "../../src/module/bus.ts";
import type { P2PModule } from "../../src/module/p2p_module.ts";
import { expectedTraffic } from "../../src/raintree/expectations.ts";
import { fakeIo, type FakeIoOptions } from "./fake_io.ts";

async function run(args: string, options: FakeIoOptions = {}) {
  const { io, out, err } = fakeIo(options);
  const code = await main(args.split(" "), io);
  return { code, out: out(), err: err() };
}

/** Runs `--json` with faults in; returns the exit code and the report. */
async function runFaulty(args: string, parts: RunParts) {
  const { io, out } = fakeIo();
  const code = await runLocalNetwork(`--json ${args}`.split(" "), io, parts);
  const report = JSON.parse(out());
  const failed = report.assertions.flatMap((assertion: { ok: boolean; name: string }) =>
    assertion.ok ? [] : [assertion.name]
  );
  return { code, report, failed };
}

/** The validators of a network that all run in this thread. */
function validatorsOf(network: LocalNetwork): ValidatorsHere {
  const [here] = network.groups;
  assert(here instanceof ValidatorsHere);
  return here;
}

/** Starts a network whose node at `position` makes each broadcast in its own way. */
function startWith(
  position: number,
  broadcast: (node: P2PModule, content: Content) => Promise<void>,
): RunParts["start"] {
  return async (options) => {
    const network = await LocalNetwork.start(options);
    await network.settled(options.signal); // so that the deadline of a test is all for its fault
    const here = validatorsOf(network);
    const payload = new Payload(options.payloadBytes);
    const { broadcast: asUsual } = here;
    here.broadcast = (at, number) =>
      at === position ? broadcast(here.nodes[at], payload.of(number)) : asUsual.call(here, at, number);
    return network;
  };
}

Deno.test("run --json prints the report that other programs rely on, at every size and in both modes", async () => {
  for (const [validators, mode] of [[1, "exact"], [2, "classic"], [9, "exact"], [9, "classic"]] as const) {
    const { code, out, err } = await run(`--json --validators ${validators} --mode ${mode}`);
    assertEquals([code, err], [0, ""], out);
    assertMatch(out, /^\{.*\}\n$/);
    const report = JSON.parse(out);
    assertEquals(
      Object.keys(report),
      ("validators live killed stalled processes mode broadcasts expected delivered coverage timeToAllMs faults nodes " +
        "assertions ok").split(" "),
    );
    const { live, killed, stalled, processes, faults } = report;
    assertEquals([live, killed, stalled, processes, faults], [validators, 0, 0, false, null]);
    const deliveries = validators * (validators - 1);
    assertEquals([report.validators, report.mode, report.broadcasts], [validators, mode, validators]);
    assertEquals([report.expected, report.delivered, report.coverage], [deliveries, deliveries, 1]);
    assert(report.timeToAllMs.p50 <= report.timeToAllMs.p99);
    const expected = expectedTraffic(mode, validators, report.nodes.keys());
    assertEquals(report.nodes.map((node: { reads: number }) => node.reads), expected.reads);
    assertEquals(report.nodes.map((node: { writes: number }) => node.writes), expected.writes);
    const addresses = report.nodes.map((node: { address: string }) => node.address);
    assert(addresses.every(isAddress));
    assertEquals(addresses, addresses.toSorted(), "nodes are not in ring order");
    for (const node of report.nodes) {
      assertEquals(Object.keys(node), [
        "address",
        "reads",
        "writes",
        "expectedReads",
        "expectedWrites",
        "fate",
        "missed",
      ]);
      assertEquals([node.reads, node.writes], [node.expectedReads, node.expectedWrites]);
      assertEquals([node.fate, node.missed], ["live", 0]);
    }
    for (const assertion of report.assertions) {
      assertEquals(Object.keys(assertion), ["name", "ok", "detail"]);
      assertEquals(assertion.ok, true, assertion.detail);
    }
    assertEquals(report.ok, true);
  }
});

Deno.test("run --mode classic expects what the published formula reaches, and tells the coverage of the whole network", async () => {
  const { code, out } = await run("--json --validators 24 --mode classic");
  const { expected, delivered, coverage, nodes, ok } = JSON.parse(out);
  assertEquals([code, ok], [0, true]);
  assertEquals([expected, delivered], [24 * 14, 24 * 14]);
  assertEquals(coverage, 14 / 23);
  // Second copies are read and not delivered.
  assert(nodes[0].reads > 14);
});

Deno.test("run makes --rounds broadcasts of --payload bytes from every validator", async () => {
  const { code, out } = await run("--json --validators 3 --rounds 4 --payload 200000");
  const { broadcasts, expected, delivered } = JSON.parse(out);
  assertEquals([code, broadcasts, expected, delivered], [0, 12, 24, 24]);
});

Deno.test("run shows a person the tree, the table, the coverage and what held", async () => {
  const { code, out, err } = await run("--validators 9");
  assertEquals([code, err], [0, ""]);
  const parts = [
    "9 validators on real TCP sockets",
    "9 broadcasts of 1024 bytes",
    "├─ 3 answers for 3: 3..5",
    "node  address      reads  expected  writes  expected  peers",
    "coverage     100 %, 72 of 72 deliveries",
    "time to all  p50 ",
    "✓ every broadcast reached every validator exactly once (72 of 72 deliveries)",
    "All 9 assertions hold",
  ];
  for (const part of parts) assertStringIncludes(out, part);
  assertMatch(out, /^ +8 {2}[0-9a-f]{8}\.\.\. +8 +8 +8 +8 +6$/m);
  assertEquals(out.includes("\x1b"), false);
});

Deno.test("run colours only a terminal without NO_COLOR, and cuts the table of a large network", async () => {
  assertStringIncludes((await run("--validators 1", { terminal: true })).out, "\x1b[32m✓");
  const { out } = await run("--validators 31", { terminal: true, env: { NO_COLOR: "1" } });
  assertEquals(out.includes("\x1b"), false);
  assertStringIncludes(out, "and 1 more, all as expected; --full lists them");
});

Deno.test("run exits with 1 when a count differs from the expected table, and shows where", async () => {
  const expect: RunParts["expect"] = (mode, n, originators) => {
    const expected = expectedTraffic(mode, n, originators);
    expected.reads[1]++;
    return expected;
  };
  const { code, report, failed } = await runFaulty("--validators 3", { expect });
  assertEquals([code, report.ok], [1, false]);
  assertEquals(failed, ["every validator's network reads are those of the expected table"]);
  const { detail } = report.assertions.find((assertion: { ok: boolean }) => !assertion.ok);
  assertEquals(detail, "position 1 has 2 instead of 3");
  const { io, out } = fakeIo();
  assertEquals(await runLocalNetwork(["--validators", "3"], io, { expect }), 1);
  assertStringIncludes(out(), "✗ every validator's network reads");
  assertStringIncludes(out(), "1 of 9 assertions failed");
});

Deno.test("run exits with 1 when payloads come with other bytes, and stops everything all the same", async () => {
  const start = startWith(
    1,
    (node, { typeUrl, value }) => node.broadcast({ typeUrl, value: value.with(-1, value.at(-1)! ^ 1) }),
  );
  const { code, report, failed } = await runFaulty("--validators 3 --timeout 1", { start });
  assertEquals([code, report.expected, report.delivered], [1, 6, 2]);
  assert(failed.includes("every payload arrived as it was sent"), failed.join());
  assert(failed.includes("every broadcast reached every validator exactly once"), failed.join());
  assert(!failed.includes("everything stopped and left nothing behind"), failed.join());
});

Deno.test("run exits with 1 when a broadcast is delivered twice", async () => {
  const start = startWith(2, async (node, content) => {
    await Promise.all([node.broadcast(content), node.broadcast(content)]);
  });
  const { code, report, failed } = await runFaulty("--validators 3", { start });
  assertEquals([code, report.delivered], [1, 6]);
  assertEquals(failed, [
    "every broadcast reached every validator exactly once",
    "every validator's network reads are those of the expected table",
    "every validator's network writes are those of the expected table",
  ]);
});

Deno.test("run exits with 1 when a validator is gone, without waiting beyond --timeout", async () => {
  const start: RunParts["start"] = async (options) => {
    const network = await LocalNetwork.start(options);
    await validatorsOf(network).nodes[1].stop();
    return network;
  };
  const { code, report, failed } = await runFaulty("--validators 3 --timeout 1", { start });
  assertEquals([code, report.delivered, report.timeToAllMs], [1, 0, { p50: null, p99: null }]);
  assertEquals(failed[0], "every validator is connected with its tree targets and nobody else");
  const deliveries = report.assertions.find(({ name }: { name: string }) => name.includes("exactly once"));
  assertStringIncludes(deliveries.detail, "not done after 1 s, --timeout gives it more");
});

Deno.test("run ends with the interrupt's reason and everything stopped", async () => {
  const stop = new AbortController();
  const { io, out } = fakeIo({ signal: stop.signal });
  const reason = new P2pError("interrupted", "Interrupted");
  let network: LocalNetwork | undefined;
  const start: RunParts["start"] = async (options) => {
    network = await LocalNetwork.start(options);
    stop.abort(reason);
    return network;
  };
  assertEquals(await assertRejects(() => runLocalNetwork([], io, { start })), reason);
  assertEquals(
    validatorsOf(network!).nodes.map((node) => [node.started, node.routines.count]),
    new Array(9).fill([false, 0]),
  );
  assertEquals(out(), "");
});

Deno.test("run interrupted in the middle of starting leaves nothing open and exits with 130", async () => {
  const stop = new AbortController();
  const { io, out, err } = fakeIo({ signal: stop.signal });
  const start: RunParts["start"] = (options) =>
    LocalNetwork.start({
      ...options,
      onProgress: (started) => started === 2 && stop.abort(new P2pError("interrupted", "Interrupted")),
    });
  assertEquals(exitCodeOf(await assertRejects(() => runLocalNetwork([], io, { start }))), 130);
  assertEquals([out(), err()], ["", ""]);
});

Deno.test("run refuses wrong flags with exit code 2 before anything starts", async () => {
  const cases: [string, string][] = [
    ["--validatros 3", 'did you mean "--validators"?'],
    ["--validators 0", "from 1 to 1000"],
    ["--validators 1001", "from 1 to 1000"],
    ["--validators x", "whole number"],
    ["--mode fast", '"exact", "classic"'],
    ["--rounds 0", "from 1 to 100"],
    ["--payload 3", "from 4 to"],
    ["--payload 5000000", "from 4 to"],
    ["--timeout 0", "from 1 to"],
    ["--kill 3", "give --validators N too"],
    ["--stall 1 --processes", "give --validators N too"],
    ["--validators 9 --kill 9", "9 killed and 0 frozen of 9 validators leave none"],
    ["--validators 9 --kill 5 --stall 4", "5 killed and 4 frozen of 9 validators leave none"],
    ["--validators 9 --kill -1", "whole number from 0"],
    ["--validators 9 --stall some", "whole number from 0"],
    ["--validators 201 --processes", "with --processes it takes at most 200"],
    ["--json 9", 'Unexpected argument "9"'],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = await run(args);
    assertEquals([code, out], [2, ""], args);
    assertStringIncludes(err, message);
  }
});

Deno.test("assertOpenFiles() says what limit to raise, as a fault of the environment", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await assertOpenFiles(1);
  const error = await assertRejects(() => assertOpenFiles(2 ** 40), P2pError);
  assertEquals([error.code, exitCodeOf(error)], ["open_files_exhausted", 3]);
  assertStringIncludes(error.hint!, "ulimit -n");
});

Deno.test("assertLoopback() needs every port of the loopback address, and says which permission gives them", async () => {
  const answer = (state: Deno.PermissionState) => ({
    request: () => Promise.resolve({ state } as Deno.PermissionStatus),
  });
  await assertLoopback(answer("granted"));
  for (const state of ["denied", "prompt"] as const) {
    const error = await assertRejects(() => assertLoopback(answer(state)), P2pError);
    assertEquals([error.code, exitCodeOf(error)], ["net_forbidden", 3]);
    assertEquals(error.hint, "Run deno with --allow-net=127.0.0.1");
  }
});
