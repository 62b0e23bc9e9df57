import { levelTargets, maxLevels, splitSegment, type TreeMode } from "./tree.ts";

/** Colours of a drawing, by what they mean. */
export interface TreePaint {
  /** What the eye is to find first. */
  bold(text: string): string;
  /** What may be skipped. */
  dim(text: string): string;
  /** A second copy. */
  yellow(text: string): string;
  /** A node that passes the message on. */
  cyan(text: string): string;
}

/** Options of {@link drawTree}. */
export interface DrawTreeOptions {
  /** Position that broadcasts. @default {0} */
  originator?: number;
  /** Lines drawn at most; the originator's own messages are always drawn. @default {Infinity} */
  linesMax?: number;
  /** Characters to a line; a longer list of leaves is cut. @default {80} */
  columns?: number;
  /** What stands behind the number of a position, at most one character wide. @default {nothing} */
  mark?: (position: number) => string;
  /** Colours. @default {none} */
  paint?: TreePaint;
}

const same = (text: string) => text;
const PLAIN: TreePaint = { bold: same, dim: same, yellow: same, cyan: same };

/** A drawn tree. */
export interface DrawnTree {
  /** Lines, each ending in a newline. */
  text: string;
  /** Whether everything is drawn; heads whose messages are not say so. */
  complete: boolean;
  /** Whether second copies are drawn; they end in `=`. */
  copies: boolean;
}

/** A node that passes the message on. */
interface Head {
  /** Places after the originator. */
  offset: number;
  /** What is left for it to do: nodes of its segment in exact mode, the highest level it runs in classic mode. */
  duty: number;
  /** Whether it had the message before. */
  copy: boolean;
  /** What it sends, once that is drawn. */
  below?: { heads: Head[]; leaves: { offset: number; copy: boolean }[] };
}

/** How one mode spreads a message. */
interface Spread {
  rootDuty: number;
  leafDuty: number;
  /** Visits whom a head sends to, in the order of sending. */
  children(head: Head, visit: (offset: number, duty: number) => void): void;
  /** What a line says about a head. */
  describe(head: Head): string;
}

/**
 * Draws one broadcast over `n` nodes with box characters: a line per node that passes the message on, its leaves on one line. Where
 * there is no room for all of it, the hops next to the originator are drawn. In classic mode a second copy ends in `=`: the fewest
 * hops decide which copy was first, then the order of sending.
 */
export function drawTree(mode: TreeMode, n: number, options: DrawTreeOptions): DrawnTree {
  const { originator = 0, linesMax = Infinity, columns = 80, mark = () => "", paint = PLAIN } = options;
  const name = (offset: number) => (originator + offset) % n;
  const spread = mode === "exact" ? exactSpread(n, name) : classicSpread(n);
  const root: Head = { offset: 0, duty: spread.rootDuty, copy: false };
  const { complete, copies } = growTree(root, n, spread, linesMax);
  const lines = [`${paint.bold(paint.cyan(String(name(0))))} ${paint.dim("originator")}`];
  const label = ({ offset, copy }: { offset: number; copy: boolean }) =>
    (copy ? paint.yellow(`${name(offset)}=`) : String(name(offset))) + mark(name(offset));

  const drawBelow = ({ below }: Head, indent: string) => {
    if (below === undefined) return;
    const { heads, leaves } = below;
    heads.forEach((head, i) => {
      const last = i === heads.length - 1 && leaves.length === 0;
      const about = spread.describe(head) + (head.below === undefined ? ", ..." : "");
      lines.push(`${indent}${last ? "└─" : "├─"} ${paint.cyan(label(head))} ${paint.dim(about)}`);
      drawBelow(head, `${indent}${last ? "   " : "│  "}`);
    });
    if (leaves.length === 0) return;
    const room = columns - indent.length - "└─ , ...".length;
    const marked = leaves.some(({ offset }) => mark(name(offset)) !== "");
    const fit = Math.max(1, Math.floor(room / (String(n - 1).length + (marked ? "=†, " : "=, ").length)));
    const names = leaves.slice(0, fit).map(label).join(", ");
    lines.push(`${indent}└─ ${leaves.length > fit ? `${names}, ...` : names}`);
  };
  drawBelow(root, "");
  return { text: lines.map((line) => `${line}\n`).join(""), complete, copies };
}

/**
 * Fills in what is sent, breadth first, until the next head would need more than `linesMax` lines. What is drawn is then the
 * beginning of the broadcast, so that the first copy of a message in it is the first there is.
 */
function growTree(root: Head, n: number, spread: Spread, linesMax: number): { complete: boolean; copies: boolean } {
  const reached = new Uint8Array(n);
  reached[0] = 1;
  let copies = false;
  let lines = 1;
  const queue = [root];
  for (const head of queue) {
    const heads: Head[] = [];
    const leaves: Head[] = [];
    spread.children(head, (offset, duty) => {
      (duty === spread.leafDuty ? leaves : heads).push({ offset, duty, copy: false });
    });
    lines += heads.length + Math.min(1, leaves.length);
    if (lines > linesMax && head !== root) return { complete: false, copies };
    // Heads are sent to before leaves in both modes, so this is the order of sending.
    for (const child of [...heads, ...leaves]) {
      child.copy = reached[child.offset] === 1;
      reached[child.offset] = 1;
      copies ||= child.copy;
    }
    // A reader looks for places in the ring; a leaf's place in the order of sending changes nothing.
    head.below = { heads, leaves: leaves.sort((a, b) => a.offset - b.offset) };
    queue.push(...heads);
  }
  return { complete: true, copies };
}

function exactSpread(n: number, name: (offset: number) => number): Spread {
  return {
    rootDuty: n,
    leafDuty: 1,
    children: ({ offset, duty }, visit) => splitSegment(duty, (step, size) => visit(offset + step, size)),
    describe: ({ offset, duty }) => `answers for ${duty}: ${name(offset)}..${name(offset + duty - 1)}`,
  };
}

function classicSpread(n: number): Spread {
  return {
    rootDuty: maxLevels(n),
    leafDuty: 0,
    children({ offset, duty }, visit) {
      for (let level = duty; level >= 1; level--) {
        for (const step of levelTargets(n, level)) if (step > 0) visit((offset + step) % n, level - 1);
      }
    },
    describe: ({ duty }) => `level ${duty + 1}`,
  };
}
