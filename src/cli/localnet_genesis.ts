import { systemRandom } from "../base/random.ts";
import type { Command } from "./command.ts";
import { ExitCode } from "./exit_codes.ts";
import { type Flag, parseFlags, UsageError } from "./flags.ts";
import type { Io } from "./io.ts";

/** A namespace on Kubernetes: a DNS label. */
const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Validators that have keys unless `--max` says how many. */
const MAX_DEFAULT = 32;

/** Keys of so many fit into one Secret, which takes 1 MiB. */
const MAX_MOST = 1_000;

const flags: readonly Flag[] = [
  {
    name: "max",
    value: "N",
    summary:
      `Validators that may ever run, 1 to ${MAX_MOST} (default ${MAX_DEFAULT}); of no account where keys are there`,
  },
  { name: "namespace", short: "n", value: "NAME", summary: "Where (default: the pod's own, or that of the context)" },
  { name: "json", summary: "Print one JSON object" },
];

/** `localnet genesis`: what validators on Kubernetes need before they start. */
export const command: Command = {
  name: "genesis",
  summary:
    "Make the keys, the genesis file and the token of a test network on Kubernetes, where they are not there yet",
  help: {
    usage: "localnet genesis [flags]",
    description:
      "Makes Secret validator-keys, ConfigMap genesis and Secret admin-token in the cluster: as a Job in it, or from\n" +
      "outside in the current context. No key is written to a file or printed. What is there stays as it is, so running it\n" +
      "again, or twice at once, changes nothing. The exit code is 0 when all three are there and belong together.",
    flags,
    examples: [
      ["localnet genesis", "in a pod: for the namespace of the pod"],
      ["localnet genesis --namespace raintree --max 100", "from outside, for up to 100 validators"],
      ["localnet genesis --json", "what was made and what was there, as JSON"],
    ],
  },
  async run(args: string[], io: Io): Promise<number> {
    const parsed = parseFlags(args, flags);
    const max = parsed.integer("max", 1, MAX_MOST) ?? MAX_DEFAULT;
    const asked = parsed.value("namespace");
    if (asked !== undefined && !NAMESPACE.test(asked)) {
      throw new UsageError(`"--namespace" is "${asked}", it takes small letters, digits and hyphens, at most 63`);
    }
    const [{ connect }, { ClusterObjects }, { ensureGenesis }] = await Promise.all([
      import("../kubernetes/connect.ts"),
      import("../kubernetes/cluster_objects.ts"),
      import("../kubernetes/genesis_objects.ts"),
    ]);
    const cluster = await connect();
    const namespace = asked ?? cluster.namespace;
    const objects = new ClusterObjects(cluster, namespace);
    const { validators, objects: made } = await ensureGenesis(objects, { namespace, max, random: systemRandom });
    if (parsed.has("json")) {
      io.stdout(`${JSON.stringify({ namespace, validators, objects: made })}\n`);
      return ExitCode.ok;
    }
    for (const { kind, name, created } of made) {
      io.stdout(`${kind} ${namespace}/${name} ${created ? "created" : "was there, unchanged"}\n`);
    }
    io.stdout(`Genesis of namespace ${namespace} has ${validators} validator${validators === 1 ? "" : "s"}\n`);
    return ExitCode.ok;
  },
};
