import { levelTargets, maxLevels, segmentDepth, splitSegment } from "./tree.ts";

/** What one broadcast does to a ring: network messages per node, by position, where position 0 is the originator. */
export interface SimulatedTraffic {
  /** Messages over the network, copies included. */
  messages: number;
  /** Messages each node receives over the network; a demotion is none. */
  reads: number[];
  /** Messages each node sends over the network. */
  writes: number[];
  /** Positions that never receive the message, ascending. */
  missed: number[];
}

/** One classic broadcast. */
export interface ClassicBroadcast extends SimulatedTraffic {
  /** Levels of the tree. */
  levels: number;
}

/** One hand-over: from position, to position, nodes the receiver then answers for (itself included). */
export type ExactSend = [from: number, to: number, size: number];

/** One exact broadcast. */
export interface ExactBroadcast extends SimulatedTraffic {
  /** Hops until the last node has the message. */
  depth: number;
  /** Every message, breadth first: in the order of sending, if every hop took the same time. */
  sends: ExactSend[];
}

/**
 * Counts one classic broadcast over `n` nodes with equal views and no losses. Second copies
 * are forwarded and counted, as published. Takes memory for a few arrays of `n`.
 */
export function simulateClassic(n: number): ClassicBroadcast {
  const levels = maxLevels(n);
  const reads = new Array<number>(n).fill(0);
  const writes = new Array<number>(n).fill(0);
  // How many times the node at a position runs the level at hand: once for each copy it holds, its own demotion included.
  let runs = new Float64Array(n);
  runs[0] = 1;
  let messages = 0;
  for (let level = levels; level >= 1; level--) {
    const next = runs.slice();
    for (const offset of levelTargets(n, level)) {
      if (offset === 0) continue;
      for (let position = 0; position < n; position++) {
        const copies = runs[position];
        if (copies === 0) continue;
        const target = (position + offset) % n;
        next[target] += copies;
        reads[target] += copies;
        writes[position] += copies;
        messages += copies;
      }
    }
    runs = next;
  }
  return { levels, messages, reads, writes, missed: unread(reads) };
}

/** Receives one message of an exact broadcast, in breadth-first order; `depth` is the receiver's distance in hops. */
export type VisitSend = (from: number, to: number, size: number, depth: number) => void;

/** Walks one exact broadcast over `n` nodes, breadth first, without keeping it. */
export function walkExact(n: number, visit: VisitSend): void {
  const heads = new Uint32Array(n);
  const sizes = new Uint32Array(n);
  const depths = new Uint8Array(n);
  sizes[0] = n;
  let tail = 1;
  for (let at = 0; at < tail; at++) {
    const from = heads[at];
    const depth = depths[at] + 1;
    splitSegment(sizes[at], (offset, size) => {
      heads[tail] = from + offset;
      sizes[tail] = size;
      depths[tail] = depth;
      tail++;
      visit(from, from + offset, size, depth);
    });
  }
}

/** Counts one exact broadcast over `n` nodes with equal views and no losses. */
export function simulateExact(n: number): ExactBroadcast {
  const reads = new Array<number>(n).fill(0);
  const writes = new Array<number>(n).fill(0);
  const sends: ExactSend[] = [];
  walkExact(n, (from, to, size) => {
    reads[to]++;
    writes[from]++;
    sends.push([from, to, size]);
  });
  return { messages: sends.length, depth: segmentDepth(n), reads, writes, missed: unread(reads), sends };
}

function unread(reads: number[]): number[] {
  const missed: number[] = [];
  for (let position = 1; position < reads.length; position++) if (reads[position] === 0) missed.push(position);
  return missed;
}
