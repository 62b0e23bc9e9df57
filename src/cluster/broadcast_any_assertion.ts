import { type Assertion, outcome } from "./assertion.ts";
import { hasArrived, inRingOrder, observeBroadcast } from "./observed_broadcast.ts";

interface Child {
  readonly at: number;
  readonly how: string;
}

/**
 * A random validator broadcasts: everybody gets it, and what the nodes tell of it is one true tree: whoever has it first had it from a node that says so too,
 * every hand-over arrived, and from the originator the parents lead to everybody.
 */
export const broadcastAnyAssertion: Assertion = async (context) => {
  const ring = inRingOrder(context.clients);
  const origin = Math.floor(context.random.next() * ring.length);
  const { nonce, views, toAllMs } = await observeBroadcast(ring, origin, context);
  const wrong: string[] = [];
  const nameOf = (at: number) => ring[at].node.name;
  const placeOf = new Map(ring.map(({ node }, at) => [node.address, at]));
  const children = new Map<number, Child[]>();
  if (!views[origin]?.origin) wrong.push(`${nameOf(origin)} does not know broadcast ${nonce} as its own`);
  views.forEach((view, at) => {
    if (at === origin) return;
    if (!hasArrived(view)) return void wrong.push(`${nameOf(at)} did not get broadcast ${nonce}`);
    const { from, kind, segment, level } = view.arrivals[0];
    const parent = placeOf.get(from ?? "");
    if (parent === undefined) return void wrong.push(`${nameOf(at)} got it from ${from}, which is none of the network`);
    const handed = views[parent]?.handovers.some(({ to }) => to === ring[at].node.address) ?? false;
    if (!handed) wrong.push(`${nameOf(at)} got it from ${nameOf(parent)}, which does not say so`);
    const how = segment !== undefined ? `segment of ${segment}` : level !== undefined ? `level ${level}` : kind;
    children.set(parent, [...children.get(parent) ?? [], { at, how }]);
  });
  views.forEach((view, at) => {
    for (const { to } of view?.handovers ?? []) {
      const child = placeOf.get(to ?? "");
      const arrived = child !== undefined &&
        views[child]?.arrivals.some(({ from }) => from === ring[at].node.address);
      if (!arrived) {
        wrong.push(`${nameOf(at)} handed it to ${child === undefined ? to : nameOf(child)}, where it is not`);
      }
    }
  });
  const tree: string[] = [];
  const depth = draw(origin, nameOf(origin), "", children, nameOf, tree, new Set());
  if (tree.length !== ring.length) wrong.push(`The tree has ${tree.length} of ${ring.length} nodes`);
  const holds = `broadcast ${nonce} of ${nameOf(origin)} reached ${ring.length - 1} in ${toAllMs} ms, ${depth} ${
    depth === 1 ? "hop" : "hops"
  } deep`;
  return outcome(wrong, holds, { nonce, origin: nameOf(origin), toAllMs, depth, tree });
};

/** Adds the lines of a node and all below it; returns how deep it is below. */
function draw(
  at: number,
  label: string,
  indent: string,
  children: ReadonlyMap<number, readonly Child[]>,
  nameOf: (at: number) => string,
  lines: string[],
  drawn: Set<number>,
): number {
  if (drawn.has(at)) return 0; // a loop is no tree, and shows in the number of lines
  drawn.add(at);
  lines.push(`${indent}${label}`);
  const below = (children.get(at) ?? []).map((child) =>
    draw(child.at, `${nameOf(child.at)} (${child.how})`, `${indent}  `, children, nameOf, lines, drawn) + 1
  );
  return Math.max(0, ...below);
}
