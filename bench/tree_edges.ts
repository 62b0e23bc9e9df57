import { exactOffsets } from "../src/raintree/tree.ts";

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
