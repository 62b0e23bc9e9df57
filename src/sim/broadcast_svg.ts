import {
  caption,
  colourVariables,
  LIGHT,
  type NodeKind,
  nodeKinds,
  round,
  STEPS,
  type TimeScale,
  timeScale,
} from "./picture_parts.ts";
import type { SimRunOptions, SimRunOutcome } from "./sim_run.ts";

const WIDTH = 1000;
const HEIGHT = 1225;
const CENTRE = { x: 500, y: 592 };
const RADIUS = 415;

const HISTOGRAM = { x: 70, y: 1078, width: 590, height: 84 };
const LEGEND = { x: 745, y: 1084 };

/** What the classes look like; the colours are variables, so that a page may have others. */
export const PICTURE_STYLE = `text{font-family:"Inter","Helvetica Neue",Helvetica,Arial,sans-serif;fill:var(--ink)}
.faint{fill:var(--faint)}.edge{fill:none;stroke-linecap:round}.ring{fill:none;stroke:var(--line);stroke-width:1.2}
.origin{fill:var(--ground);stroke:var(--ink);stroke-width:3}.dead{fill:none;stroke:var(--dead);stroke-width:1.6;stroke-linecap:round}
.missed{fill:var(--missed)}.halo{fill:none;stroke:var(--missed);stroke-width:1.6}.liar{fill:none;stroke:var(--liar);stroke-width:1.8}
.axis{stroke:var(--faint);stroke-width:1;opacity:.5}.curve{fill:none;stroke:var(--ink);stroke-width:1.6;opacity:.75}
${Array.from({ length: STEPS }, (_, i) => `.e${i}{stroke:var(--t${i})}.n${i}{fill:var(--t${i})}`).join("")}`;

/**
 * Draws the first broadcast of a run as SVG: nodes on a circle in ring order, clockwise from the top, a curve from whom each node first had the
 * message, coloured by when; the dead, the liars and the missed are marked; below it a histogram of the arrivals. Stands alone, on white, and is the same
 * for the same run.
 */
