import { assertEquals } from "@std/assert";
import { expectedTraffic } from "../../src/raintree/expectations.ts";
import { simulateClassic } from "../../src/raintree/simulate.ts";
import { exactOffsets } from "../../src/raintree/tree.ts";
import vectors from "../vectors/raintree.json" with { type: "json" };
import { LiveNetwork } from "./live_network.ts";

interface ClassicVector {
  levels: number;
  messages: number;
  reads?: number[];
  writes?: number[];
  missed: number[] | number;
}

const classic = Object.entries(vectors.networks as Record<string, { classic: ClassicVector }>)
  .map(([n, network]) => ({ n: Number(n), ...network.classic }));

for (const { n, reads, writes, missed, messages } of classic) {
  if (reads === undefined || writes === undefined) continue;
  Deno.test(`a live classic network of ${n} does what the published table says`, async () => {
    await using network = await LiveNetwork.start({ nodes: n, mode: "classic" });
    const originators = [...new Set([0, 1, n >> 1, n - 1])].filter((position) => position < n);
    let before = network.traffic();
    for (const originator of originators) {
      await network.broadcast(originator, `from ${originator}`);
      const now = network.traffic();
      const of = (kind: "reads" | "writes") =>
        now[kind].map((_count, offset) => {
          const position = (originator + offset) % n;
          return now[kind][position] - before[kind][position];
        });
      assertEquals(of("reads"), reads, `reads from originator ${originator}`);
      assertEquals(of("writes"), writes, `writes from originator ${originator}`);
      const unread = network.nodes.flatMap(({ texts }, position) => {
        const offset = (position - originator + n) % n;
        return offset === 0 || texts.includes(`from ${originator}`) ? [] : [offset];
      });
      assertEquals(unread.sort((a, b) => a - b), missed as number[], `missed from originator ${originator}`);
      assertEquals(now.writes.reduce((sum, count, i) => sum + count - before.writes[i], 0), messages);
      before = now;
    }
    for (const { module, texts } of network.nodes) {
      assertEquals(texts.length, new Set(texts).size, "the application gets each once");
      assertEquals(module.raintree.suppressed, 0, "a fault-free network needs every copy that it makes");
    }
  });
}

Deno.test("a live exact network of every size to 27 reaches everyone exactly once", async () => {
  for (let n = 1; n <= 27; n++) {
    await using network = await LiveNetwork.start({ nodes: n });
    // Every originator where that is quick, and two everywhere: each sees the ring from its own place.
    const originators = n === 9 || n === 18 || n === 27 ? Array.from({ length: n }, (_, i) => i) : [0, n - 1];
    const { reads, writes } = expectedTraffic("exact", n, originators);
    for (const originator of originators) {
      const before = network.nodes.map(({ texts }) => texts.length);
      await network.broadcast(originator, `from ${originator}`);
      const received = network.nodes.map(({ texts }, i) => texts.slice(before[i]));
      assertEquals(received, network.nodes.map((_, i) => i === originator ? [] : [`from ${originator}`]), `at ${n}`);
    }
    assertEquals(network.traffic(), { reads, writes }, `at ${n}`);
  }
});

Deno.test("a staked node is connected with whom the tree needs, and with nobody else", async () => {
  for (const mode of ["exact", "classic"] as const) {
    for (const n of [9, 27, 60]) {
      await using network = await LiveNetwork.start({ nodes: n, mode });
      for (let originator = 0; originator < n; originator++) await network.broadcast(originator, "x");
      network.nodes.forEach(({ connected }, position) => {
        assertEquals(connected, network.neighbours(position), `node ${position} of ${n}, ${mode}`);
      });
    }
  }
  await using network = await LiveNetwork.start({ nodes: 27 });
  const position = network.nodes[5].module.ring.indexOf(network.nodes[5].address);
  const targets = exactOffsets(27).map((offset) => network.nodes[(position + offset) % 27].address);
  assertEquals(targets.length, 6);
  assertEquals(targets.every((target) => network.nodes[5].connected.includes(target)), true);
});

Deno.test("nodes of classic and exact configuration reach everyone in each other's exact broadcasts", async () => {
  for (const n of [2, 5, 9, 18, 24, 27]) {
    await using network = await LiveNetwork.start({ nodes: n, mode: (position) => position % 2 ? "classic" : "exact" });
    for (let originator = 0; originator < n; originator += 2) {
      await network.broadcast(originator, `from ${originator}`);
      // What is no target of a classic node's own is dialled when it is needed.
      await network.until(
        () => network.nodes.every(({ texts }, i) => i === originator || texts.includes(`from ${originator}`)),
        () => `everyone of ${n} reached from ${originator}`,
      );
    }
    const { reads } = network.traffic();
    const exact = Math.ceil(n / 2);
    assertEquals(reads, network.nodes.map((_, position) => exact - (position % 2 ? 0 : 1)), `at ${n}`);
  }
});

Deno.test("nodes of classic and exact configuration follow the classic table in each other's classic broadcasts", async () => {
  for (const n of [5, 9, 18, 24, 27]) {
    await using network = await LiveNetwork.start({ nodes: n, mode: (position) => position % 2 ? "classic" : "exact" });
    const { reads, writes } = simulateClassic(n);
    await network.broadcast(1, "classic");
    const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
    await network.until(() => sum(network.traffic().reads) === sum(reads), () => `all of ${sum(reads)} reads at ${n}`);
    const turned = (counts: number[]) => network.nodes.map((_, position) => counts[(position - 1 + n) % n]);
    assertEquals(network.traffic(), { reads: turned(reads), writes: turned(writes) }, `at ${n}`);
  }
});

Deno.test("stopping a live network leaves no routine and no timer", async () => {
  const network = await LiveNetwork.start({ nodes: 9 });
  for (let originator = 0; originator < 9; originator++) await network.broadcast(originator, "x");
  const routines = network.nodes.map(({ module }) => module.routines);
  await network[Symbol.asyncDispose]();
  assertEquals(routines.map((each) => each.names()), routines.map(() => []));
  assertEquals(network.clock.pending, 0);
});
