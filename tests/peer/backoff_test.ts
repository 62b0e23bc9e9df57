import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { seededRandom } from "../../src/base/random.ts";
import { backoffMs } from "../../src/peer/backoff.ts";

Deno.test("backoffMs() stays within its bounds for any number of failures", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5000 }),
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 0, max: 10_000_000 }),
      fc.integer(),
      (failures, minMs, more, seed) => {
        const wait = backoffMs(failures, { minMs, maxMs: minMs + more }, seededRandom(seed));
        assert(wait >= minMs && wait <= minMs + more, `${wait} ms`);
      },
    ),
    { seed: 7 },
  );
});

Deno.test("backoffMs() doubles its ceiling with each failure and never waits less than half of it", () => {
  const bounds = { minMs: 100, maxMs: 10_000 };
  const at = (failures: number, next: number) => backoffMs(failures, bounds, { ...seededRandom(1), next: () => next });
  assertEquals([1, 2, 3, 6, 7, 50].map((failures) => at(failures, 0)), [100, 200, 400, 3200, 5000, 5000]);
  assertEquals([1, 2, 3, 6, 7, 50].map((failures) => at(failures, 1)), [200, 400, 800, 6400, 10_000, 10_000]);
});

Deno.test("backoffMs() spreads nodes that failed together", () => {
  const random = seededRandom(3);
  const waits = new Set(Array.from({ length: 100 }, () => backoffMs(4, { minMs: 100, maxMs: 10_000 }, random)));
  assert(waits.size > 95);
});
