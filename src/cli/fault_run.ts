import { abortable, type Clock, deadline } from "../base/clock.ts";
import type { Deliveries } from "./deliveries.ts";
import type { LocalNetwork } from "./local_network.ts";

/** Broadcasts that are made around the moment of the faults, without one waiting for another. */
const BURST = 6;

/** How long a broadcast after the faults is waited for before the next is made; it may still be completed later. */
const PATIENCE_MS = 5_000;

/** How long all that is still missing is waited for in the end, and what a frozen validator may take to catch up: a loaded machine, and a pause between dials. */
const LAST_PATIENCE_MS = 30_000;

/** What came of the faults; filled in as it happens, so that it also tells of a run that ended early. */
export interface FaultObservation {
  /** Broadcasts that had not reached everyone when it happened. */
  underWay: number;
  /** Broadcasts made at once after it, before anybody could know. */
  unaware: number;
  /** Milliseconds that the frozen ones were frozen; `undefined` if they did not go on before the end. */
  frozenMs: number | undefined;
  /** Milliseconds that they took to get everything once they went on; `undefined` if they have not. */
  recoveredMs: number | undefined;
}

/** Options of {@link runFaults}. */
export interface FaultRunOptions {
  /** Where it is written what came of it. */
  observation: FaultObservation;
  /** Makes the next broadcast; resolves when it has reached every live validator. */
  make: () => Promise<void>;
  /** How many are to be made, from 1. */
  broadcasts: number;
  /** Ends the work. */
  signal: AbortSignal;
  /** Time. */
  clock: Clock;
  /** Told what goes on, for people. */
  onProgress: (text: string) => void;
}

/** How many broadcasts a run with faults makes before them: half of those that are not made around them. */
export function broadcastsBefore(broadcasts: number): number {
  return Math.floor(Math.max(0, broadcasts - BURST) / 2);
}

/**
 * Makes the broadcasts of a network in trouble: some at once; as soon as the first of them arrives anywhere, so that all of them are on the way, it kills and freezes
 * whom it is to, and makes the rest of the burst in the same turn, from validators that cannot know yet. Then the others one after the other, and when the live
 * validators have everything the frozen ones go on.
 *
 * @throws the signal's reason
 */
export async function runFaults(
  network: LocalNetwork,
  deliveries: Deliveries,
  options: FaultRunOptions,
): Promise<void> {
  const { observation, make, broadcasts, signal, clock, onProgress } = options;
  const burst = Math.min(BURST, broadcasts);
  const first = Math.ceil(burst / 2);
  const complete: Promise<void>[] = [];
  const within = (ms: number, work: Promise<unknown>) => inTime(work, clock, ms, signal);

  onProgress("killing and freezing validators while broadcasts are on the way");
  await network.look(); // the last that is seen of those who are killed
  const struck = Promise.withResolvers<void>();
  const strike = () => {
    observation.underWay = deliveries.underWay;
    network.strike();
    struck.resolve();
  };
  deliveries.atNext(strike);
  for (let i = 0; i < first; i++) complete.push(make());
  // The only one may be complete when it is first heard of.
  if (burst === 1) deliveries.callNext();
  await abortable(struck.promise, signal);
  const struckMs = clock.now();
  for (let i = first; i < burst; i++) complete.push(make());
  observation.unaware = burst - first;
  await within(PATIENCE_MS, Promise.all(complete));
  for (let i = burst; i < broadcasts; i++) {
    onProgress(`broadcast ${i + 1} of ${broadcasts} after the faults`);
    const done = make();
    complete.push(done);
    await within(PATIENCE_MS, done);
  }
  onProgress("waiting for what is still missing");
  await within(LAST_PATIENCE_MS, Promise.all(complete));

  onProgress("waiting for what the frozen validators missed");
  const thawedMs = clock.now();
  network.thaw();
  observation.frozenMs = thawedMs - struckMs;
  if (await within(LAST_PATIENCE_MS, deliveries.recovered)) observation.recoveredMs = clock.now() - thawedMs;
}

/** Whether `work` was done within `ms`. @throws what it throws; the signal's reason */
async function inTime(work: Promise<unknown>, clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  using limit = deadline(clock, ms, "The wait", signal);
  try {
    await abortable(work, limit.signal);
    return true;
  } catch (error) {
    if (signal.aborted || !limit.signal.aborted) throw error;
    return false;
  }
}
