import { assertEquals } from "@std/assert";
import { expectedTraffic } from "../../src/raintree/expectations.ts";
import { simulateClassic } from "../../src/raintree/simulate.ts";
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
