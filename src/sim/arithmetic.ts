import { UNREACHED, walkClassic, walkExact } from "../raintree/simulate.ts";
import type { TreeMode } from "../raintree/tree.ts";

/** One broadcast by arithmetic: what it costs each node of a fault-free network with equal views. Position 0 is the originator. */
export interface ArithmeticBroadcast {
  /** Nodes of the ring. */
  readonly nodes: number;
  /** How the tree is cut. */
  readonly mode: TreeMode;
  /** Messages over the network, second copies included. */
  readonly messages: number;
  /** Hops until the last node that is reached has its first copy. */
  readonly depth: number;
  /** Nodes that no message reaches: none in exact mode, some in most sizes of classic mode. */
  readonly missed: number;
  /** Messages each node receives, by position. */
  readonly reads: Uint32Array;
  /** Messages each node sends, by position. */
  readonly writes: Uint32Array;
}

/**
 * Runs one broadcast over `nodes` nodes (1 or more) on the rules of the tree alone, message by message: no sockets, no time, no loss. What it
 * counts is what happened in the run; no formula stands in for it. A million nodes take a fraction of a second and some 30 bytes
 * each.
 *
 * @example
 * ```ts
 * import { simulateBroadcast } from "@raintree/p2p/testing";
 *
 * const { messages, depth } = simulateBroadcast("exact", 1000);
 * if (messages !== 999 || depth !== 6) throw new Error("not the tree that we know");
 * ```
 */
export function simulateBroadcast(mode: TreeMode, nodes: number): ArithmeticBroadcast {
  return mode === "exact" ? exactBroadcast(nodes) : classicBroadcast(nodes);
}

function exactBroadcast(nodes: number): ArithmeticBroadcast {
  const reads = new Uint32Array(nodes);
  const writes = new Uint32Array(nodes);
  let messages = 0;
  let depth = 0;
  walkExact(nodes, (from, to, _size, hops) => {
    reads[to]++;
    writes[from]++;
    messages++;
    depth = hops; // breadth first: the last is the deepest
  });
  return { nodes, mode: "exact", messages, depth, missed: unread(reads), reads, writes };
}

function classicBroadcast(nodes: number): ArithmeticBroadcast {
  const reads = new Uint32Array(nodes);
  const writes = new Uint32Array(nodes);
  let messages = 0;
  const hops = walkClassic(nodes, (from, to, copies) => {
    reads[to] += copies;
    writes[from] += copies;
    messages += copies;
  });
  const depth = hops.reduce((deepest, at) => at === UNREACHED ? deepest : Math.max(deepest, at), 0);
  return { nodes, mode: "classic", messages, depth, missed: unread(reads), reads, writes };
}

function unread(reads: Uint32Array): number {
  let missed = 0;
  for (let position = 1; position < reads.length; position++) if (reads[position] === 0) missed++;
  return missed;
}
