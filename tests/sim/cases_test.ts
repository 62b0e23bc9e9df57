import { assert, assertEquals } from "@std/assert";
import { CASES } from "./cases/all_cases.ts";
import { describe, judge, type Measures } from "./cases/case.ts";

for (const each of CASES) {
  if (each.quick === undefined) continue;
  Deno.test(`case "${each.name}" holds with ${each.quick} of its ${each.seeds} seeds`, async () => {
    const runs: Measures[] = [];
    for (let seed = 1; seed <= each.quick!; seed++) runs.push(await each.run(seed));
    const broken = judge(each, runs).filter(({ holds }) => !holds)
      .map(({ bar, value }) => `${describe(bar)}, measured ${value}`);
    assertEquals(broken, [], `replay with: deno task sim:all --case "${each.name}" --seeds ${each.quick}`);
  });
}

Deno.test("every case has a name of its own, and bars", () => {
  const names = CASES.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  assert(CASES.every(({ bars }) => bars.length > 0));
});

Deno.test("judge() joins the runs as the bars say, and what was not measured does not hold", () => {
  const runs = Array.from({ length: 200 }, (_, i) => ({ ms: i + 1 }));
  const bars = [
    { measure: "ms", of: "p99", most: 198 },
    { measure: "ms", of: "max", most: 199 },
    { measure: "ms", of: "least", least: 1 },
    { measure: "ms", of: "mean", most: 100.5 },
    { measure: "unheard", of: "sum", most: 0 },
  ] as const;
  assertEquals(judge({ bars }, runs).map(({ holds }) => holds), [true, false, true, true, false]);
});
