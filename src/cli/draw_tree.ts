import { levelTargets, maxLevels, splitSegment, type TreeMode } from "../raintree/tree.ts";
import type { Palette } from "./terminal.ts";

/** Options of {@link drawTree}. */
export interface DrawTreeOptions {
  /** Position that broadcasts. @default {0} */
  originator?: number;
  /** Lines drawn at most, as far as the originator's own messages leave a choice; deeper hops are then only counted. @default {Infinity} */
  linesMax?: number;
  /** Characters to a line; a longer line of leaves is cut. @default {80} */
  columns?: number;
  /** Colours. */
  paint: Palette;
}

/** A drawn tree. */
export interface DrawnTree {
  /** Lines, each ending in a newline. */
  text: string;
  /** Hops that are drawn; those below are only counted. */
  hopsDrawn: number;
  /** Whether everything is drawn. */
  complete: boolean;
}

/**
 * A message's receiver: its offset from the originator, and what is left for it to do. In exact mode that is the size of its segment, in
 * classic mode the highest level it runs.
 */
type VisitChild = (offset: number, duty: number) => void;

/** The shape of one broadcast, the same for both modes. */
interface Shape {
  rootDuty: number;
  isLeaf(duty: number): boolean;
  children(offset: number, duty: number, visit: VisitChild): void;
  /** What a line says about a receiver. */
  describe(offset: number, duty: number): string;
}

/**
 * Draws one broadcast over `n` nodes as a tree of box characters: a line per node that passes the message on, its leaves on one line.
 * In classic mode a second copy is marked with `=`; the hop decides which copy was first, then the order of sending.
 */
export function drawTree(mode: TreeMode, n: number, options: DrawTreeOptions): DrawnTree {
  const { originator = 0, linesMax = Infinity, columns = 80, paint } = options;
  const name = (offset: number) => (originator + offset) % n;
  const shape = mode === "exact" ? exactShape(n, name) : classicShape(n);
  const firstHops = mode === "exact" ? undefined : firstHopsOf(n, shape);
  const draw = (hopsMax: number) => drawHops({ n, shape, name, firstHops, hopsMax, linesMax, columns, paint });
  let drawn = draw(1);
  for (let hops = 2; !drawn.complete; hops++) {
    const deeper = draw(hops);
    if (deeper.lines.length > linesMax) break;
    drawn = deeper;
  }
  return { text: drawn.lines.map((line) => `${line}\n`).join(""), hopsDrawn: drawn.hops, complete: drawn.complete };
}

function exactShape(n: number, name: (offset: number) => number): Shape {
  return {
    rootDuty: n,
    isLeaf: (duty) => duty === 1,
    children: (offset, duty, visit) => splitSegment(duty, (step, size) => visit(offset + step, size)),
    describe: (offset, duty) => `answers for ${duty}: ${name(offset)}..${name(offset + duty - 1)}`,
  };
}

function classicShape(n: number): Shape {
  const levels = maxLevels(n);
  const targets = Array.from({ length: levels + 1 }, (_, level) => level === 0 ? [] : levelTargets(n, level));
  return {
    rootDuty: levels,
    isLeaf: (duty) => duty === 0,
    children(offset, duty, visit) {
      for (let level = duty; level >= 1; level--) {
        for (const step of targets[level]) if (step > 0) visit((offset + step) % n, level - 1);
      }
    },
    describe: (_offset, duty) => `level ${duty + 1}`,
  };
}

interface DrawHops {
  n: number;
  shape: Shape;
  name(offset: number): number;
  /** The hop each offset is first reached at; undefined where nobody gets a second copy. */
  firstHops: Uint8Array | undefined;
  hopsMax: number;
  linesMax: number;
  columns: number;
  paint: Palette;
}

function drawHops(options: DrawHops): { lines: string[]; hops: number; complete: boolean } {
  const { n, shape, name, firstHops, hopsMax, linesMax, columns, paint } = options;
  const lines = [`${paint.bold(paint.cyan(String(name(0))))} ${paint.dim("originator")}`];
  const seen = new Set<number>([0]);
  let complete = true;
  let deepest = 0;

  const label = (offset: number, hop: number) => {
    if (firstHops === undefined) return String(name(offset));
    const first = firstHops[offset] === hop && !seen.has(offset);
    if (first) seen.add(offset);
    return first ? String(name(offset)) : paint.yellow(`${name(offset)}=`);
  };

  const branch = (offset: number, duty: number, indent: string, hop: number) => {
    const heads: [offset: number, duty: number][] = [];
    const leaves: number[] = [];
    shape.children(offset, duty, (child, left) => shape.isLeaf(left) ? leaves.push(child) : heads.push([child, left]));
    if (heads.length + leaves.length > 0) deepest = Math.max(deepest, hop);
    heads.forEach(([child, left], i) => {
      if (lines.length > linesMax && hop > 1) return;
      const last = i === heads.length - 1 && leaves.length === 0;
      const below = hop < hopsMax ? "" : paint.dim(", not drawn");
      lines.push(
        `${indent}${last ? "└─" : "├─"} ${paint.cyan(label(child, hop))} ${
          paint.dim(shape.describe(child, left))
        }${below}`,
      );
      if (hop < hopsMax) branch(child, left, `${indent}${last ? "   " : "│  "}`, hop + 1);
      else complete = false;
    });
    if (leaves.length > 0) lines.push(`${indent}└─ ${joinLeaves(leaves, indent.length + 3)}`);

    function joinLeaves(offsets: number[], taken: number): string {
      const room = columns - taken - ", ...".length;
      const digits = String(n - 1).length + (firstHops === undefined ? 2 : 3);
      const fit = Math.max(1, Math.floor(room / digits));
      const names = offsets.slice(0, fit).map((leaf) => label(leaf, hop)).join(", ");
      return offsets.length > fit ? `${names}, ...` : names;
    }
  };
  branch(0, shape.rootDuty, "", 1);
  return { lines, hops: deepest, complete };
}

/** Breadth first over all messages: the hop at which each offset gets its first copy; 255 where it never does. */
function firstHopsOf(n: number, shape: Shape): Uint8Array {
  const hops = new Uint8Array(n).fill(255);
  hops[0] = 0;
  let turn: [offset: number, duty: number][] = [[0, shape.rootDuty]];
  for (let hop = 1; turn.length > 0; hop++) {
    const next: [offset: number, duty: number][] = [];
    for (const [offset, duty] of turn) {
      shape.children(offset, duty, (child, left) => {
        if (hops[child] === 255) hops[child] = hop;
        if (!shape.isLeaf(left)) next.push([child, left]);
      });
    }
    turn = next;
  }
  return hops;
}
