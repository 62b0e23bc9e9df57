import { assert, assertEquals } from "@std/assert";
import { simulateClassic, simulateExact } from "../../src/raintree/simulate.ts";
import { maxLevels } from "../../src/raintree/tree.ts";
import { simulateBroadcast } from "../../src/sim/arithmetic.ts";

Deno.test("simulateBroadcast() counts what the drawn trees say, node by node, for every size to 300", () => {
  for (let n = 1; n <= 300; n++) {
    for (const [mode, drawn] of [["exact", simulateExact(n)], ["classic", simulateClassic(n)]] as const) {
      const { messages, missed, reads, writes } = simulateBroadcast(mode, n);
      assertEquals(
        { messages, missed, reads: [...reads], writes: [...writes] },
        { messages: drawn.messages, missed: drawn.missed.length, reads: drawn.reads, writes: drawn.writes },
        `${mode} at ${n}`,
      );
    }
  }
});

Deno.test("simulateBroadcast() sends N - 1 exact messages, at most ceil(log3 N) deep", () => {
  for (let n = 1; n <= 1000; n++) {
    const { messages, depth, missed } = simulateBroadcast("exact", n);
    assertEquals([messages, missed], [n - 1, 0]);
    assert(depth <= maxLevels(n), `depth ${depth} at ${n}`);
  }
});

Deno.test("simulateBroadcast() measures the depth of a classic broadcast by the first copy of each node", () => {
  // Followed message by message, by hand and by brute force.
  for (const n of [1, 2, 3, 9, 18, 24, 27, 42, 81]) {
    const hops = new Array<number>(n).fill(Infinity);
    followClassic(n, 0, maxLevels(n), 0, hops);
    const deepest = Math.max(...hops.filter((count) => count < Infinity));
    assertEquals(simulateBroadcast("classic", n).depth, deepest, `at ${n}`);
  }
});

Deno.test("simulateBroadcast() takes a million nodes in both modes, each message accounted for", () => {
  for (const mode of ["exact", "classic"] as const) {
    const { messages, depth, reads, writes } = simulateBroadcast(mode, 1_000_000);
    const sum = (counts: Uint32Array) => counts.reduce((total, count) => total + count, 0);
    assertEquals([sum(reads), sum(writes), depth], [messages, messages, 13]);
  }
});

/** The published rule, a call a message. */
function followClassic(n: number, at: number, level: number, hop: number, hops: number[]): void {
  hops[at] = Math.min(hops[at], hop);
  for (; level >= 1; level--) {
    const size = Math.trunc(n * Math.pow(2 / 3, maxLevels(n) - level));
    for (const offset of [Math.trunc(size / 3), Math.trunc((2 * size) / 3)]) {
      if (offset > 0) followClassic(n, (at + offset) % n, level - 1, hop + 1, hops);
    }
  }
}
