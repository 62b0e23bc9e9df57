import { assertEquals } from "@std/assert";
import { percentile } from "../../src/base/percentile.ts";

Deno.test("percentile() takes the nearest rank", () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assertEquals([0, 0.5, 0.99, 1].map((share) => percentile(values, share)), [1, 50, 99, 100]);
  assertEquals([percentile([7], 0.5), percentile([], 0.5)], [7, undefined]);
});
