import { below, seededRandom } from "../base/random.ts";
import { MORE } from "../codec/frame.ts";
import { varintLength } from "../codec/varint.ts";
import { CHANNELS } from "../module/channels.ts";
import type { P2PConfigInput } from "../module/config.ts";
import type { TreeMode } from "../raintree/tree.ts";
import { type SimBroadcast, SimCluster } from "./sim_cluster.ts";
import type { SimHost } from "./sim_host.ts";

/** What one simulated run is made of. Plain data: it travels to a worker. */
export interface SimRunOptions {
  /** Staked nodes, 2 or more. */
  nodes: number;
  /** What everything random follows from, an unsigned 32-bit integer. @default {1} */
  seed?: number;
  /** How broadcasts spread. @default {"exact"} */
  mode?: TreeMode;
  /** Share of the nodes that are switched off right before the broadcast, unknown to all others; 0 to 1, at least one node if it is not 0. @default {0} */
  dead?: number;
  /** Share of the nodes that acknowledge and never forward, likewise. @default {0} */
  liars?: number;
  /** Share of messages that every link loses, 0 to 0.5. @default {0} */
  loss?: number;
  /** One-way latency, milliseconds. @default {50} */
  latencyMs?: number;
  /** By how much it varies, milliseconds. @default {20} */
  jitterMs?: number;
  /** How many broadcasts, each by a random node that is neither dead nor a liar, {@link BETWEEN_MS} apart. @default {1} */
  broadcasts?: number;
  /** Bytes of each. @default {256} */
  payloadBytes?: number;
  /** Every broadcast asks for a receipt within this time, virtual milliseconds. @default {none is asked for} */
  receiptMs?: number;
  /** More configuration of every node. */
  config?: P2PConfigInput;
}

/** One broadcast of a run; lists are by ring position. */
export interface SimRunBroadcast {
  /** The originator. */
  readonly from: number;
  /** Milliseconds from the send until each application had it; `null` for the originator and whoever has not got it. */
  readonly arrivalsMs: readonly (number | null)[];
  /** From whom each had it first. */
  readonly parents: readonly (number | null)[];
  /** Honest live nodes that it did not reach. */
  readonly missed: readonly number[];
  /** How often an application got it again. */
  readonly duplicates: number;
  /** Who was missing on the receipt, and when that came; absent if none was asked for. */
  readonly receipt?: { readonly missing: readonly number[]; readonly elapsedMs: number };
}

/** What came of one run. Plain data. */
export interface SimRunOutcome {
  /** What replays it. */
  readonly seed: number;
  /** Positions of the dead, ascending. */
  readonly dead: readonly number[];
  /** Positions of the liars, ascending. */
  readonly liars: readonly number[];
  /** What was broadcast. */
  readonly broadcasts: readonly SimRunBroadcast[];
  /** Deliveries to honest live nodes; the originator is none. */
  readonly reached: number;
  /** Deliveries to honest live nodes that were due and did not come. */
  readonly missed: number;
  /** Milliseconds from a send until the last of those reached had it, over all broadcasts. */
  readonly lastMs: number;
  /** Hops of the longest way to a node. */
  readonly depth: number;
  /** Payload messages sent by honest nodes, those to the dead and those lost on the way included. */
  readonly payloads: number;
  /** Payload messages sent for each delivery due to a live node, liars included: 1 is the least that reaches everyone. */
  readonly copiesPerLive: number;
  /** Of those, the ones sent to live nodes: what is beyond 1 is a copy that nobody needed, or was lost on the way. */
  readonly receivedPerLive: number;
  /** Bytes of control frames sent for each live node and broadcast. */
  readonly controlBytesPerLive: number;
  /** SHA-256 of the trace of the whole run, 64 hex digits. */
  readonly digest: string;
}

/** Virtual milliseconds between two broadcasts of a run. */
export const BETWEEN_MS = 250;

/** Virtual milliseconds after the last send; whoever has not got everything by then counts as missed. */
const WITHIN_MS = 10_000;

/** What is still said once everyone has it, virtual milliseconds: it is part of what a broadcast costs. */
const TAIL_MS = 2_000;

/** Time in which what the connections began with is said. */
const QUIET_MS = 1_000;

/**
 * One run: production nodes are started and connected, some crash unnoticed, others have been liars all along, one or several of the rest
 * broadcast, and what comes of it is counted at the simulated wires and at the applications. Everything follows from the options.
 *
 * @throws {RangeError} for shares that leave nobody to broadcast, fewer than 2 nodes, a seed that is no unsigned 32-bit integer
 *
 * @example
 * ```ts
 * import { runSimulation } from "@raintree/p2p/testing";
 *
 * const { missed, copiesPerLive } = await runSimulation({ nodes: 27, seed: 7 });
 * if (missed !== 0 || copiesPerLive !== 1) throw new Error("not everyone, once");
 * ```
 */
