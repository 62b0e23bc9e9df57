import { PICTURE_SIZE, PICTURE_STYLE, pictureBody } from "./broadcast_svg.ts";
import { caption, colourVariables, DARK, LIGHT, nodeKinds } from "./picture_parts.ts";
import type { SimRunOptions, SimRunOutcome } from "./sim_run.ts";

/**
 * The picture of {@link broadcastSvg} as a page of its own that loads nothing: light or dark as its reader likes it, with a slider through the time of
 * the broadcast, and under the mouse each node's story: when it had the message, from whom, over which hops, whom it told.
 */
export function broadcastHtml(options: SimRunOptions, outcome: SimRunOutcome): string {
  const { title, conditions } = caption(options, outcome);
  const [{ arrivalsMs, parents, from }] = outcome.broadcasts;
  const data = {
    from,
    lastMs: outcome.lastMs,
    kinds: nodeKinds(outcome, options.nodes),
    parents,
    arrivalsMs: arrivalsMs.map((at) => at === null ? null : Math.round(at * 10) / 10),
  };
  const { width, height } = PICTURE_SIZE;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="${conditions}">
<title>${title}</title>
<style>
:root{color-scheme:light dark;${colourVariables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${colourVariables(DARK)}}}
${PICTURE_STYLE}
${PAGE_STYLE}
</style>
<main>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
${pictureBody(options, outcome)}</svg>
<form><button type="button">Play</button><input type="range" min="0" max="1000" value="1000" aria-label="time"><output></output></form>
</main>
<aside role="status" hidden></aside>
<script>
const run = ${JSON.stringify(data)};
${PAGE_SCRIPT}
</script>
</html>
`;
}

const PAGE_STYLE =
  `body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.45 "Inter","Helvetica Neue",Helvetica,Arial,sans-serif}
main{max-width:1000px;margin:0 auto;padding:8px}
svg{display:block;width:100%;height:auto}
[data-node]{cursor:pointer}
svg.focused .edge:not(.way){opacity:.07}
svg.focused .way{opacity:1;stroke-width:3}
svg.focused .told{opacity:.8}
.later{visibility:hidden}
form{display:flex;gap:14px;align-items:center;padding:0 4% 24px}
form input{flex:1;accent-color:var(--t10)}
form output{width:6.5em;text-align:right;font-variant-numeric:tabular-nums}
button{font:inherit;color:inherit;background:none;border:1px solid var(--faint);border-radius:7px;padding:4px 14px;min-width:5em;cursor:pointer}
aside{position:fixed;pointer-events:none;background:var(--ground);border:1px solid var(--line);border-radius:9px;padding:9px 13px;max-width:270px;box-shadow:0 6px 24px #0003}
aside b{display:block}`;

/** What the page does; `run` is the data above it. */
const PAGE_SCRIPT = `const svg = document.querySelector("svg");
const note = document.querySelector("aside");
const slider = document.querySelector("input");
const shown = document.querySelector("output");
const button = document.querySelector("button");
const edges = new Map([...svg.querySelectorAll("[data-to]")].map((edge) => [Number(edge.dataset.to), edge]));
const dots = new Map([...svg.querySelectorAll("[data-node]")].map((dot) => [Number(dot.dataset.node), dot]));
const told = run.parents.map(() => []);
run.parents.forEach((parent, child) => { if (parent !== null) told[parent].push(child); });
const words = { origin: "originator", live: "live", liar: "acknowledges, never forwards", dead: "dead", missed: "missed" };

function way(node) {
  const nodes = [node];
  while (run.parents[nodes[0]] !== null) nodes.unshift(run.parents[nodes[0]]);
  return nodes;
}

function story(node) {
  const kind = run.kinds[node];
  const lines = [];
  if (run.arrivalsMs[node] !== null) {
    const nodes = way(node);
    lines.push("at " + run.arrivalsMs[node] + " ms over " + (nodes.length - 1) + (nodes.length === 2 ? " hop" : " hops"));
    lines.push(nodes.length > 9 ? nodes.slice(0, 8).join(" \\u2192 ") + " \\u2192 ..." : nodes.join(" \\u2192 "));
  }
  if (told[node].length > 0) lines.push("first to tell " + told[node].length + (told[node].length === 1 ? " node" : " nodes"));
  return ["node " + node + ", " + words[kind], lines];
}

function focus(node, x, y) {
  unfocus();
  svg.classList.add("focused");
  for (const each of way(node)) edges.get(each)?.classList.add("way");
  for (const each of told[node]) edges.get(each)?.classList.add("way");
  const [head, lines] = story(node);
  note.replaceChildren(Object.assign(document.createElement("b"), { textContent: head }));
  for (const line of lines) note.append(Object.assign(document.createElement("div"), { textContent: line }));
  note.hidden = false;
  note.style.left = Math.min(x + 16, innerWidth - note.offsetWidth - 8) + "px";
  note.style.top = Math.min(y + 16, innerHeight - note.offsetHeight - 8) + "px";
}

function unfocus() {
  svg.classList.remove("focused");
  for (const edge of svg.querySelectorAll(".way")) edge.classList.remove("way");
  note.hidden = true;
}

// The nearest node within reach of the pointer: among a thousand nobody hits a dot.
svg.addEventListener("pointermove", (event) => {
  const matrix = svg.getScreenCTM();
  let [nearest, least] = [undefined, 14 ** 2];
  for (const [node, dot] of dots) {
    const box = dot.getBBox();
    const x = (box.x + box.width / 2) * matrix.a + matrix.e - event.clientX;
    const y = (box.y + box.height / 2) * matrix.d + matrix.f - event.clientY;
    if (x * x + y * y < least) [nearest, least] = [node, x * x + y * y];
  }
  if (nearest === undefined) unfocus();
  else focus(nearest, event.clientX, event.clientY);
});
svg.addEventListener("pointerleave", unfocus);

function show(ms) {
  shown.textContent = Math.round(Math.min(ms, run.lastMs)) + " ms";
  run.arrivalsMs.forEach((at, node) => {
    if (at === null) return;
    edges.get(node)?.classList.toggle("later", at > ms);
    dots.get(node)?.classList.toggle("later", at > ms);
  });
}

let playing = 0;
function stop() {
  cancelAnimationFrame(playing);
  playing = 0;
  button.textContent = "Play";
}
slider.addEventListener("input", () => { stop(); show(run.lastMs * slider.value / 1000 + 0.1); });
button.addEventListener("click", () => {
  if (playing !== 0) return stop();
  button.textContent = "Stop";
  const seconds = 6;
  let began;
  const frame = (now) => {
    began ??= now;
    const part = Math.min(1, (now - began) / 1000 / seconds);
    slider.value = 1000 * part;
    show(run.lastMs * part + 0.1);
    if (part < 1) playing = requestAnimationFrame(frame);
    else stop();
  };
  playing = requestAnimationFrame(frame);
});
show(run.lastMs + 0.1);`;
