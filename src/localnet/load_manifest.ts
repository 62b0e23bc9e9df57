import { asError, P2pError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import type { ConfigProblem } from "../module/config_error.ts";
import type { Fault, Manifest, ManifestValidator } from "./manifest.ts";
import { ManifestError } from "./manifest_error.ts";
import { MANIFEST_SHAPE, type WrittenManifest } from "./manifest_shape.ts";

/** Reads the manifest in a YAML file. @throws {ManifestError} @throws {P2pError} `manifest_unreadable` */
export async function loadManifest(path: string): Promise<Manifest> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    throw new P2pError("manifest_unreadable", `Cannot read manifest "${path}": ${asError(cause).message}`, {
      cause,
      hint: cause instanceof Deno.errors.NotCapable
        ? "Run deno with -A"
        : "Give a YAML file with -f; examples/localnet has some",
    });
  }
  return await parseManifest(text, path);
}

/**
 * Reads a manifest in YAML; an empty one has every default.
 *
 * @throws {ManifestError} `manifest_malformed` with every wrong field.
 */
export async function parseManifest(text: string, source = "localnet.yaml"): Promise<Manifest> {
  const { parse } = await import("@std/yaml");
  let given: unknown;
  try {
    given = parse(text) ?? {};
  } catch (error) {
    // The parser quotes the text around the place, which may be a key.
    const { message, cause } = asError(error);
    if (cause instanceof Deno.errors.NotCapable) {
      throw new P2pError("manifest_unreadable", `Cannot read manifest "${source}": ${message}`, {
        cause,
        hint: "Run deno with -A",
      });
    }
    const at = /line (\d+), column (\d+)/.exec(message);
    const what = message.split("\n")[0].replace(/ at line .*/, "").replaceAll(/[0-9a-f]{16,}/gi, "...");
    const path = at === null ? source : `${source}:${at[1]}:${at[2]}`;
    throw new ManifestError(source, [{ path, message: `is not YAML: ${what}` }]);
  }
  return readManifest(given, source);
}

/** Checks a manifest that is an object already. @throws {ManifestError} with every wrong field. */
export function readManifest(given: unknown, source = "localnet.yaml"): Manifest {
  const problems: ConfigProblem[] = [];
  const written = MANIFEST_SHAPE.read(given, "", problems);
  if (written === undefined) throw new ManifestError(source, problems);
  const { zones: _zones, fullNodes: _fullNodes, ...rest } = written;
  const manifest: Manifest = { ...rest, validators: validatorsOf(written) };
  check(manifest, problems);
  if (problems.length > 0) throw new ManifestError(source, problems);
  return manifest;
}

function validatorsOf({ validators, zones }: WrittenManifest): ManifestValidator[] {
  const each = typeof validators === "number"
    ? Array.from({ length: validators }, () => ({ name: "", key: "", stake: 1, zone: "" }))
    : validators;
  return each.map(({ name, key, stake, zone }, i) => ({
    name: name || `validator-${i}`,
    key,
    stake,
    zone: zone || (zones[i % zones.length] ?? ""),
  }));
}

/** Broadcasts that a node may miss and is sure to be given later: those kept for others have 4 MiB, and are forgotten after a minute. */
const MISSED_MAX = 5_000;

/** What no field alone can tell. */
function check(manifest: Manifest, problems: ConfigProblem[]): void {
  const { validators, bootstrapNodes, links, faults, firstPort } = manifest;
  const note = (path: string, message: string) => void problems.push({ path, message });
  unique(
    validators.map(({ name }) => name),
    (i, twin) => note(`validators[${i}].name`, `is that of validators[${twin}]`),
  );
  unique(validators.map(({ key }) => key), (i, twin) => note(`validators[${i}].key`, `is that of validators[${twin}]`));
  if (bootstrapNodes > validators.length) {
    note("bootstrapNodes", `is ${bootstrapNodes}, there are ${validators.length} validators`);
  }
  for (const [path, link] of [["links", links], ["links.betweenZones", links.betweenZones]] as const) {
    if (link.jitterMs > link.latencyMs) {
      note(`${path}.jitterMs`, `is ${link.jitterMs}, it takes at most latencyMs, which is ${link.latencyMs}`);
    }
  }
  const lastPort = firstPort + 2 * validators.length - 1;
  if (firstPort > 0 && lastPort > 65535) note("firstPort", `is ${firstPort}, the last port would be ${lastPort}`);
  const { cases, ratePerSecond, stopMs, scaleTo } = manifest.parameters.faults;
  const at = "parameters.faults";
  unique(cases, (i, twin) => note(`${at}.cases[${i}]`, `is that of ${at}.cases[${twin}]`));
  if (scaleTo > 0 && scaleTo <= validators.length) {
    note(`${at}.scaleTo`, `is ${scaleTo}, it takes more than the ${validators.length} validators there are`);
  }
  if (ratePerSecond * stopMs > MISSED_MAX * 1_000) {
    const missed = Math.round(ratePerSecond * stopMs / 1_000);
    note(`${at}.ratePerSecond`, `is ${ratePerSecond}, ${missed} are missed in stopMs, nodes keep ${MISSED_MAX} safely`);
  }
  let before = 0;
  faults.forEach((fault, i) => {
    if (fault.atMs < before) note(`faults[${i}].atMs`, `is ${fault.atMs}, before the one above`);
    before = fault.atMs;
    problems.push(...faultProblems(fault, manifest, `faults[${i}]`));
  });
}

/** Everything wrong with a fault of a network. */
export function faultProblems(
  { fault, nodes, groups, validators }: Fault,
  manifest: Manifest,
  path: string,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const note = (field: string, message: string) => void problems.push({ path: `${path}.${field}`, message });
  const names = manifest.validators.map(({ name }) => name);
  const known = (field: string, given: readonly string[]) =>
    given.forEach((name, i) => {
      if (!names.includes(name)) {
        note(`${field}[${i}]`, `is "${name}", which is no validator${didYouMean(name, names)}`);
      }
    });
  const takesNodes = ["kill", "stop", "cont", "restart"].includes(fault);
  if (takesNodes && nodes.length === 0) note("nodes", `is empty, ${fault} takes at least one validator`);
  if (!takesNodes && nodes.length > 0) note("nodes", `is given, ${fault} takes none`);
  if (fault === "partition" && groups.length === 0) note("groups", "is empty, partition takes at least one part");
  if (fault !== "partition" && groups.length > 0) note("groups", `is given, ${fault} takes none`);
  if (fault === "scale" && validators === 0) note("validators", "is 0, scale takes at least 1");
  if (fault !== "scale" && validators > 0) note("validators", `is given, ${fault} takes none`);
  known("nodes", nodes);
  groups.forEach((group, i) => known(`groups[${i}]`, group));
  unique(groups.flat(), (i) => note("groups", `has "${groups.flat()[i]}" twice`));
  return problems;
}

/** Calls `note` for each text, but for empty ones, that stands there already. */
function unique(texts: readonly string[], note: (index: number, twin: number) => void): void {
  const first = new Map<string, number>();
  texts.forEach((each, i) => {
    const twin = first.get(each);
    if (each === "") return;
    if (twin === undefined) first.set(each, i);
    else note(i, twin);
  });
}
