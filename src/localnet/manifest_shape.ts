import { NodeKey } from "../identity/node_key.ts";
import type { P2PConfig } from "../module/config.ts";
import { boolean, choice, integer, type Kind, list, malformed, share, text } from "../module/config_kind.ts";
import {
  ASSERTION_NAMES,
  type AssertionName,
  type AssertionParameters,
  FAULT_CASES,
  FAULT_KINDS,
  type FaultParameters,
  type LoadParameters,
  type Manifest,
  type ManifestLayers,
  type ManifestLink,
  type ManifestLinks,
  type ManifestRainTree,
  type TimedFault,
  VALIDATORS_MAX,
} from "./manifest.ts";
import { listOf, object, type Shape, value } from "./shape.ts";

/** Those that take seconds and break nothing: what is asserted where the manifest does not say. */
const QUICK_ASSERTIONS: readonly AssertionName[] = ["ready", "broadcast-each", "broadcast-any", "requests"];

/** A validator as it is written: what is empty is filled in. */
export type WrittenValidator = {
  /** Empty: `validator-0` and so on. */
  name: string;
  /** Hex. */
  key: string;
  /** Stake. */
  stake: number;
  /** Empty: the next of `zones`. */
  zone: string;
};

/** The document as it is written. */
export type WrittenManifest = Omit<Manifest, "validators"> & {
  /** How many, or each. */
  validators: number | readonly WrittenValidator[];
  /** Zones that validators without one are dealt to, in turn. */
  zones: readonly string[];
  /** Reserved. */
  fullNodes: 0;
};

const HOUR_MS = 3_600_000;

const word: Kind<string> = text((given) => {
  if (/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(given)) return given;
  throw malformed(given, "1 to 40 lower-case letters, digits and hyphens, no hyphen first or last");
}, { placeholder: "NAME" });

const emptyOr = (kind: Kind<string>): Kind<string> => ({
  ...kind,
  read: (given, report) => given === "" ? "" : kind.read(given, report),
});

const key: Kind<string> = emptyOr(text((given) => NodeKey.fromPrivateHex(given).privateHex(), {
  placeholder: "HEX",
  secret: true,
}));

const validator = object<WrittenValidator>({
  name: value(emptyOr(word), "Its name; left out: `validator-` and its place in the list", ""),
  key: value(
    key,
    "Private key, 64 or 128 hex digits; left out: one is made. Never commit one that is worth something",
    "",
  ),
  stake: value(integer(0, Number.MAX_SAFE_INTEGER), "Its stake", 1),
  zone: value(emptyOr(word), "Its zone; left out: the next of `zones`", ""),
}, "");

const validatorList = listOf(validator, "");

const validators: Shape<number | readonly WrittenValidator[]> = {
  ...validatorList,
  placeholder: `1..${VALIDATORS_MAX}, or list`,
  doc: "How many validators, or each of them",
  fallback: 9,
  read(given, path, problems) {
    const note = (message: string) => void problems.push({ path, message });
    if (!Array.isArray(given)) {
      return integer(1, VALIDATORS_MAX).read(given, (message) => note(`${message}, or a list`) as undefined);
    }
    if (given.length >= 1 && given.length <= VALIDATORS_MAX) return validatorList.read(given, path, problems);
    return note(`has ${given.length} validators, it takes 1 to ${VALIDATORS_MAX}`) as undefined;
  },
};

const fullNodes: Shape<0> = {
  ...value<0>({
    placeholder: "reserved",
    fromText: (given) => given,
    read: (_given, report) => report("is reserved: full nodes come with the background router"),
  }, "Reserved: nodes that are not staked come with the background router. It is refused"),
  fallback: 0,
};

/** `latencyMs` and so on, with the jitter checked against the latency. */
function link(doc: string): { readonly [Name in keyof ManifestLink]: Shape<ManifestLink[Name]> } {
  const number = (most: number): Kind<number> => ({
    placeholder: "MS",
    fromText: (given) => given,
    read: (given, report) =>
      typeof given === "number" && given >= 0 && given <= most
        ? given
        : report(`is ${JSON.stringify(given)}, it takes a number from 0 to ${most}`),
  });
  return {
    latencyMs: value(number(10_000), `One-way delay${doc}, milliseconds`, 0),
    jitterMs: value(number(10_000), "The delay varies by as much around it, at most `latencyMs`", 0),
    loss: value({ ...number(0.5), placeholder: "0..0.5" }, "Share of packets lost; a connection sends them again", 0),
  };
}

const names = (doc: string) => value(list(word), doc, []);

