import { exactOffsets } from "../src/raintree/tree.ts";

/** The members of a network in the order of the ring that the tree is laid over: by ID, so that every process comes to the same. */
export function inTreeOrder<M extends { readonly id: string }>(members: readonly M[]): M[] {
  return members.toSorted((a, b) => a.id < b.id ? -1 : 1);
}

/** The connections of a RainTree network of `count` nodes, each once: between every node and its distinct exact targets. */
export function treeEdges(count: number): [from: number, to: number][] {
  const edges: [number, number][] = [];
  const seen = new Set<number>();
  for (let from = 0; from < count; from++) {
    for (const offset of exactOffsets(count)) {
      const to = (from + offset) % count;
      const key = Math.min(from, to) * count + Math.max(from, to);
      if (seen.has(key)) continue;
      seen.add(key);
      edges.push([from, to]);
    }
  }
  return edges;
}
