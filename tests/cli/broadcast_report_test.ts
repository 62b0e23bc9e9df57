import { assertEquals } from "@std/assert";
import { assess } from "../../src/cli/broadcast_report.ts";
import type { BroadcastObservation, ObservedNode } from "../../src/cli/broadcast_run.ts";
import { expectedTraffic } from "../../src/raintree/expectations.ts";

/** Two validators, one broadcast each, all as it should be. */
function observation(changes: Partial<BroadcastObservation> = {}): BroadcastObservation {
  return {
    mode: "exact",
    originators: [0],
    nodes: [node({ writes: 1 }), node({ reads: 1 })],
    connectMs: 1,
    timesToAllMs: [1],
    delivered: 1,
    surplus: 0,
    corrupted: 0,
    dropped: 0,
    rejected: 0,
    quiet: true,
    stop: { ms: 1, routines: 0, errors: [] },
    failure: undefined,
    ...changes,
  };
}

function node(changes: Partial<ObservedNode> = {}): ObservedNode {
  return { address: "a", reads: 0, writes: 0, peers: 1, expectedPeers: 1, missing: [], routines: 3, ...changes };
}

function details(observed: BroadcastObservation): string[] {
  return assess(observed, expectedTraffic("exact", 2, [0])).assertions.map(({ detail }) => detail);
}

Deno.test("assess() counts one thing in the singular", () => {
  const [peers, routines, deliveries, _payloads, reads, writes] = details(observation());
  assertEquals([peers, routines, deliveries], ["1 peer each", "3 routines each", "1 of 1 delivery"]);
  assertEquals([reads, writes], ["1 read", "1 write"]);
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
