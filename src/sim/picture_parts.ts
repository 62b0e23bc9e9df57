import type { SimRunOptions, SimRunOutcome } from "./sim_run.ts";

/** Steps of the scale of arrival times; its colours, and the bars of the histogram. */
export const STEPS = 24;

/** Where the scale ends and how late each node is on it. */
export interface TimeScale {
  /** The end, milliseconds: a round number. */
  readonly endMs: number;
  /** Numbers below the axis. */
  readonly ticks: readonly number[];
  /** The step of a time, 0 to {@link STEPS} - 1. */
  step(ms: number): number;
}

/** A scale from 0 to the first round number at or after `lastMs`. */
export function timeScale(lastMs: number): TimeScale {
  const wanted = Math.max(1, lastMs) / 5;
  const decade = 10 ** Math.floor(Math.log10(wanted));
  const tickMs = [1, 2, 2.5, 5, 10].map((factor) => factor * decade).find((each) => each >= wanted)!;
  const endMs = tickMs * Math.ceil(Math.max(1, lastMs) / tickMs);
  return {
    endMs,
    ticks: Array.from({ length: Math.round(endMs / tickMs) + 1 }, (_, i) => i * tickMs),
    step: (ms) => Math.min(STEPS - 1, Math.floor(STEPS * ms / endMs)),
  };
}

/** What a node turned out to be. */
export type NodeKind = "origin" | "live" | "liar" | "dead" | "missed";

/** What each node is, by position. */
export function nodeKinds({ dead, liars, broadcasts: [{ from, missed }] }: SimRunOutcome, nodes: number): NodeKind[] {
  const kinds = new Array<NodeKind>(nodes).fill("live");
  for (const [kind, positions] of [["dead", dead], ["liar", liars], ["missed", missed], ["origin", [from]]] as const) {
    for (const position of positions) kinds[position] = kind;
  }
  return kinds;
}

/** What stands above a picture. */
export interface Caption {
  /** What it is. */
  readonly title: string;
  /** Under which conditions. */
  readonly conditions: string;
  /** What came of it. */
  readonly result: string;
}

/** The words above a picture. */
export function caption(options: SimRunOptions, outcome: SimRunOutcome): Caption {
  const { nodes, mode = "exact", loss = 0, latencyMs = 50, jitterMs = 20 } = options;
  const { dead, liars, seed, lastMs, copiesPerLive, broadcasts: [{ missed, from, arrivalsMs }] } = outcome;
  const kinds = nodeKinds(outcome, nodes);
  const reached = kinds.filter((kind, position) => kind === "live" && arrivalsMs[position] !== null).length;
  const conditions = [
    mode === "exact" ? "exact split" : "classic levels",
    dead.length > 0 ? `${dead.length} dead` : "",
    liars.length > 0 ? `${liars.length} ${liars.length === 1 ? "liar" : "liars"}` : "",
    loss > 0 ? `${round(100 * loss)} % of messages lost` : "",
    `latency ${round(latencyMs)} ± ${round(jitterMs)} ms`,
    `seed ${seed}`,
  ].filter(Boolean);
  return {
    title: `RainTree broadcast over ${nodes.toLocaleString("en")} nodes, from node ${from}`,
    conditions: conditions.join("  ·  "),
    result: `${reached} of ${reached + missed.length} live ${liars.length > 0 ? "honest " : ""}nodes` +
      `${reached > 0 ? ` within ${Math.round(lastMs)} ms` : ""}, ${
        copiesPerLive.toFixed(2)
      } payloads sent for each live node`,
  };
}

/** A number with at most one digit behind the point. */
export function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Colours by what they mean; `scale` is what the steps are mixed from, early to late. */
export interface PictureColours {
  /** Behind everything. */
  readonly ground: string;
  /** Text. */
  readonly ink: string;
  /** Text of less weight, and axes. */
  readonly faint: string;
  /** The ring itself. */
  readonly line: string;
  /** Who was missed. */
  readonly missed: string;
  /** Who is dead. */
  readonly dead: string;
  /** Who lies. */
  readonly liar: string;
  /** Early to late. */
  readonly scale: readonly string[];
}

/** For paper. */
export const LIGHT: PictureColours = {
  ground: "#ffffff",
  ink: "#16181d",
  faint: "#6b7280",
  line: "#e3e6ea",
  missed: "#d81b3f",
  dead: "#9aa1ab",
  liar: "#b5179e",
  scale: ["#2d1e82", "#2457b8", "#0e8fae", "#1fa67a", "#86b62f", "#f0a202"],
};

/** For screens at night. */
export const DARK: PictureColours = {
  ground: "#0e1116",
  ink: "#eceff4",
  faint: "#8b94a3",
  line: "#242a33",
  missed: "#ff5470",
  dead: "#59616d",
  liar: "#f07be0",
  scale: ["#8f7bff", "#4f8fff", "#25b9d9", "#35d39a", "#a8e04a", "#ffd23f"],
};

/** Custom properties of CSS for the colours: `--ground`, `--t0` to `--t23` and so on. */
export function colourVariables({ scale, ...named }: PictureColours): string {
  const steps = Array.from({ length: STEPS }, (_, i) => [`t${i}`, mixed(scale, i / (STEPS - 1))]);
  return [...Object.entries(named), ...steps].map(([name, colour]) => `--${name}:${colour}`).join(";");
}

function mixed(scale: readonly string[], at: number): string {
  const place = at * (scale.length - 1);
  const index = Math.min(scale.length - 2, Math.floor(place));
  const part = place - index;
  const [from, to] = [scale[index], scale[index + 1]].map((colour) => parseInt(colour.slice(1), 16));
  const channel = (shift: number) => {
    const [a, b] = [from, to].map((colour) => (colour >> shift) & 0xff);
    return Math.round(a + (b - a) * part).toString(16).padStart(2, "0");
  };
  return `#${channel(16)}${channel(8)}${channel(0)}`;
}
