import { MORE } from "../codec/frame.ts";
import { addressFromBytes } from "../identity/address.ts";
import { CHANNELS } from "../module/channels.ts";
import { decodeControlMessage } from "../raintree/control_message.ts";
import { decodeRainTreeMessage } from "../raintree/message.ts";
import { walkExact } from "../raintree/simulate.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimHost } from "./sim_host.ts";

/** Messages of one broadcast with the published layers on, kind by kind. Each is counted where it happened; no formula stands in for a run. */
export interface MessageKinds {
  /** Nodes. */
  readonly nodes: number;
  /** Hand-overs along the tree. */
  readonly tree: number;
  /** Copies that the originator sends to the whole list. */
  readonly redundancy: number;
  /** The originator's own entry in that list, which sends nothing but was counted. */
  readonly own: number;
  /** Payloads sent to who asked for them: none where nothing goes wrong. */
  readonly repaired: number;
  /** Questions to ring neighbours, "I got it, you want?". */
  readonly questions: number;
  /** Answers to them: "I have it", "I want it". */
  readonly answers: number;
  /** Acknowledgements of the originator's two targets of the first level. */
  readonly firstTargets: number;
  /** Acknowledgements of all other hand-overs: ours, the published total has none of them. */
  readonly otherAcks: number;
  /** Hops of the longest way along the tree. */
  readonly depth: number;
}

/** What the published table counts as communication: every message but acknowledgements. */
export function publishedComms({ tree, redundancy, own, repaired, questions }: MessageKinds): number {
  return tree + redundancy + own + repaired + questions;
}

/** What it counts as acknowledgements. */
export function publishedAcks({ answers, firstTargets }: MessageKinds): number {
  return answers + firstTargets;
}

/** Hops until the last answer: along the tree, and a question and an answer behind it. How the published ticks were counted is not published. */
export function ticksOf({ depth }: MessageKinds): number {
  return depth + 2;
}

/** Everything that the neighbours ask is answered in this time, virtual milliseconds. */
const RUN_MS = 10_000;

/**
 * Counts the messages of one broadcast of production nodes, without a fault, with redundancy and ring clean-up on (spec: published figures). Frames are
 * read off the simulated wire and decoded.
 */
export async function countLive(nodes: number, seed = 1): Promise<MessageKinds> {
  const count = {
    tree: 0,
    redundancy: 0,
    own: 1,
    repaired: 0,
    questions: 0,
    answers: 0,
    firstTargets: 0,
    otherAcks: 0,
    depth: 0,
  };
  const originator = 0;
  let counting = false;
  const hops = new Map<number, number>();
  // The number of the hand-over to each of the two targets.
  const first = new Map<number, number>();
  const payload = (from: number, to: number, body: Uint8Array) => {
    const { until, copy, seq } = decodeRainTreeMessage(body);
    if (copy || until === undefined) return void count.repaired++;
    if (seq === undefined) return void count.redundancy++; // nothing is owed for it, so none is acknowledged
    count.tree++;
    const hop = (hops.get(from) ?? 0) + 1;
    hops.set(to, hop);
    count.depth = Math.max(count.depth, hop);
    const size = (cluster.positionOf(addressFromBytes(until)) - to + nodes) % nodes;
    if (from === originator && 3 * size >= nodes) first.set(to, seq);
  };
  const control = (from: number, to: number, body: Uint8Array) => {
    const { acks, asks, wants, denials } = decodeControlMessage(body);
    count.questions += asks.length;
    count.answers += wants.length + denials.length;
    for (const run of acks) {
      const seq = first.get(from);
      const isFirst = to === originator && seq !== undefined && seq >= run.first && seq < run.first + run.count;
      count.firstTargets += isFirst ? 1 : 0;
      count.otherAcks += run.count - (isFirst ? 1 : 0);
    }
  };
  const tap = (from: SimHost, to: SimHost, channel: number, flags: number, body: Uint8Array) => {
    if (!counting || (flags & MORE) !== 0) return;
    const ends = [cluster.positionOf(from.address), cluster.positionOf(to.address)] as const;
    if (channel === CHANNELS.raintree.id) payload(...ends, body);
    else if (channel === CHANNELS.control.id) control(...ends, body);
  };
  // The originator of a whole list of copies needs connections to all.
  const connections = { max_inbound: Math.max(125, nodes), max_outbound: Math.max(125, nodes) };
  const config = { redundancy: 1, igyw: true, repair: false, failure_detector: false, ...connections };
  const cluster: SimCluster = await SimCluster.start({ nodes, seed, tap, config });
  counting = true;
  cluster.broadcast(originator);
  await cluster.clock.advance(RUN_MS);
  return { nodes, ...count };
}

/** Counts the same by the rules alone, message by message, for networks of any size. */
export function countArithmetic(nodes: number): MessageKinds {
  const count = {
    tree: 0,
    redundancy: 0,
    own: 0,
    repaired: 0,
    questions: 0,
    answers: 0,
    firstTargets: 0,
    otherAcks: 0,
    depth: 0,
  };
  const has = new Uint8Array(nodes);
  has[0] = 1;
  walkExact(nodes, (from, to, size, hops) => {
    count.tree++;
    has[to] = 1;
    count.depth = hops; // breadth first: the last is the deepest
    if (from === 0 && 3 * size >= nodes) count.firstTargets++;
    else count.otherAcks++;
  });
  for (let entry = 0; entry < nodes; entry++) {
    if (entry === 0) count.own++;
    else count.redundancy++;
    has[entry] = 1;
  }
  for (let node = 0; node < nodes; node++) {
    for (const neighbour of [(node + nodes - 1) % nodes, (node + 1) % nodes]) {
      if (has[node] === 0) continue;
      count.questions++;
      if (has[neighbour] === 1) count.answers++; // it has it and says so
    }
  }
  return { nodes, ...count };
}
