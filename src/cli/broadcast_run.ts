import { Buffer } from "node:buffer";
import { abortable, type Clock, deadline, systemClock } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import type { ExpectedTraffic } from "../raintree/expectations.ts";
import type { TreeMode } from "../raintree/tree.ts";
import type { LocalNetwork, MissingPeer, NetworkStop } from "./local_network.ts";

/** The rule that says what a network is expected to do: `expectedTraffic`. */
export type Expect = (mode: TreeMode, n: number, originators: Iterable<number>) => ExpectedTraffic;

/** Options of {@link runBroadcasts}. */
export interface BroadcastRunOptions {
  /** Broadcasts per validator. */
  rounds: number;
  /** Bytes of each payload, from {@link PAYLOAD_BYTES_MIN}. */
  payloadBytes: number;
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

/** What one validator did. */
export interface ObservedNode {
  /** Who it is. */
  readonly address: string;
  /** RainTree messages read from the network. */
  readonly reads: number;
  /** RainTree messages written to the network. */
  readonly writes: number;
  /** Peers connected at the end. */
  readonly peers: number;
  /** Peers that the tree has it connected with. */
  readonly expectedPeers: number;
  /** Those of them that it is not connected with. */
  readonly missing: readonly MissingPeer[];
  /** Routines at the end. */
  readonly routines: number;
}

/** What a network did; {@link assess} compares it with what it was to do. */
export interface BroadcastObservation {
  /** How broadcasts spread. */
  readonly mode: TreeMode;
  /** Who broadcast, by position, in order. */
  readonly originators: readonly number[];
  /** In ring order. */
  readonly nodes: readonly ObservedNode[];
  /** Milliseconds from the first dial until everybody was connected; `undefined` if that did not happen. */
  readonly connectMs: number | undefined;
  /** Milliseconds from each broadcast to its last delivery, for those that were complete. */
  readonly timesToAllMs: readonly number[];
  /** Broadcasts delivered at nodes where they were expected, each once. */
  readonly delivered: number;
  /** Deliveries where none, or no second one, was expected. */
  readonly surplus: number;
  /** Payloads with other bytes than were sent. */
  readonly corrupted: number;
  /** Messages that a queue dropped. */
  readonly dropped: number;
  /** Messages that a node refused as malformed. */
  readonly rejected: number;
  /** Whether nothing was under way any more when the counters were read. */
  readonly quiet: boolean;
  /** How it stopped. */
  readonly stop: NetworkStop;
  /** Why the work ended early. */
  readonly failure: Error | undefined;
}

/** A validator that has not stopped after this time counts as one that never does; hundreds in one process take seconds. */
const STOP_MS = 30_000;

/** A payload begins with the number of its broadcast. */
export const PAYLOAD_BYTES_MIN = 4;

/**
 * Broadcasts from every validator in turn, `rounds` times, waits for all deliveries of each, and stops the network.
 *
 * @throws the signal's reason; the network is stopped then as well.
 */
export async function runBroadcasts(
  network: LocalNetwork,
  options: BroadcastRunOptions,
): Promise<BroadcastObservation> {
  const { rounds, payloadBytes, expect, timeoutMs, clock = systemClock, onProgress = () => {} } = options;
  await using _ = network;
  using limit = deadline(clock, timeoutMs, "The work", options.signal);
  const { signal } = limit;
  const { mode, nodes } = network;
  const n = nodes.length;
  const originators = Array.from({ length: n * rounds }, (_, i) => i % n);
  const once = expect(mode, n, [0]);
  const deliveries = new Deliveries(originators, once, payloadBytes, clock);
  const timesToAllMs: number[] = [];
  let connectMs: number | undefined;
  let quiet = false;
  let failure: Error | undefined;
  network.onMessage = (position, { value }) => deliveries.note(position, value);
  try {
    const startMs = clock.now();
    await network.settled(
      signal,
      (count) => onProgress(`connecting: ${count} of ${n} validators have all their peers`),
    );
    connectMs = clock.now() - startMs;
    for (const [number, originator] of originators.entries()) {
      onProgress(`broadcast ${number + 1} of ${originators.length}`);
      timesToAllMs.push(
        await deliveries.of(number, (value) => nodes[originator].broadcast({ typeUrl, value }), signal),
      );
      // Second copies of the classic tree are still under way; the next broadcast is not to be slowed by them.
      await network.until(() => network.traffic().reads >= once.messages * (number + 1), signal);
    }
    onProgress("waiting for the network to fall silent");
    quiet = await network.quiet(signal);
  } catch (caught) {
    options.signal.throwIfAborted();
    failure = signal.aborted ? tooSlow(timeoutMs) : asError(caught);
  }
  const observed = nodes.map((_, position) => observeNode(network, position));
  const counts = countLosses(network);
  const stop = await network.stop(STOP_MS);
  const { delivered, surplus, corrupted } = deliveries;
  const seen = { delivered, surplus, corrupted, ...counts, quiet };
  return { mode, originators, nodes: observed, connectMs, timesToAllMs, ...seen, stop, failure };
}

function tooSlow(timeoutMs: number): P2pError {
  return new P2pError("deadline", `not done after ${timeoutMs / 1000} s, --timeout gives it more`);
}

const typeUrl = "type.googleapis.com/raintree.Payload";

/** Who received what, over all broadcasts, so that what comes late is noticed as well. */
class Deliveries {
  delivered = 0;
  surplus = 0;
  corrupted = 0;
  readonly #originators: readonly number[];
  /** By ring offset from the originator, whether a broadcast is to arrive there. */
  readonly #isExpected: readonly boolean[];
  readonly #expectedEach: number;
  readonly #payload: Uint8Array;
  readonly #clock: Clock;
  /** A byte per broadcast and position: whether it was delivered. */
  readonly #seen: Uint8Array;
  #made = 0;
  /** Deliveries of the last broadcast that are still to come. */
  #missing = 0;
  #lastMs = 0;
  #complete = () => {};

