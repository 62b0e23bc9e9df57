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

/** Receives messages of a classic broadcast: `copies` of them that one node sends another on one level. */
export type VisitCopies = (from: number, to: number, copies: number) => void;

/** Hops of a node that {@link walkClassic} does not reach. */
export const UNREACHED = 0xff;

/**
 * Walks one classic broadcast over `n` nodes with equal views and no losses, level by level, without keeping it. Second copies are forwarded too, as
 * published. Returns the hops that each node is from the originator by its first copy; {@link UNREACHED} where none comes.
 */
export function walkClassic(n: number, visit: VisitCopies): Uint8Array {
  // How many times the node at a position runs the level at hand: once for each copy it holds, its own demotion included.
  let runs = new Float64Array(n);
  let hops = new Uint8Array(n).fill(UNREACHED);
  runs[0] = 1;
  hops[0] = 0;
  for (let level = maxLevels(n); level >= 1; level--) {
    const runsThen = runs.slice();
    const hopsThen = hops.slice();
    for (const offset of levelTargets(n, level)) {
      if (offset === 0) continue;
      for (let from = 0, to = offset; from < n; from++, to++) {
        if (to === n) to = 0;
        const copies = runs[from];
        if (copies === 0) continue;
        runsThen[to] += copies;
        if (hops[from] + 1 < hopsThen[to]) hopsThen[to] = hops[from] + 1;
        visit(from, to, copies);
      }
    }
    runs = runsThen;
    hops = hopsThen;
  }
  return hops;
}

/** Counts one classic broadcast over `n` nodes with equal views and no losses. Takes memory for a few arrays of `n`. */
export function simulateClassic(n: number): ClassicBroadcast {
  const reads = new Array<number>(n).fill(0);
  const writes = new Array<number>(n).fill(0);
  let messages = 0;
  walkClassic(n, (from, to, copies) => {
    reads[to] += copies;
    writes[from] += copies;
    messages += copies;
  });
  return { levels: maxLevels(n), messages, reads, writes, missed: unread(reads) };
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
