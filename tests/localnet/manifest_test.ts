import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { loadManifest, parseManifest, readManifest } from "../../src/localnet/load_manifest.ts";
import { ManifestError } from "../../src/localnet/manifest_error.ts";
import { MANIFEST_SHAPE } from "../../src/localnet/manifest_shape.ts";

const root = new URL("../../", import.meta.url);
const page = new URL("docs/localnet.md", root);

/** The table of the page: change the shape, then `UPDATE_DOCS=1 deno task test tests/localnet/manifest_test.ts`. */
function table(): string {
  const rows = MANIFEST_SHAPE.rows().filter(({ shape }) => shape.doc !== "").map(({ path, shape }) => {
    const { placeholder, fallback, doc } = shape;
    const isObject = typeof fallback === "object" && !Array.isArray(fallback) || placeholder === "";
    const shown = fallback === undefined
      ? "required"
      : isObject || fallback === "" || Array.isArray(fallback) && fallback.length === 0
      ? ""
      : `\`${Array.isArray(fallback) ? fallback.join(", ") : fallback}\``;
    const value = isObject ? "fields" : placeholder.replaceAll("|", "\\|");
    return `| \`${path.slice(1)}\` | ${value} | ${shown} | ${doc} |`;
  });
  return `<!-- deno-fmt-ignore-start -->
| field | value | default | meaning |
| --- | --- | --- | --- |
${rows.join("\n")}
<!-- deno-fmt-ignore-end -->`;
}

const TABLE = /<!-- deno-fmt-ignore-start -->[\s\S]*?<!-- deno-fmt-ignore-end -->/;

Deno.test("docs/localnet.md lists the fields as they are", async () => {
  const text = await Deno.readTextFile(page);
  if (Deno.env.get("UPDATE_DOCS")) await Deno.writeTextFile(page, text.replace(TABLE, () => table()));
  assertEquals(TABLE.exec(await Deno.readTextFile(page))?.[0], table());
});

Deno.test("parseManifest() fills in every default when the text is empty", async () => {
  const manifest = await parseManifest("");
  assertEquals([manifest.name, manifest.validators.length, manifest.raintree.mode], ["localnet", 9, "exact"]);
  assertEquals(manifest.raintree.layers.repair, true);
  assertEquals(manifest.validators[8], { name: "validator-8", key: "", stake: 1, zone: "" });
  assertEquals(manifest.assertions, ["ready", "broadcast-each", "broadcast-any", "requests"]);
  assertEquals(manifest.faults, []);
  assertEquals([manifest.parameters.load.ratePerSecond, manifest.parameters.load.seconds], [100, 30]);
  assertEquals([manifest.parameters.faults.cases, manifest.parameters.faults.withinMs], [[], 10_000]);
});

Deno.test("parseManifest() takes a list of validators, and deals them to zones in turn", async () => {
  const { validators } = await parseManifest(`
zones: [east, west]
validators:
  - {}
  - { name: second, stake: 5 }
  - { zone: north }
`);
  assertEquals(validators, [
    { name: "validator-0", key: "", stake: 1, zone: "east" },
    { name: "second", key: "", stake: 5, zone: "west" },
    { name: "validator-2", key: "", stake: 1, zone: "north" },
  ]);
});

Deno.test("readManifest() reports every wrong field at once, with its path, and never a key", () => {
  const secret = "5ec2e7".repeat(9);
  const error = assertThrows(() =>
    readManifest({
      name: "No Name",
      validators: [{ key: secret }, { stake: -1 }, 7, { sake: 1 }],
      fullNodes: 2,
      raintree: { mode: "exakt", layers: { redundancy: 2, repairs: true } },
      links: { latencyMs: -5, betweenZones: { loss: 1 } },
      faults: [{ fault: "kill" }, { atMs: 0, fault: "partition", groups: [7] }],
      assertions: ["ready", "broadcast"],
      parameters: { load: { seconds: 0, rate: 5 }, faults: { cases: ["kill", "killed"], stopMs: 5 } },
      validaters: 3,
    }), ManifestError);
  assertEquals(error.problems.map(({ path }) => path), [
    "validaters",
    "name",
    "validators[0].key",
    "validators[1].stake",
    "validators[2]",
    "validators[3].sake",
    "fullNodes",
    "raintree.mode",
    "raintree.layers.repairs",
    "raintree.layers.redundancy",
    "links.latencyMs",
    "links.betweenZones.loss",
    "faults[0].atMs",
    "faults[1].groups[0]",
    "assertions[1]",
    "parameters.load.rate",
    "parameters.load.seconds",
    "parameters.faults.cases[1]",
    "parameters.faults.stopMs",
  ]);
  assertStringIncludes(error.message, 'did you mean "validators"?');
  assertStringIncludes(error.message, "full nodes come with the background router");
  assert(!error.message.includes(secret));
});

Deno.test("readManifest() reports what no field alone can tell", () => {
  const error = assertThrows(() =>
    readManifest({
      validators: [{ name: "a" }, { name: "a" }],
      bootstrapNodes: 3,
      firstPort: 65533,
      links: { latencyMs: 1, jitterMs: 2 },
      faults: [
        { atMs: 5, fault: "kill", nodes: ["b"] },
        { atMs: 1, fault: "heal", nodes: ["a"] },
        { atMs: 6, fault: "partition", groups: [["a"], ["a"]] },
        { atMs: 7, fault: "scale" },
      ],
      parameters: { faults: { cases: ["kill", "stop", "kill"], scaleTo: 2, ratePerSecond: 200, stopMs: 30_000 } },
    }), ManifestError);
  assertEquals(error.problems.map(({ path }) => path), [
    "validators[1].name",
    "bootstrapNodes",
    "links.jitterMs",
    "firstPort",
    "parameters.faults.cases[2]",
    "parameters.faults.scaleTo",
    "parameters.faults.ratePerSecond",
    "faults[0].nodes[0]",
    "faults[1].atMs",
    "faults[1].nodes",
    "faults[2].groups",
    "faults[3].validators",
  ]);
});

Deno.test("parseManifest() says where the YAML is broken without quoting a key", async () => {
  const error = await assertRejects(() => parseManifest(`name: x\nkey: "${"ab".repeat(32)}\n`), ManifestError);
  assert(!error.message.includes("abab"), error.message);
  assertStringIncludes(error.message, "is not YAML");
});

Deno.test("loadManifest() reads every example, and is refused none", async () => {
  const read: Record<string, number> = {};
  for await (const { name } of Deno.readDir(new URL("examples/localnet/", root))) {
    const manifest = await loadManifest(new URL(`examples/localnet/${name}`, root).pathname);
    assertEquals(`${manifest.name}.yaml`, name);
    read[manifest.name] = manifest.validators.length;
  }
  assertEquals(
    Object.fromEntries(
      Object.entries(read).filter(([name]) => ["minimal", "standard", "wide", "faults"].includes(name)),
    ),
    { minimal: 4, standard: 9, wide: 27, faults: 9 },
  );
});
