import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { faultOf } from "../localnet/conformance.ts";
import { assertOne, NEVER, told } from "./_cluster_subject.ts";

const parameters = { load: { ratePerSecond: 40, seconds: 2, withinMs: 1_000, memoryGrowthMiB: 512 } };

Deno.test("load holds of a healthy network, with every broadcast at every node and the samples as evidence", async () => {
  const result = await assertOne("load", { parameters: { load: { ...parameters.load, withinMs: 10_000 } } });
  assert(result.ok, told(result));
  const { asked, accepted, owed, reached, lost, nodes, samples } = result.evidence as Record<string, unknown[]>;
  assertEquals([asked, accepted, owed, reached, lost] as unknown[], [80, 80, 240, 240, []]);
  const sum = (field: string) => nodes.reduce<number>((all, node) => all + (node as Record<string, number>)[field], 0);
  assertEquals([sum("accepted"), sum("received")], [80, 240]);
  assert(Object.values(samples as unknown as Record<string, unknown[]>).every(({ length }) => length >= 3));
});

Deno.test("load fails when broadcasts do not reach a node, and names who lacks what", async () => {
  const result = await assertOne("load", { parameters }, {
    before: (backend) => backend.fault({ ...faultOf("partition"), groups: [["validator-2"]] }, NEVER),
  });
  assertEquals(result.ok, false);
  assertStringIncludes(result.detail, "did not reach validator-2");
  assert((result.evidence.lost as unknown[]).length > 10, told(result));
});

Deno.test("load fails when a node does not answer: what it refuses is not forgotten, nor that it gave no figures", async () => {
  const result = await assertOne("load", { parameters }, {
    before: (backend) => backend.fault(faultOf("kill", "validator-1"), NEVER),
  });
  assertEquals(result.ok, false);
  const wrong = (result.evidence.wrong as string[]).join("\n");
  for (const part of ["were refused: validator-1", "validator-1 never answered", "validator-1 gave 0 samples"]) {
    assertStringIncludes(wrong, part);
  }
});
