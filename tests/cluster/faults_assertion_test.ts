import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { assertOne, told } from "./_cluster_subject.ts";

const quick = { ratePerSecond: 40, stopMs: 1_000, downMs: 500 };

/** What stands in the report of each case. */
interface Case {
  fault: string;
  ok: boolean;
  lost: number;
  covered: number;
  meanwhile: number;
  againMs: number;
  evidence: { absences: { node: string; how: string }[] };
}

for (const cases of [["kill", "stop"], ["partition", "third"], ["upgrade", "restart"]]) {
  Deno.test(`faults holds of a network in memory for ${cases.join(" and ")}`, async () => {
    const result = await assertOne("faults", { parameters: { faults: { ...quick, cases } } });
    assert(result.ok, told(result));
    const seen = result.evidence.cases as Case[];
    assertEquals(seen.map(({ fault, lost, covered }) => [fault, lost, covered]), cases.map((each) => [each, 0, 100]));
    for (const { fault, meanwhile, againMs, evidence } of seen) {
      assert(meanwhile > 0 && againMs >= 0, told(result));
      const hit = ["partition", "upgrade"].includes(fault) ? 4 : 1;
      assertEquals(evidence.absences.length, hit);
    }
  });
}

Deno.test("faults says what the back end cannot do, and fails where the manifest asks for it", async () => {
  const asked = await assertOne("faults", { parameters: { faults: { ...quick, cases: ["scale"] } } });
  assertEquals(asked.ok, false);
  assertStringIncludes(asked.detail, "scale was not done: back end memory cannot do scale");
  assertStringIncludes(asked.detail, "No fault was done");
});
