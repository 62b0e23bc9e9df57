import { abortable, type Clock, deadline, systemClock } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import type { ExpectedTraffic } from "../raintree/expectations.ts";
import type { TreeMode } from "../raintree/tree.ts";
import { Deliveries } from "./deliveries.ts";
import { broadcastsBefore, type FaultObservation, runFaults } from "./fault_run.ts";
import type { Fate, LocalNetwork, NetworkStop } from "./local_network.ts";
import type { ValidatorLook } from "./validator_group.ts";

/** The rule that says what a network is expected to do: `expectedTraffic`. */
export type Expect = (mode: TreeMode, n: number, originators: Iterable<number>) => ExpectedTraffic;

/** Options of {@link runBroadcasts}. */
export interface BroadcastRunOptions {
  /** Broadcasts per live validator. */
  rounds: number;
  /** What is expected of the network. */
  expect: Expect;
  /** Ends the work with nothing to report. */
  signal: AbortSignal;
  /** After this time, in milliseconds, what there is by then is reported. */
  timeoutMs: number;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Told what goes on, for people. */
  onProgress?: (text: string) => void;
}

/** What one validator did; of one that was killed, until then. */
export interface ObservedNode extends ValidatorLook {
  /** Who it is. */
  readonly address: string;
  /** What became of it. */
  readonly fate: Fate;
  /** Broadcasts that were to reach it and have not. */
  readonly missed: number;
}

/** What a network did; {@link assess} compares it with what it was to do. */
export interface BroadcastObservation {
  /** How broadcasts spread. */
  readonly mode: TreeMode;
  /** Whether each validator was a process of its own. */
  readonly processes: boolean;
  /** Who broadcast, by position, in order. */
  readonly originators: readonly number[];
  /** In ring order. */
  readonly nodes: readonly ObservedNode[];
  /** Milliseconds from the first dial until everybody was connected; `undefined` if that did not happen. */
  readonly connectMs: number | undefined;
  /** Milliseconds from each broadcast to its last delivery at a live validator, for those that were complete. */
  readonly timesToAllMs: readonly number[];
  /** Deliveries that were expected, at live validators. */
  readonly expected: number;
  /** Broadcasts delivered at live nodes where they were expected, each once. */
  readonly delivered: number;
  /** Deliveries that were expected at validators that were frozen, before it and after they went on. */
  readonly expectedStalled: number;
  /** Of these, how many there were. */
  readonly deliveredStalled: number;
  /** Deliveries where none, or no second one, was expected. */
  readonly surplus: number;
  /** Payloads with other bytes than were sent. */
  readonly corrupted: number;
  /** Whether nothing was under way any more when the counters were read; `undefined` where that cannot be told, because of faults. */
  readonly quiet: boolean | undefined;
  /** What came of the faults; `undefined` without any. */
  readonly faults: Readonly<FaultObservation> | undefined;
  /** How it stopped. */
  readonly stop: NetworkStop;
  /** Why the work ended early, or a broadcast could not be made. */
  readonly failure: Error | undefined;
}

/** A validator that has not stopped after this time counts as one that never does; hundreds in one process take seconds. */
const STOP_MS = 30_000;

/**
 * Broadcasts from every live validator in turn, `rounds` times, waits for all deliveries of each, and stops the network. Where validators are to be killed or frozen,
 * that happens in the middle.
 *
 * @throws the signal's reason; the network is stopped then as well.
 */
export async function runBroadcasts(
  network: LocalNetwork,
  options: BroadcastRunOptions,
): Promise<BroadcastObservation> {
  const { rounds, expect, timeoutMs, clock = systemClock, onProgress = () => {} } = options;
  await using _ = network;
  using limit = deadline(clock, timeoutMs, "The work", options.signal);
  const signal = AbortSignal.any([limit.signal, network.lost]);
  const { mode, processes, fates, addresses } = network;
  const n = addresses.length;
  const live = network.positionsOf("live");
  const originators = Array.from({ length: live.length * rounds }, (_, i) => live[i % live.length]);
  const once = expect(mode, n, [0]);
  const reached = once.deliveries.map((count) => count > 0);
  const deliveries = new Deliveries({ originators, reached, fates, clock });
  const faults: FaultObservation | undefined = network.faulty
    ? { underWay: 0, unaware: 0, frozenMs: undefined, recoveredMs: undefined }
    : undefined;
  let connectMs: number | undefined;
  let quiet: boolean | undefined = network.faulty ? undefined : false;
  let failure: Error | undefined;
  network.onDelivered = (position, number) => deliveries.note(position, number);
  let made = 0;
  const begin = () => {
    const number = made++;
    const complete = deliveries.begin();
    return { complete, sent: network.broadcast(originators[number], number) };
  };
  try {
    const startMs = clock.now();
    await network.settled(
      signal,
      (count) => onProgress(`connecting: ${count} of ${n} validators have all their peers`),
    );
    connectMs = clock.now() - startMs;
    const calm = network.faulty ? broadcastsBefore(originators.length) : originators.length;
    while (made < calm) {
      onProgress(`broadcast ${made + 1} of ${originators.length}`);
      const { sent, complete } = begin();
      await abortable(Promise.all([sent, complete]), signal);
      // Second copies of the classic tree are still under way; the next broadcast is not to be slowed by them.
      if (once.messages >= n) await network.read(once.messages * made, signal);
    }
    if (faults !== undefined) {
      const make = () => {
        const { sent, complete } = begin();
        // Handing a message to a peer that is dead or frozen takes its time; the others have it long before.
        sent.catch((error) => failure ??= asError(error));
        return complete;
      };
      const broadcasts = originators.length - calm;
      await runFaults(network, deliveries, { observation: faults, make, broadcasts, signal, clock, onProgress });
    } else {
      onProgress("waiting for the network to fall silent");
      quiet = await network.quiet(signal);
    }
  } catch (caught) {
    options.signal.throwIfAborted();
    failure = limit.signal.aborted ? tooSlow(timeoutMs) : asError(caught);
  }
  const early = failure;
  const looks = await network.look();
  const nodes = looks.map((look, position) => {
    return { ...look, address: addresses[position], fate: fates[position], missed: deliveries.missedAt(position) };
  });
  const stop = await network.stop(STOP_MS);
  const { expected, delivered, expectedStalled, deliveredStalled, surplus, corrupted } = deliveries;
  return {
    mode,
    processes,
    originators,
    nodes,
    connectMs,
    timesToAllMs: deliveries.timesToAllMs(),
    expected,
    delivered,
    expectedStalled,
    deliveredStalled,
    surplus,
    corrupted,
    quiet,
    faults,
    stop,
    failure: early,
  };
}

function tooSlow(timeoutMs: number): P2pError {
  return new P2pError("deadline", `not done after ${timeoutMs / 1000} s, --timeout gives it more`);
}