export function broadcastSvg(options: SimRunOptions, outcome: SimRunOutcome): string {
  const { title } = caption(options, outcome);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">
<title>${title}</title>
<style>svg{${colourVariables(LIGHT)}}
${PICTURE_STYLE}</style>
<rect width="${WIDTH}" height="${HEIGHT}" fill="var(--ground)"/>
${pictureBody(options, outcome)}</svg>
`;
}

/** The size of {@link pictureBody}. */
export const PICTURE_SIZE: { readonly width: number; readonly height: number } = { width: WIDTH, height: HEIGHT };

/** Everything within the `svg` element. */
export function pictureBody(options: SimRunOptions, outcome: SimRunOutcome): string {
  const { nodes } = options;
  const [{ from, arrivalsMs, parents }] = outcome.broadcasts;
  const scale = timeScale(outcome.lastMs);
  const kinds = nodeKinds(outcome, nodes);
  const { title, conditions, result } = caption(options, outcome);
  const dot = Math.max(1.3, Math.min(7, 0.34 * 2 * Math.PI * RADIUS / nodes));
  const parts = [
    `<text x="40" y="58" font-size="30" font-weight="650">${title}</text>`,
    `<text x="40" y="90" font-size="17" class="faint">${conditions}</text>`,
    `<text x="40" y="117" font-size="17">${result}</text>`,
    `<circle class="ring" cx="${CENTRE.x}" cy="${CENTRE.y}" r="${RADIUS}"/>`,
  ];
  // The latest first: the trunk of the tree lies on top.
  const order = arrivalsMs.map((_, position) => position).filter((position) => arrivalsMs[position] !== null)
    .sort((a, b) => arrivalsMs[b]! - arrivalsMs[a]! || a - b);
  for (const child of order) {
    const parent = parents[child]!;
    parts.push(edge(parent, child, nodes, scale.step(arrivalsMs[child]!), parent === from));
  }
  for (let position = 0; position < nodes; position++) {
    const at = arrivalsMs[position];
    parts.push(node(position, nodes, kinds[position], at === null ? undefined : scale.step(at), dot));
  }
  parts.push(...positionLabels(nodes), ...histogram(arrivalsMs, scale), ...legend(kinds, arrivalsMs));
  return parts.map((part) => `${part}\n`).join("");
}

function place(position: number, nodes: number, radius = RADIUS): { x: number; y: number } {
  const angle = 2 * Math.PI * position / nodes - Math.PI / 2;
  return { x: CENTRE.x + radius * Math.cos(angle), y: CENTRE.y + radius * Math.sin(angle) };
}

function edge(parent: number, child: number, nodes: number, step: number, first: boolean): string {
  const [a, b] = [place(parent, nodes), place(child, nodes)];
  const steps = Math.abs(child - parent);
  const span = Math.min(steps, nodes - steps) / nodes; // of a turn: half of one at most
  // The farther the message goes, the deeper it dips: each hop of the tree has a depth of its own.
  const dip = 1 - 0.06 - 0.9 * (2 * span) ** 0.45;
  const [middle, between] = [place((parent + child) / 2, nodes, RADIUS * dip), steps > nodes / 2 ? -1 : 1];
  const control = `${round(CENTRE.x + between * (middle.x - CENTRE.x))} ${
    round(CENTRE.y + between * (middle.y - CENTRE.y))
  }`;
  const width = (first ? 2.4 : 1.3) * Math.max(0.5, Math.min(1.25, (120 / nodes) ** 0.35));
  const path = `M${round(a.x)} ${round(a.y)}Q${control} ${round(b.x)} ${round(b.y)}`;
  return `<path class="edge e${step}" data-to="${child}" d="${path}" stroke-width="${round(width)}" opacity="${
    first ? 0.95 : 0.72
  }"/>`;
}

function node(position: number, nodes: number, kind: NodeKind, step: number | undefined, dot: number): string {
  const { x, y } = place(position, nodes);
  const [cx, cy] = [round(x), round(y)];
  const own = `data-node="${position}"`;
  // What is marked is marked outside of the ring too: among a thousand nodes a dot is not seen.
  const outer = place(position, nodes, RADIUS + dot + 9);
  const mark = Math.max(3, Math.min(5, dot));
  const shown = step === undefined ? "" : `<circle class="n${step}" ${own} cx="${cx}" cy="${cy}" r="${round(dot)}"/>`;
  switch (kind) {
    case "live":
      return shown;
    case "liar":
      return `${shown}${diamond(outer.x, outer.y, mark)}`;
    case "dead":
      return `${cross(x, y, Math.max(1.6, 0.75 * dot), own)}`;
    case "missed":
      return `<circle class="missed" ${own} cx="${cx}" cy="${cy}" r="${round(dot)}"/>` +
        `<circle class="halo" cx="${cx}" cy="${cy}" r="${round(dot + 4)}"/>`;
    case "origin":
      return `<circle class="origin" ${own} cx="${cx}" cy="${cy}" r="${round(Math.max(8, dot + 2))}"/>`;
  }
}

function cross(x: number, y: number, size: number, own = ""): string {
  const [left, right, top, bottom] = [x - size, x + size, y - size, y + size].map(round);
  return `<path class="dead" ${own} d="M${left} ${top}L${right} ${bottom}M${left} ${bottom}L${right} ${top}"/>`;
}

function diamond(x: number, y: number, size: number): string {
  const path = `M${round(x)} ${round(y - size)}l${round(size)} ${round(size)} ${round(-size)} ${round(size)} ${
    round(-size)
  } ${round(-size)}z`;
  return `<path class="liar" d="${path}"/>`;
}

