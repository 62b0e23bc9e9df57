import type { ExpectedTraffic } from "../raintree/expectations.ts";
import type { BroadcastObservation, ObservedNode } from "./broadcast_run.ts";
import { counted } from "./terminal.ts";

/** One thing that had to hold. */
export interface Assertion {
  /** What, as a sentence; stable. */
  readonly name: string;
  /** Whether it held. */
  readonly ok: boolean;
  /** The numbers behind it. */
  readonly detail: string;
}

/** Positions named in a detail; the rest is counted. */
const NAMED_MAX = 5;

/** What must hold without faults, by the expected table. */
export function assertionsOf(observed: BroadcastObservation, expected: ExpectedTraffic): Assertion[] {
  const { nodes } = observed;
  return [
    peersAssertion(nodes),
    routinesAssertion(nodes),
    deliveriesAssertion(observed),
    payloadsAssertion(observed),
    countsAssertion("reads", nodes, expected.reads),
    countsAssertion("writes", nodes, expected.writes),
    lossesAssertion(nodes),
    quietAssertion(observed),
    stopAssertion(observed),
  ];
}

function peersAssertion(nodes: readonly ObservedNode[]): Assertion {
  const wrong = positionsWhere(
    nodes,
    ({ peers, expectedPeers, missing }) => peers !== expectedPeers || missing.length > 0,
  );
  return {
    name: "every validator is connected with its tree targets and nobody else",
    ok: wrong.length === 0,
    detail: wrong.length === 0
      ? `${counted(nodes[0].expectedPeers, "peer")} each`
      : [named(wrong, (i) => sayPeers(nodes[i])), dialError(nodes)].filter(Boolean).join("; "),
  };
}

function sayPeers({ peers, expectedPeers }: ObservedNode): string {
  return peers === expectedPeers ? `has ${peers}, but not the right ones` : `has ${peers} instead of ${expectedPeers}`;
}

/** What the first missing connection that was dialled failed with. */
export function dialError(nodes: readonly ObservedNode[]): string | undefined {
  const [failure] = nodes.flatMap(({ missing }, position) =>
    missing.flatMap((peer) =>
      peer.lastError === undefined ? [] : [`position ${position} lacks position ${peer.position}: ${peer.lastError}`]
    )
  );
  return failure;
}

function routinesAssertion(nodes: readonly ObservedNode[]): Assertion {
  const expected = ({ expectedPeers }: ObservedNode) => 2 * expectedPeers + 1;
  const wrong = positionsWhere(nodes, (node) => node.routines !== expected(node));
  return {
    name: "every validator runs two routines for each peer and one that listens",
    ok: wrong.length === 0,
    detail: wrong.length === 0
      ? `${counted(expected(nodes[0]), "routine")} each`
      : named(wrong, (i) => `has ${nodes[i].routines} instead of ${expected(nodes[i])}`),
  };
}

function deliveriesAssertion(observed: BroadcastObservation): Assertion {
  const { mode, expected, delivered, surplus, failure } = observed;
  const once = `${delivered} of ${counted(expected, "delivery", "deliveries")}`;
  return {
    name: mode === "exact"
      ? "every broadcast reached every validator exactly once"
      : "every broadcast reached exactly once whom the published formula reaches",
    ok: delivered === expected && surplus === 0,
    detail: [once, surplus > 0 && `${surplus} that were not expected`, failure?.message].filter(Boolean).join("; "),
  };
}

/** Every payload has the bytes that were sent. */
export function payloadsAssertion({ corrupted, delivered }: BroadcastObservation): Assertion {
  return {
    name: "every payload arrived as it was sent",
    ok: corrupted === 0,
    detail: corrupted === 0 ? `${delivered} compared` : `${corrupted} arrived with other bytes`,
  };
}

function countsAssertion(what: "reads" | "writes", nodes: readonly ObservedNode[], expected: number[]): Assertion {
  const wrong = positionsWhere(nodes, (node, position) => node[what] !== expected[position]);
  const total = nodes.reduce((sum, node) => sum + node[what], 0);
  return {
    name: `every validator's network ${what} are those of the expected table`,
    ok: wrong.length === 0,
    detail: wrong.length === 0
      ? counted(total, what.slice(0, -1))
      : named(wrong, (position) => `has ${nodes[position][what]} instead of ${expected[position]}`),
  };
}

function lossesAssertion(nodes: readonly ObservedNode[]): Assertion {
  const dropped = nodes.reduce((sum, node) => sum + node.dropped, 0);
  const rejected = nodes.reduce((sum, node) => sum + node.rejected, 0);
  return {
    name: "no message was dropped or refused",
    ok: dropped + rejected === 0,
    detail: `${dropped} dropped, ${rejected} refused`,
  };
}

function quietAssertion({ quiet, failure }: BroadcastObservation): Assertion {
  const reason = failure?.message ?? "messages kept coming";
  return {
    name: "nothing was under way any more when reads and writes were counted",
    ok: quiet === true,
    detail: quiet ? "every peer answered and no message came with the answers" : reason,
  };
}

/** Nothing is left. */
export function stopAssertion({ stop }: BroadcastObservation): Assertion {
  const { ms, routines, errors } = stop;
  const took = `${counted(routines, "routine")} left after ${Math.round(ms)} ms`;
  return {
    name: "everything stopped and left nothing behind",
    ok: routines === 0 && errors.length === 0,
    detail: [took, ...errors.slice(0, NAMED_MAX).map(({ message }) => message)].join("; "),
  };
}

/** Positions of the nodes for which it holds. */
export function positionsWhere(
  nodes: readonly ObservedNode[],
  holds: (node: ObservedNode, position: number) => boolean,
): number[] {
  return nodes.flatMap((node, position) => holds(node, position) ? [position] : []);
}

/** `position 3 has 5, position 4 has 6, and 7 more`. */
export function named(positions: number[], say: (position: number) => string): string {
  const first = positions.slice(0, NAMED_MAX).map((position) => `position ${position} ${say(position)}`);
  const rest = positions.length - first.length;
  return [...first, ...(rest > 0 ? [`and ${rest} more`] : [])].join(", ");
}
