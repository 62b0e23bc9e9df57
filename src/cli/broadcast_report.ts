import { percentile } from "../base/percentile.ts";
import type { ExpectedTraffic } from "../raintree/expectations.ts";
import type { TreeMode } from "../raintree/tree.ts";
import { type Assertion, assertionsOf } from "./assertions.ts";
import type { BroadcastObservation } from "./broadcast_run.ts";
import { faultAssertionsOf } from "./fault_assertions.ts";
import type { Fate } from "./local_network.ts";

/** What `--json` prints; other programs rely on it (issue 3, section 8; issue 4, section 5). */
export interface BroadcastReport {
  /** How many took part. */
  readonly validators: number;
  /** How many of them were neither killed nor frozen. */
  readonly live: number;
  /** How many were killed in the middle. */
  readonly killed: number;
  /** How many were frozen in the middle, until the live ones had everything. */
  readonly stalled: number;
  /** Whether each was a process of its own. */
  readonly processes: boolean;
  /** How broadcasts spread. */
  readonly mode: TreeMode;
  /** Broadcasts in all; live validators make them. */
  readonly broadcasts: number;
  /** Deliveries expected at live validators: in classic mode the published formula leaves nodes out at many sizes. */
  readonly expected: number;
  /** Of these, how many there were. */
  readonly delivered: number;
  /** Share of all other live validators that a broadcast reached, 0 to 1, over all broadcasts; 1 where there are no others. */
  readonly coverage: number;
  /** Milliseconds from a broadcast to its last delivery at a live validator; `null` where no broadcast was completed. */
  readonly timeToAllMs: { readonly p50: number | null; readonly p99: number | null };
  /** What came of the faults; `null` without any. */
  readonly faults: {
    /** Broadcasts that had not reached everyone when it happened. */
    readonly underWay: number;
    /** Broadcasts made at once after it, before anybody could know. */
    readonly unaware: number;
    /** Milliseconds that the frozen ones were frozen; `null` without any, or if they did not go on before the end. */
    readonly frozenMs: number | null;
    /** Deliveries expected at the frozen ones, before and after. */
    readonly expectedStalled: number;
    /** Of these, how many there were in the end. */
    readonly deliveredStalled: number;
    /** Milliseconds from when they went on until they had everything; `null` if there are none, or they have not. */
    readonly recoveredMs: number | null;
  } | null;
  /** In ring order. Expected reads and writes are those of a network without faults. */
  readonly nodes: readonly {
    readonly address: string;
    readonly reads: number;
    readonly writes: number;
    readonly expectedReads: number;
    readonly expectedWrites: number;
    /** What became of it; what it did is known until it was killed. */
    readonly fate: Fate;
    /** Broadcasts that were to reach it and have not. */
    readonly missed: number;
  }[];
  /** All that was checked. */
  readonly assertions: readonly Assertion[];
  /** Whether all of it held. */
  readonly ok: boolean;
}

/** Compares what a network did with what it was to do. */
export function assess(observed: BroadcastObservation, expected: ExpectedTraffic): BroadcastReport {
  const { mode, processes, originators, nodes, delivered, timesToAllMs } = observed;
  const count = (fate: Fate) => nodes.filter((node) => node.fate === fate).length;
  const [live, killed, stalled] = [count("live"), count("killed"), count("stalled")];
  const assertions = observed.faults === undefined
    ? assertionsOf(observed, expected)
    : faultAssertionsOf(observed, observed.faults);
  const others = originators.length * (live - 1);
  const toAll = (share: number) => {
    const ms = percentile(timesToAllMs, share);
    return ms === undefined ? null : toMicroseconds(ms);
  };
  return {
    validators: nodes.length,
    live,
    killed,
    stalled,
    processes,
    mode,
    broadcasts: originators.length,
    expected: observed.expected,
    delivered,
    coverage: others === 0 ? 1 : delivered / others,
    timeToAllMs: { p50: toAll(0.5), p99: toAll(0.99) },
    faults: reportFaults(observed, stalled > 0),
    nodes: nodes.map(({ address, reads, writes, fate, missed }, position) => ({
      address,
      reads,
      writes,
      expectedReads: expected.reads[position],
      expectedWrites: expected.writes[position],
      fate,
      missed,
    })),
    assertions,
    ok: assertions.every(({ ok }) => ok),
  };
}

function reportFaults(observed: BroadcastObservation, stalled: boolean): BroadcastReport["faults"] {
  if (observed.faults === undefined) return null;
  const { underWay, unaware, frozenMs, recoveredMs } = observed.faults;
  const { expectedStalled, deliveredStalled } = observed;
  const time = (ms: number | undefined) => ms === undefined || !stalled ? null : toMicroseconds(ms);
  const times = { frozenMs: time(frozenMs), recoveredMs: time(recoveredMs) };
  return { underWay, unaware, expectedStalled, deliveredStalled, ...times };
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
