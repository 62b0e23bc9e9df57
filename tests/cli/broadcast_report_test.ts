import { assertEquals } from "@std/assert";
import { assess } from "../../src/cli/broadcast_report.ts";
import type { BroadcastObservation, ObservedNode } from "../../src/cli/broadcast_run.ts";
import { expectedTraffic } from "../../src/raintree/expectations.ts";

/** Two validators, one broadcast each, all as it should be. */
function observation(changes: Partial<BroadcastObservation> = {}): BroadcastObservation {
  return {
    mode: "exact",
    processes: false,
    originators: [0],
    nodes: [node({ writes: 1 }), node({ position: 1, reads: 1 })],
    connectMs: 1,
    timesToAllMs: [1],
    expected: 1,
    delivered: 1,
    expectedStalled: 0,
    deliveredStalled: 0,
    surplus: 0,
    corrupted: 0,
    quiet: true,
    faults: undefined,
    stop: { ms: 1, routines: 0, errors: [] },
    failure: undefined,
    ...changes,
  };
}

function node(changes: Partial<ObservedNode> = {}): ObservedNode {
  return {
    position: 0,
    address: "a",
    fate: "live",
    reads: 0,
    writes: 0,
    rejected: 0,
    dropped: 0,
    peers: 1,
    expectedPeers: 1,
    missing: [],
    routines: 3,
    missed: 0,
    ...changes,
  };
}

function details(observed: BroadcastObservation): string[] {
  return assess(observed, expectedTraffic("exact", 2, [0])).assertions.map(({ detail }) => detail);
}

Deno.test("assess() counts one thing in the singular", () => {
  const [peers, routines, deliveries, _payloads, reads, writes] = details(observation());
  assertEquals([peers, routines, deliveries], ["1 peer each", "3 routines each", "1 of 1 delivery"]);
  assertEquals([reads, writes], ["1 read", "1 write"]);
});

Deno.test("assess() tells times to the microsecond, and none where nothing reached all", () => {
  const toAll = (timesToAllMs: number[]) =>
    assess(observation({ timesToAllMs }), expectedTraffic("exact", 2, [0])).timeToAllMs;
  assertEquals([toAll([7.00049]), toAll([])], [{ p50: 7, p99: 7 }, { p50: null, p99: null }]);
});

Deno.test("assess() says of each wrong position what it has and what it should, and why a peer is missing", () => {
  const lacking = node({ peers: 0, routines: 1, missing: [{ position: 0, lastError: "Cannot dial: nobody listens" }] });
  const swapped = node({ missing: [{ position: 1, lastError: undefined }] });
  const [peers, routines] = details(observation({ nodes: [swapped, lacking] }));
  assertEquals(
    peers,
    "position 0 has 1, but not the right ones, position 1 has 0 instead of 1; " +
      "position 1 lacks position 0: Cannot dial: nobody listens",
  );
  assertEquals(routines, "position 1 has 1 instead of 3");
});

/** One of four is dead, one was frozen; one broadcast. */
function faultyObservation(changes: Partial<BroadcastObservation> = {}): BroadcastObservation {
  const toDead = { position: 2, lastError: "Cannot dial: nobody listens" };
  return observation({
    nodes: [
      node({ missing: [toDead] }),
      node({ position: 1, missing: [toDead] }),
      node({ position: 2, fate: "killed", missed: 1 }),
      node({ position: 3, fate: "stalled" }),
    ],
    expectedStalled: 1,
    deliveredStalled: 1,
    quiet: undefined,
    faults: { underWay: 1, unaware: 2, frozenMs: 1234.5678, recoveredMs: 56.7 },
    ...changes,
  });
}

Deno.test("assess() counts only live validators where some are killed and frozen, and compares no reads and writes", () => {
  const report = assess(faultyObservation(), expectedTraffic("exact", 4, [0]));
  const { validators, live, killed, stalled, expected, delivered, coverage, faults, nodes, ok } = report;
  assertEquals([validators, live, killed, stalled], [4, 2, 1, 1]);
  assertEquals([expected, delivered, coverage, ok], [1, 1, 1, true]);
  assertEquals(faults, {
    underWay: 1,
    unaware: 2,
    expectedStalled: 1,
    deliveredStalled: 1,
    frozenMs: 1234.568,
    recoveredMs: 56.7,
  });
  assertEquals(nodes.map(({ fate, missed }) => [fate, missed]), [["live", 0], ["live", 0], ["killed", 1], [
    "stalled",
    0,
  ]]);
  assertEquals(report.assertions.map(({ detail }) => detail), [
    "1 killed and 1 frozen, 1 broadcast on the way and 2 more before anybody could know",
    "2 validators",
    "1 of 1 delivery",
    "1 of 1 delivery 57 ms later",
    "1 compared",
    "0 refused",
    "0 routines left after 1 ms",
  ]);
});

Deno.test("assess() fails and says who missed what where some are killed and frozen", () => {
  const [first, _, dead, frozen] = faultyObservation().nodes;
  const lacking = node({ position: 1, missed: 1, rejected: 2, missing: [{ position: 0, lastError: "Cannot dial" }] });
  const { assertions, ok } = assess(
    faultyObservation({ nodes: [first, lacking, dead, frozen], delivered: 0, surplus: 3, deliveredStalled: 0 }),
    expectedTraffic("exact", 4, [0]),
  );
  assertEquals(ok, false);
  assertEquals(assertions.flatMap(({ ok, name, detail }) => ok ? [] : [[name, detail]]), [
    [
      "every live validator is connected with all its tree targets that live",
      "position 1 lacks 1; position 1 lacks position 0: Cannot dial",
    ],
    [
      "every broadcast reached every live validator exactly once",
      "0 of 1 delivery; position 1 missed 1; 3 that were not expected",
    ],
    ["every frozen validator got what it had missed when it went on", "0 of 1 delivery 57 ms later"],
    ["no message was refused", "2 refused"],
  ]);
});