export async function runSimulation(options: SimRunOptions): Promise<SimRunOutcome> {
  const { nodes, seed = 1, mode = "exact", loss = 0, latencyMs = 50, jitterMs = 20, config } = options;
  const { broadcasts = 1, payloadBytes, receiptMs } = options;
  if (!Number.isInteger(nodes) || nodes < 2) throw new RangeError(`Cannot simulate ${nodes} nodes: wanted 2 or more`);
  if (seed >>> 0 !== seed) throw new RangeError(`Seed is ${seed}: wanted an unsigned 32-bit integer`);
  const random = seededRandom((seed + 0x9e3779b9) >>> 0); // not the one that the keys come from
  const { dead, liars, honest } = roles(options, random.next);
  const wires = new WireCount();
  const link = { latencyMs, jitterMs, messageLoss: loss };
  // Not disposed of: a world whose clock moves no more needs no stopping, and stopping costs as much as a run.
  const cluster = await SimCluster.start({ nodes, seed, mode, link, config, liars, tap: wires.tap });
  await cluster.clock.advance(QUIET_MS);
  for (const position of dead) cluster.network.crash(cluster.nodes[position].key.address, { silent: true });
  wires.counting = true;
  for (let i = 0; i < broadcasts; i++) {
    if (i > 0) await cluster.clock.advance(BETWEEN_MS);
    cluster.broadcast(honest[below(random, honest.length)], payloadBytes, receiptMs);
  }
  const reachedAll = () =>
    cluster.broadcasts.every(({ from, arrivals, receipt }) =>
      honest.every((each) => each === from || arrivals.has(each)) && (receiptMs === undefined || receipt !== undefined)
    );
  await cluster.comesTrue(reachedAll, WITHIN_MS);
  const judgedMs = cluster.clock.now();
  const arrivedAfter = ({ arrivals, sentMs }: SimBroadcast, position: number) => {
    const atMs = arrivals.get(position);
    return atMs !== undefined && atMs <= judgedMs ? atMs - sentMs : null;
  };
  await cluster.clock.advance(TAIL_MS);

  const due = (honest.length - 1) * broadcasts;
  const outcomeOf = (broadcast: SimBroadcast): SimRunBroadcast => {
    const { from, parents, duplicates, receipt } = broadcast;
    const arrivalsMs = cluster.nodes.map((_, position) => arrivedAfter(broadcast, position));
    return {
      from,
      arrivalsMs,
      parents: cluster.nodes.map((_, position) => parents.get(position) ?? null),
      missed: honest.filter((position) => position !== from && arrivalsMs[position] === null),
      duplicates,
      ...(receipt && {
        receipt: {
          missing: receipt.missing.map((address) => cluster.positionOf(address)),
          elapsedMs: receipt.elapsedMs,
        },
      }),
    };
  };
  const results = cluster.broadcasts.map(outcomeOf);
  const missed = results.reduce((sum, each) => sum + each.missed.length, 0);
  const live = nodes - dead.length;
  return {
    seed,
    dead,
    liars,
    broadcasts: results,
    reached: due - missed,
    missed,
    lastMs: Math.max(0, ...results.map(({ arrivalsMs }) => Math.max(...honest.map((each) => arrivalsMs[each] ?? 0)))),
    depth: Math.max(0, ...results.map(deepest)),
    payloads: wires.payloads,
    copiesPerLive: wires.payloads / Math.max(1, (live - 1) * broadcasts),
    receivedPerLive: wires.toLive / Math.max(1, (live - 1) * broadcasts),
    controlBytesPerLive: wires.controlBytes / live / broadcasts,
    digest: cluster.network.trace.digest(),
  };
}

/** Who does what, by position. */
function roles(options: SimRunOptions, random: () => number): { dead: number[]; liars: number[]; honest: number[] } {
  const { nodes, dead = 0, liars = 0 } = options;
  const count = (share: number) => share === 0 ? 0 : Math.max(1, Math.round(share * nodes));
  const [deadCount, liarCount] = [count(dead), count(liars)];
  if (!(dead >= 0 && liars >= 0 && deadCount + liarCount < nodes)) {
    throw new RangeError(
      `Of ${nodes} nodes a share of ${dead} is to be dead and of ${liars} to be liars: wanted one left to broadcast`,
    );
  }
  const order = Array.from({ length: nodes }, (_, position) => position);
  for (let i = nodes - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  const take = (from: number, until: number) => order.slice(from, until).sort((a, b) => a - b);
  return {
    dead: take(0, deadCount),
    liars: take(deadCount, deadCount + liarCount),
    honest: take(deadCount + liarCount, nodes),
  };
}

/** Hops of the longest way that a broadcast took. */
function deepest({ from, parents }: Pick<SimRunBroadcast, "parents" | "from">): number {
  const hops = new Map([[from, 0]]);
  const hopsOf = (position: number): number => {
    const known = hops.get(position);
    if (known !== undefined) return known;
    const parent = parents[position];
    const count = parent === null ? 0 : hopsOf(parent) + 1;
    hops.set(position, count);
    return count;
  };
  return parents.reduce<number>((most, _, position) => Math.max(most, hopsOf(position)), 0);
}

/** Counts what leaves nodes: payload messages of the honest, control bytes of all. */
class WireCount {
  /** Whether the broadcast has begun. */
  counting = false;
  payloads = 0;
  /** Of these, sent to nodes that are not switched off. */
  toLive = 0;
  controlBytes = 0;

  readonly tap = (from: SimHost, to: SimHost, channel: number, flags: number, body: Uint8Array): void => {
    if (!this.counting) return;
    if (channel === CHANNELS.raintree.id) {
      if ((flags & MORE) !== 0 || from.muted.size > 0) return;
      this.payloads++;
      if (to.crashed === undefined) this.toLive++;
    } else if (channel === CHANNELS.control.id) {
      const length = varintLength(channel) + 1 + body.length;
      this.controlBytes += varintLength(length) + length;
    }
  };
}
