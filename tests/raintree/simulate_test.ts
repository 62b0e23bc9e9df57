import { assertEquals } from "@std/assert";
import { simulateClassic, simulateExact, walkExact } from "../../src/raintree/simulate.ts";
import { segmentDepth } from "../../src/raintree/tree.ts";
import vectors from "../vectors/raintree.json" with { type: "json" };

interface Network {
  classic: { levels: number; messages: number; reads?: number[]; writes?: number[]; missed: number[] | number };
  exact: { messages: number; depth: number; writes?: number[]; sends?: number[][] };
}

const networks = Object.entries(vectors.networks as Record<string, Network>);

Deno.test("simulateClassic() reproduces every published and recorded network", () => {
  for (const [n, { classic }] of networks) {
    const { levels, messages, reads, writes, missed } = simulateClassic(Number(n));
    if (classic.reads === undefined) {
      assertEquals({ levels, messages, missed: missed.length }, classic as unknown, `at ${n}`);
    } else {
      assertEquals({ levels, messages, reads, writes, missed }, classic as unknown, `at ${n}`);
    }
  }
});

Deno.test("simulateExact() reproduces every recorded network", () => {
  for (const [n, { exact }] of networks) {
    const { messages, depth, writes, sends } = simulateExact(Number(n));
    if (exact.sends === undefined) assertEquals({ messages, depth }, exact as unknown, `at ${n}`);
    else assertEquals({ messages, depth, writes, sends }, exact as unknown, `at ${n}`);
  }
});

Deno.test("simulateClassic() leaves holes in 864 of the first 1,000 sizes", () => {
  let holed = 0;
  for (let n = 1; n <= 1000; n++) if (simulateClassic(n).missed.length > 0) holed++;
  assertEquals(holed, 864);
  assertEquals(simulateClassic(24).missed.length, 9);
  assertEquals(simulateClassic(81).missed.length, 27);
  assertEquals(simulateClassic(10_000).missed.length, 762);
});

Deno.test("simulateClassic() counts as many reads as writes as messages", () => {
  for (let n = 1; n <= 300; n++) {
    const { messages, reads, writes } = simulateClassic(n);
    assertEquals([sum(reads), sum(writes)], [messages, messages], `at ${n}`);
  }
});

Deno.test("simulateExact() reaches everyone exactly once for every size to 1,000", () => {
  for (let n = 1; n <= 1000; n++) {
    const { reads, writes, messages, missed } = simulateExact(n);
    assertEquals(reads[0], 0, `at ${n}`);
    assertEquals(reads.findIndex((count, position) => position > 0 && count !== 1), -1, `at ${n}`);
    assertEquals([messages, sum(writes), missed.length], [n - 1, n - 1, 0], `at ${n}`);
  }
});

Deno.test("walkExact() visits a million nodes in order of their hops", () => {
  const n = 1_000_000;
  const reads = new Uint8Array(n);
  let last = 0;
  let ordered = true;
  walkExact(n, (_from, to, _size, depth) => {
    reads[to]++;
    ordered &&= depth >= last;
    last = depth;
  });
  assertEquals(ordered, true);
  assertEquals(last, segmentDepth(n));
  assertEquals(reads.findIndex((count, position) => count !== (position === 0 ? 0 : 1)), -1);
});

function sum(counts: number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
