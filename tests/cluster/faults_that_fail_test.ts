import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Access } from "../../src/localnet/backend.ts";
import type { Fault, FaultKind, Manifest } from "../../src/localnet/manifest.ts";
import { MEMORY_FAULTS, MemoryBackend } from "../../src/localnet/memory_backend.ts";
import { assertOne, told } from "./_cluster_subject.ts";

const quick = { ratePerSecond: 40, stopMs: 1_000, downMs: 500, withinMs: 1_000 };

/** A back end that says it did a fault, and did not. */
function pretending(...kinds: FaultKind[]) {
  return (manifest: Manifest) =>
    new (class extends MemoryBackend {
      override fault(fault: Fault, signal: AbortSignal): Promise<void> {
        return kinds.includes(fault.fault) ? Promise.resolve() : super.fault(fault, signal);
      }
    })(manifest);
}

Deno.test("faults fails when accepted broadcasts do not reach live nodes: a node is killed, and no layer makes up for it", async () => {
  const layers = { acks: false, repair: false, failureDetector: false };
  const parameters = { faults: { ...quick, downMs: 1_500, cases: ["kill"] } };
  const result = await assertOne("faults", { validators: 9, raintree: { layers }, parameters });
  assertEquals(result.ok, false, told(result));
  assertStringIncludes(result.detail, "accepted by");
  const [{ lost, covered }] = result.evidence.cases as { lost: number; covered: number }[];
  assert(lost > 0 && covered < 100, told(result));
  // The same with the layers on.
  const held = await assertOne("faults", { validators: 9, parameters });
  assertStringIncludes(held.detail, held.ok ? "0 lost" : "took", told(held));
  assertEquals((held.evidence.cases as { lost: number }[])[0].lost, 0, told(held));
});

for (
  const [fault, what] of [
    ["kill", "does not come back"],
    ["upgrade", "Not every validator came back"],
    ["stop", "was to be stopped for 1000 ms, and was silent for"],
    ["partition", "went through the cut"],
    ["cont", "is back and does not get broadcasts"],
  ] as const
) {
  Deno.test(`faults fails when the back end pretends to ${fault}`, async () => {
    const name = fault === "cont" ? "stop" : fault;
    // A short stop of a second is not told from none: answers take their time.
    const faults = { ...quick, stopMs: fault === "stop" ? 2_500 : 1_000, withinMs: 500, cases: [name] };
    const given = { readyWithinMs: 1_000, parameters: { faults } };
    const result = await assertOne("faults", given, { make: pretending(fault) });
    assertEquals(result.ok, false, told(result));
    assertStringIncludes((result.evidence.wrong as string[]).join("\n"), what.replace("1000", String(faults.stopMs)));
  });
}

Deno.test("faults fails when who was killed is not started again", async () => {
  const make = (manifest: Manifest) =>
    new (class extends MemoryBackend {
      #wasUp = false;
      override async up(signal: AbortSignal): Promise<void> {
        if (!this.#wasUp) await super.up(signal);
        this.#wasUp = true;
      }
    })(manifest);
  const given = { readyWithinMs: 1_000, parameters: { faults: { ...quick, cases: ["kill", "restart"] } } };
  const result = await assertOne("faults", given, { make });
  assertEquals(result.ok, false);
  const wrong = (result.evidence.wrong as string[]).join("\n");
  assertStringIncludes(wrong, "does not come back in 1000 ms");
  // What follows is not done to a network that is not whole.
  assertStringIncludes(wrong, "restart: it could not begin");
});

Deno.test("faults leaves out what the back end cannot do unless it is asked for, and says so", async () => {
  const make = (manifest: Manifest) =>
    new (class extends MemoryBackend {
      override readonly faults: ReadonlySet<FaultKind> = new Set(["restart"] as const);
    })(manifest);
  const result = await assertOne("faults", { parameters: { faults: { ...quick, withinMs: 10_000 } } }, { make });
  assert(result.ok, told(result));
  assertStringIncludes(result.detail, "NOT done here: kill, stop, third, partition, upgrade, scale");
  assertEquals((result.evidence.notDone as { fault: string; why: string }[])[1], {
    fault: "stop",
    why: "back end memory cannot do stop, cont",
  });
});

/** Six nodes of which two are not of the network until it is scaled. */
class ScalingBackend extends MemoryBackend {
  override readonly faults: ReadonlySet<FaultKind> = new Set([...MEMORY_FAULTS, "scale"]);
  /** How many there are. */
  count = 4;

  override async access(): Promise<Access | undefined> {
    const access = await super.access();
    return access && { ...access, nodes: access.nodes.slice(0, this.count) };
  }

  override fault(fault: Fault, signal: AbortSignal): Promise<void> {
    if (fault.fault !== "scale") return super.fault(fault, signal);
    this.count = fault.validators;
    return Promise.resolve();
  }
}

Deno.test("faults asks of scale that who joined gets broadcasts, and that there are as many as before in the end", async () => {
  const faults = { ...quick, withinMs: 10_000, downMs: 2_500, cases: ["scale"] };
  const given = { validators: 6, parameters: { faults } };
  let backend: ScalingBackend;
  const make = (manifest: Manifest) => backend = new ScalingBackend(manifest);
  const result = await assertOne("faults", given, { make });
  assert(result.ok, told(result));
  assertEquals(backend!.count, 4);
  const [{ nodes, evidence }] = result.evidence.cases as {
    nodes: string;
    evidence: { absences: { node: string; fromMs: number | null }[] };
  }[];
  assertEquals(nodes, "validator-4, validator-5");
  assertEquals(evidence.absences.map(({ fromMs }) => fromMs === null), [true, true, false, false]);
  // They are cut off: nobody hears of them, nor they of anybody.
  const cut = await assertOne("faults", { ...given, parameters: { faults: { ...faults, withinMs: 500 } } }, {
    make: (manifest) => {
      const scaling = new ScalingBackend(manifest);
      const fault = scaling.fault.bind(scaling);
      scaling.fault = async (each, signal) => {
        if (each.validators === 6) {
          const groups = [["validator-4", "validator-5"]];
          await fault({ fault: "partition", nodes: [], groups, validators: 0 }, signal);
        }
        await fault(each, signal);
      };
      return scaling;
    },
  });
  assertEquals(cut.ok, false);
  assertStringIncludes(cut.detail, "validator-4 is back and does not get broadcasts");
});
