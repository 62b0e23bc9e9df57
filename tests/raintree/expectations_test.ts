import { assertEquals, assertThrows } from "@std/assert";
import { expectedTraffic } from "../../src/raintree/expectations.ts";
import { simulateClassic, simulateExact } from "../../src/raintree/simulate.ts";

Deno.test("expectedTraffic() turns the counts of one broadcast to its originator", () => {
  //         3 (originator of 4)
  //   ┌─────┼─────┐
  //   1     2     0
  assertEquals(expectedTraffic("exact", 4, [3]), {
    reads: [1, 1, 1, 0],
    writes: [0, 0, 0, 3],
    deliveries: [1, 1, 1, 0],
    messages: 3,
  });
  assertEquals(expectedTraffic("classic", 4, [0]), {
    reads: [0, 2, 2, 1],
    writes: [3, 1, 1, 0],
    deliveries: [0, 1, 1, 1],
    messages: 5,
  });
});

Deno.test("expectedTraffic() over all originators is the same for every node", () => {
  for (const n of [1, 2, 5, 9, 18, 24, 27]) {
    const all = Array.from({ length: n }, (_, i) => i);
    assertEquals(expectedTraffic("exact", n, all), {
      reads: all.map(() => n - 1),
      writes: all.map(() => n - 1),
      deliveries: all.map(() => n - 1),
      messages: n * (n - 1),
    });
    const { messages, missed } = simulateClassic(n);
    assertEquals(expectedTraffic("classic", n, all), {
      reads: all.map(() => messages),
      writes: all.map(() => messages),
      deliveries: all.map(() => n - 1 - missed.length),
      messages: n * messages,
    });
  }
});

Deno.test("expectedTraffic() adds up, and counts an originator as often as it is named", () => {
  const { reads, writes, messages } = simulateExact(12);
  assertEquals(expectedTraffic("exact", 12, [0, 0]), {
    reads: reads.map((count) => 2 * count),
    writes: writes.map((count) => 2 * count),
    deliveries: reads.map((count) => 2 * count),
    messages: 2 * messages,
  });
  assertEquals(expectedTraffic("classic", 9, []).reads, new Array(9).fill(0));
});

Deno.test("expectedTraffic() refuses an originator outside the ring", () => {
  for (const originator of [-1, 9, 0.5]) assertThrows(() => expectedTraffic("exact", 9, [originator]), RangeError);
});
