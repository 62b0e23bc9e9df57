import { type Assertion, dialError, named, payloadsAssertion, positionsWhere, stopAssertion } from "./assertions.ts";
import type { BroadcastObservation, ObservedNode } from "./broadcast_run.ts";
import type { FaultObservation } from "./fault_run.ts";
import { counted } from "./terminal.ts";

/**
 * What must hold where validators are killed and frozen. Reads and writes are not compared with the expected table then, nor are connections and routines counted: adjusting
 * and repairing takes further messages and connections, how many depends on the moment. For the same reason the network is not asked to be silent, and messages to
 * the dead may be dropped.
 */
export function faultAssertionsOf(observed: BroadcastObservation, faults: FaultObservation): Assertion[] {
  const nodes = withoutDead(observed.nodes);
  const isStalled = observed.nodes.some(({ fate }) => fate === "stalled");
  return [
    momentAssertion(observed, faults),
    peersAssertion(nodes),
    deliveriesAssertion(observed),
    ...(isStalled ? [recoveryAssertion(observed, faults)] : []),
    payloadsAssertion(observed),
    refusalsAssertion(nodes),
    stopAssertion(observed),
  ];
}

/** The nodes, and of their missing peers only those that live. */
function withoutDead(nodes: readonly ObservedNode[]): ObservedNode[] {
  return nodes.map((node) => ({
    ...node,
    missing: node.missing.filter(({ position }) => nodes[position].fate === "live"),
  }));
}

function momentAssertion({ nodes, failure }: BroadcastObservation, faults: FaultObservation): Assertion {
  const count = (fate: ObservedNode["fate"]) => nodes.filter((node) => node.fate === fate).length;
  const { underWay, unaware } = faults;
  const ok = underWay + unaware > 0;
  const happened = `${count("killed")} killed and ${count("stalled")} frozen, ` +
    `${counted(underWay, "broadcast")} on the way and ${unaware} more before anybody could know`;
  return {
    name: "validators were killed and frozen while broadcasts were on the way",
    ok,
    detail: ok ? happened : failure?.message ?? "it did not come to that",
  };
}

function peersAssertion(nodes: readonly ObservedNode[]): Assertion {
  const wrong = positionsWhere(nodes, ({ fate, missing }) => fate === "live" && missing.length > 0);
  return {
    name: "every live validator is connected with all its tree targets that live",
    ok: wrong.length === 0,
    detail: wrong.length === 0 ? `${counted(nodes.filter(({ fate }) => fate === "live").length, "validator")}` : [
      named(wrong, (i) => `lacks ${nodes[i].missing.length}`),
      dialError(nodes.map((node) => node.fate === "live" ? node : { ...node, missing: [] })),
    ].filter(Boolean).join("; "),
  };
}

function deliveriesAssertion(observed: BroadcastObservation): Assertion {
  const { mode, nodes, expected, delivered, surplus, failure } = observed;
  const lacking = positionsWhere(nodes, ({ fate, missed }) => fate === "live" && missed > 0);
  return {
    name: mode === "exact"
      ? "every broadcast reached every live validator exactly once"
      : "every broadcast reached every live validator that the published formula reaches, and none twice",
    ok: delivered === expected && surplus === 0,
    detail: [
      `${delivered} of ${counted(expected, "delivery", "deliveries")}`,
      lacking.length > 0 && named(lacking, (i) => `missed ${nodes[i].missed}`),
      surplus > 0 && `${surplus} that were not expected`,
      failure?.message,
    ].filter(Boolean).join("; "),
  };
}

function recoveryAssertion(observed: BroadcastObservation, { recoveredMs }: FaultObservation): Assertion {
  const { expectedStalled, deliveredStalled } = observed;
  const when = recoveredMs === undefined ? "" : ` ${Math.round(recoveredMs)} ms later`;
  return {
    name: "every frozen validator got what it had missed when it went on",
    ok: deliveredStalled === expectedStalled,
    detail: `${deliveredStalled} of ${counted(expectedStalled, "delivery", "deliveries")}${when}`,
  };
}

function refusalsAssertion(nodes: readonly ObservedNode[]): Assertion {
  const rejected = nodes.reduce((sum, node) => sum + node.rejected, 0);
  return { name: "no message was refused", ok: rejected === 0, detail: `${rejected} refused` };
}