  constructor(originators: readonly number[], once: ExpectedTraffic, payloadBytes: number, clock: Clock) {
    this.#originators = originators;
    this.#isExpected = once.deliveries.map((count) => count > 0);
    this.#expectedEach = this.#isExpected.filter(Boolean).length;
    this.#payload = Uint8Array.from({ length: payloadBytes }, (_, i) => (i * 167 + (i >> 8)) & 0xff);
    this.#clock = clock;
    this.#seen = new Uint8Array(originators.length * once.deliveries.length);
  }

  /** Makes the broadcast of a number and resolves to the milliseconds until its last delivery. */
  async of(
    number: number,
    broadcast: (value: Uint8Array) => void | Promise<void>,
    signal: AbortSignal,
  ): Promise<number> {
    const value = this.#payload.slice();
    new DataView(value.buffer).setUint32(0, number);
    this.#made = number + 1;
    this.#missing = this.#expectedEach;
    const complete = Promise.withResolvers<void>();
    this.#complete = complete.resolve;
    const startMs = this.#lastMs = this.#clock.now();
    const sent = broadcast(value);
    if (this.#missing === 0) complete.resolve();
    await Promise.all([sent, abortable(complete.promise, signal)]);
    return this.#lastMs - startMs;
  }

  /** A payload reached the application of the node at `position`. */
  note(position: number, value: Uint8Array): void {
    const nowMs = this.#clock.now();
    const number = value.length < 4 ? -1 : new DataView(value.buffer, value.byteOffset).getUint32(0);
    const rest = this.#payload.subarray(4);
    if (number < 0 || number >= this.#made || Buffer.compare(value.subarray(4), rest) !== 0) {
      this.corrupted++;
      return;
    }
    const n = this.#isExpected.length;
    const offset = (position - this.#originators[number] + n) % n;
    if (!this.#isExpected[offset] || this.#seen[number * n + position] !== 0) {
      this.surplus++;
      return;
    }
    this.#seen[number * n + position] = 1;
    this.delivered++;
    if (number !== this.#made - 1) return;
    this.#lastMs = nowMs;
    if (--this.#missing === 0) this.#complete();
  }
}

function observeNode(network: LocalNetwork, position: number): ObservedNode {
  const node = network.nodes[position];
  const traffic = node.started ? node.raintree : { reads: 0, writes: 0 };
  return {
    address: node.address,
    reads: traffic.reads,
    writes: traffic.writes,
    peers: node.started ? node.router.connected.length : 0,
    expectedPeers: network.peersOf(position).size,
    missing: network.missingPeers(position),
    routines: node.routines.count,
  };
}

function countLosses(network: LocalNetwork): { dropped: number; rejected: number } {
  let dropped = 0;
  let rejected = 0;
  for (const node of network.nodes) {
    if (!node.started) continue;
    for (const { count } of node.router.drops()) dropped += count;
    rejected += node.raintree.rejected;
  }
  return { dropped, rejected };
}