/** Positions at the quarters of the ring. */
function positionLabels(nodes: number): string[] {
  const labelled = [...new Set([0, 1, 2, 3].map((quarter) => Math.round(quarter * nodes / 4)))];
  return labelled.filter((position) => position < nodes).map((position) => {
    const { x, y } = place(position, nodes, RADIUS + 34);
    return `<text x="${round(x)}" y="${
      round(y + 4)
    }" font-size="13" class="faint" text-anchor="middle">${position}</text>`;
  });
}

function histogram(arrivalsMs: readonly (number | null)[], scale: TimeScale): string[] {
  const { x, y, width, height } = HISTOGRAM;
  const counts = new Array<number>(STEPS).fill(0);
  for (const at of arrivalsMs) if (at !== null) counts[scale.step(at)]++;
  const [most, all] = [Math.max(1, ...counts), Math.max(1, counts.reduce((sum, count) => sum + count, 0))];
  const bar = width / STEPS;
  const parts = [`<text x="${x - 30}" y="${y - 14}" font-size="15" font-weight="600">Arrivals</text>`];
  parts.push(
    `<text x="${x + 40}" y="${
      y - 14
    }" font-size="13" class="faint">of first copies; the line is the share reached</text>`,
  );
  let sum = 0;
  const curve = [`M${x} ${y + height}`];
  counts.forEach((count, i) => {
    const tall = height * count / most;
    if (count > 0) {
      parts.push(
        `<rect class="n${i}" x="${round(x + i * bar + 1)}" y="${round(y + height - tall)}" width="${
          round(bar - 2)
        }" height="${round(tall)}" rx="1.5"/>`,
      );
    }
    sum += count;
    curve.push(`L${round(x + (i + 1) * bar)} ${round(y + height - height * sum / all)}`);
  });
  parts.push(`<path class="curve" d="${curve.join("")}"/>`);
  parts.push(`<path class="axis" d="M${x} ${y + height + 0.5}H${x + width}"/>`);
  for (const tick of scale.ticks) {
    const at = round(x + width * tick / scale.endMs);
    parts.push(
      `<text x="${at}" y="${y + height + 19}" font-size="13" class="faint" text-anchor="middle">${round(tick)}</text>`,
    );
  }
  parts.push(`<text x="${x + width + 34}" y="${y + height + 19}" font-size="13" class="faint">ms</text>`);
  parts.push(`<text x="${x - 8}" y="${y + 8}" font-size="13" class="faint" text-anchor="end">${most}</text>`);
  return parts;
}

function legend(kinds: readonly NodeKind[], arrivalsMs: readonly (number | null)[]): string[] {
  const { x, y } = LEGEND;
  const count = (kind: NodeKind) => kinds.filter((each) => each === kind).length;
  const reached = kinds.filter((kind, position) => kind === "live" && arrivalsMs[position] !== null).length;
  const rows: [symbol: (cy: number) => string, text: string][] = [
    [(cy) => `<circle class="origin" cx="${x}" cy="${cy}" r="7"/>`, "originator"],
    [
      (cy) => `<circle class="n${STEPS >> 1}" cx="${x}" cy="${cy}" r="5"/>`,
      `${count("liar") > 0 ? "honest, reached" : "reached"} (${reached})`,
    ],
  ];
  if (count("missed") > 0) {
    rows.push([
      (cy) => `<circle class="missed" cx="${x}" cy="${cy}" r="4"/><circle class="halo" cx="${x}" cy="${cy}" r="8"/>`,
      `missed (${count("missed")})`,
    ]);
  }
  if (count("liar") > 0) rows.push([(cy) => diamond(x, cy, 6), `acknowledges only (${count("liar")})`]);
  if (count("dead") > 0) rows.push([(cy) => cross(x, cy, 4.5), `dead, unknown to all (${count("dead")})`]);
  return rows.map(([symbol, text], i) => {
    const cy = y + 25 * i;
    return `${symbol(cy)}<text x="${x + 20}" y="${cy + 5}" font-size="15">${text}</text>`;
  });
}