/** The one place where every field of `localnet.yaml` is described. */
export const MANIFEST_SHAPE: Shape<WrittenManifest> = object<WrittenManifest>({
  name: value(word, "Name of the network: of its state folder, and its chain ID", "localnet"),
  validators,
  zones: value(list(word), "Zones that validators without one of their own are dealt to, in turn", []),
  bootstrapNodes: value(
    integer(0, VALIDATORS_MAX),
    "How many validators, the first ones, the others name in `bootstrap_nodes_csv`: who knows nobody asks them",
    0,
  ),
  fullNodes,
  raintree: object<ManifestRainTree>({
    mode: value(choice("exact", "classic"), "Targets: exact reaches everyone once, classic is Pocket's table", "exact"),
    layers: object<ManifestLayers>({
      acks: value(boolean, "`acks` of [a node's configuration](configuration.md)", true),
      redundancy: value(share, "`redundancy` there", 0),
      igyw: value(boolean, "`igyw` there", false),
      repair: value(boolean, "`repair` there", true),
      failureDetector: value(boolean, "`failure_detector` there", true),
    }, "Reliability layers"),
  }, "How broadcasts spread"),
  links: object<ManifestLinks>({
    ...link(""),
    betweenZones: object<ManifestLink>(
      link(" between nodes of different zones"),
      "Added to these between nodes of different zones",
    ),
  }, "What lies between the nodes; the back end has to be able to do it"),
  faults: listOf(
    object<TimedFault>({
      atMs: value(integer(0, HOUR_MS), "When, milliseconds from the start of the timeline"),
      fault: value(choice(...FAULT_KINDS), "What happens"),
      nodes: names("To which validators: `kill`, `stop`, `cont`, `restart`"),
      groups: value(
        groupsKind(),
        "Parts of a `partition`, each a list of names; validators of no part are one more",
        [] as readonly (readonly string[])[],
      ),
      validators: value(integer(0, VALIDATORS_MAX), "How many validators there are to be: `scale`", 0),
    }, ""),
    "What happens, in order: `fault timeline` does it",
  ),
  assertions: value(
    list(choice(...ASSERTION_NAMES)),
    "What `assert` checks, in this order",
    QUICK_ASSERTIONS,
  ),
  parameters: object<AssertionParameters>({
    load: object<LoadParameters>({
      ratePerSecond: value(integer(1, 1_000), "Broadcasts a second, from random validators", 100),
      seconds: value(integer(1, 3_600), "For how long", 30),
      payloadBytes: value(integer(1, 65_536), "Bytes of each payload", 256),
      withinMs: value(
        integer(100, 60_000),
        "How long the last broadcasts may take to be everywhere, milliseconds",
        10_000,
      ),
      memoryGrowthMiB: value(
        integer(1, 4_096),
        "How much the memory of a process may grow from the first third of the time, which warms it up, to the last, MiB",
        64,
      ),
      queuedMessages: value(integer(1, 100_000), "Most messages that a node may have queued for all its peers", 1_000),
    }, "What `load` does and allows"),
    faults: object<FaultParameters>({
      cases: value(
        list(choice(...FAULT_CASES)),
        "Which, in this order; left out: all that the back end can do, in that of the table below",
        [],
      ),
      ratePerSecond: value(integer(1, 200), "Broadcasts a second meanwhile", 20),
      stopMs: value(integer(1_000, 30_000), "How long `stop` and `partition` last, milliseconds", 10_000),
      downMs: value(
        integer(500, 30_000),
        "How long those killed stay away before they are started, milliseconds; where the cluster does that itself, it does",
        3_000,
      ),
      withinMs: value(
        integer(100, 60_000),
        "How long a validator that is back may take to get broadcasts again, and the last ones to be everywhere, milliseconds",
        10_000,
      ),
      scaleTo: value(
        integer(0, VALIDATORS_MAX),
        "How many validators `scale` goes up to before it goes back; 0: half as many again, rounded down",
        0,
      ),
    }, "What `faults` does and allows"),
  }, "How the assertions do it"),
  firstPort: value(
    integer(0, 65535),
    "First of the TCP ports, two for each validator, for `process`; 0: free ones are looked for",
    0,
  ),
  readyWithinMs: value(integer(100, HOUR_MS), "How long all may take to be ready, milliseconds", 60_000),
  logLevel: value<P2PConfig["log_level"]>(
    choice("trace", "debug", "info", "warning", "error", "fatal"),
    "Least severe message that a node logs",
    "info",
  ),
}, "");

function groupsKind(): Kind<readonly (readonly string[])[]> {
  const group = list(word);
  return {
    placeholder: "list of lists of NAME",
    fromText: (given) => given,
    read(given, report) {
      if (!Array.isArray(given)) return report("is not a list, it takes a list of lists of names");
      const read = given.map((each, i) => group.read(each, (message) => report(message, i)));
      return read.includes(undefined) ? undefined : read as string[][];
    },
  };
}
