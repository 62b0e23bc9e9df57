import { assert, assertEquals } from "@std/assert";
import { offsetLevels } from "../../src/admin/tree_levels.ts";
import { classicOffsets, exactOffsets, maxLevels } from "../../src/raintree/tree.ts";

Deno.test("offsetLevels() shrinks the ring to a third a level in exact mode, to two thirds in classic mode", () => {
  const levels = {
    exact: [[1, 1], [2, 1], [3, 2], [6, 2], [9, 3], [18, 3]],
    classic: [[4, 1], [6, 2], [8, 1], [9, 3], [12, 2], [18, 3]],
  };
  for (const mode of ["exact", "classic"] as const) {
    assertEquals([...offsetLevels(mode, 27)].sort(([a], [b]) => a - b), levels[mode]);
    assertEquals([...offsetLevels(mode, 1)], []);
    assertEquals([...offsetLevels(mode, 0)], []);
  }
});

Deno.test("offsetLevels() has a level for each offset that a node ever sends to, and none for others", () => {
  for (let n = 2; n <= 300; n++) {
    for (const [mode, offsets] of [["exact", exactOffsets(n)], ["classic", classicOffsets(n)]] as const) {
      const levels = offsetLevels(mode, n);
      assertEquals([...levels.keys()].sort((a, b) => a - b), offsets, `${mode} ${n}`);
      for (const level of levels.values()) assert(level >= 1 && level <= maxLevels(n), `${mode} ${n}: ${level}`);
    }
  }
});
