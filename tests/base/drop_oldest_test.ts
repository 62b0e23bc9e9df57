import { assertEquals } from "@std/assert";
import { dropOldest } from "../../src/base/drop_oldest.ts";

Deno.test("dropOldest() removes what was put first, and nothing from an empty table", () => {
  const map = new Map([["b", 1], ["a", 2], ["c", 3]]);
  map.set("b", 4);
  dropOldest(map);
  assertEquals([...map], [["a", 2], ["c", 3]]);
  const set = new Set([7]);
  dropOldest(set);
  dropOldest(set);
  assertEquals(set.size, 0);
});
