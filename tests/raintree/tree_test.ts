import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { simulateExact } from "../../src/raintree/simulate.ts";
import {
  classicOffsets,
  exactOffsets,
  levelTargets,
  maxLevels,
  segmentDepth,
  splitSegment,
} from "../../src/raintree/tree.ts";

Deno.test("maxLevels() rounds log3 to seven decimals before it rounds up", () => {
  const cases: [n: number, levels: number][] = [
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [9, 2],
    [10, 3],
    [27, 3],
    [28, 4],
    [243, 5],
    [244, 6],
    [1_000_000, 13],
  ];
  for (const [n, levels] of cases) assertEquals(maxLevels(n), levels, `at ${n}`);
  for (let k = 0; k <= 12; k++) assertEquals(maxLevels(3 ** k), k, `at 3^${k}`);
});

Deno.test("levelTargets() truncates the size of the level and then each target", () => {
  //                    0
  //        ┌───────────┼───────────┐    level 3, size 27
  //        9           0           18
  //   ┌────┼────┐ ┌────┼────┐ ┌────┼────┐  level 2, size 18
  //   15   9   21 6    0   12 24  18   3
  assertEquals(levelTargets(27, 3), [9, 18]);
  assertEquals(levelTargets(27, 2), [6, 12]);
  assertEquals(levelTargets(27, 1), [4, 8]);
  assertEquals(levelTargets(2, 1), [0, 1]); // a demotion and one message
  assertEquals(levelTargets(1, 0), [0, 0]);
});

Deno.test("splitSegment() keeps a third and hands over the rest, until only the head is left", () => {
  const split = (size: number) => {
    const parts: [offset: number, size: number][] = [];
    splitSegment(size, (offset, part) => parts.push([offset, part]));
    return parts;
  };
  assertEquals(split(1), []);
  assertEquals(split(2), [[1, 1]]);
  assertEquals(split(10), [[4, 3], [7, 3], [2, 1], [3, 1], [1, 1]]);
  for (let size = 1; size <= 3000; size++) {
    // The parts and the head cover the segment without gap or overlap.
    let end = size;
    const parts = split(size).sort((a, b) => b[0] - a[0]);
    for (const [offset, part] of parts) {
      assert(part >= 1, `an empty part at size ${size}`);
      assertEquals(offset + part, end, `at size ${size}`);
      end = offset;
    }
    assertEquals(end, 1, `at size ${size}`);
  }
});

Deno.test("segmentDepth() is the depth of the walked tree and at most ceil(log3(size))", () => {
  for (let size = 1; size <= 1000; size++) {
    let deepest = 0;
    const walk = (part: number, depth: number) => {
      deepest = Math.max(deepest, depth);
      splitSegment(part, (_, handed) => walk(handed, depth + 1));
    };
    walk(size, 0);
    assertEquals(segmentDepth(size), deepest, `at size ${size}`);
    assertLessOrEqual(deepest, maxLevels(size), `at size ${size}`);
  }
  for (let size = 1001; size < 2_000_000; size += 997) assertLessOrEqual(segmentDepth(size), maxLevels(size));
});

Deno.test("exactOffsets() is the published count of connections per node", () => {
  const cases: [n: number, count: number][] = [
    [1, 0],
    [2, 1],
    [9, 4],
    [27, 6],
    [100, 11],
    [500, 17],
    [1000, 20],
    [10_000, 25],
    [100_000, 31],
    [1_000_000, 35],
  ];
  for (const [n, count] of cases) assertEquals(exactOffsets(n).length, count, `at ${n}`);
});

Deno.test("exactOffsets() is what nodes of simulated broadcasts really send to", () => {
  for (let n = 1; n <= 400; n++) {
    const offsets = new Set(simulateExact(n).sends.map(([from, to]) => to - from));
    assertEquals(exactOffsets(n), [...offsets].sort((a, b) => a - b), `at ${n}`);
  }
});

Deno.test("classicOffsets() is at most two per level and never the node itself", () => {
  for (let n = 1; n <= 1000; n++) {
    const offsets = classicOffsets(n);
    assertLessOrEqual(offsets.length, 2 * maxLevels(n));
    assert(offsets.every((offset) => offset > 0 && offset < n), `at ${n}: ${offsets}`);
  }
  assertEquals(classicOffsets(27), [4, 6, 8, 9, 12, 18]);
});
