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

Deno.test("simulateBroadcast() counts a classic broadcast as whoever follows it message by message, depth by first copies", () => {
  for (let n = 1; n <= 81; n++) {
    const followed = { reads: new Array<number>(n).fill(0), writes: new Array<number>(n).fill(0), hops: [0] };
    followClassic(n, 0, maxLevels(n), 0, followed);
    const { depth, reads, writes } = simulateBroadcast("classic", n);
    assertEquals([[...reads], [...writes]], [followed.reads, followed.writes], `at ${n}`);
    assertEquals(depth, Math.max(...Object.values(followed.hops)), `at ${n}`);
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
function followClassic(
  n: number,
  at: number,
  level: number,
  hop: number,
  followed: { reads: number[]; writes: number[]; hops: number[] },
): void {
  const { reads, writes, hops } = followed;
  hops[at] = Math.min(hops[at] ?? Infinity, hop);
  for (; level >= 1; level--) {
    const size = Math.trunc(n * Math.pow(2 / 3, maxLevels(n) - level));
    for (const offset of [Math.trunc(size / 3), Math.trunc((2 * size) / 3)]) {
      if (offset === 0) continue;
      const to = (at + offset) % n;
      writes[at]++;
      reads[to]++;
      followClassic(n, to, level - 1, hop + 1, followed);
    }
  }
}
