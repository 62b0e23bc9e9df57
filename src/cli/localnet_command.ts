import { systemClock } from "../base/clock.ts";
import type { Backend } from "../localnet/backend.ts";
import {
  ASSERTION_NAMES,
  BACKEND_NAMES,
  type BackendName,
  type Fault,
  type FaultKind,
  type Manifest,
  VALIDATORS_MAX,
} from "../localnet/manifest.ts";
import type { Command } from "./command.ts";
import { ExitCode } from "./exit_codes.ts";
import { type Flag, type ParsedFlags, parseFlags, parseInteger, UsageError } from "./flags.ts";
import type { Io } from "./io.ts";

/** What pods run unless `--image` says otherwise; as the objects in `k8s` have it. */
const IMAGE = "localhost/raintree:dev";

const IMAGE_VARIABLE = "RAINTREE_IMAGE";

const flags: readonly Flag[] = [
  {
    name: "backend",
    value: BACKEND_NAMES.join("|"),
    summary: "Where it runs (default: where it is up, else process); kubernetes: in the cluster of the current context",
  },
  { name: "file", short: "f", value: "FILE", summary: "The manifest (default localnet.yaml, or nine validators)" },
  { name: "state", value: "DIR", summary: "Keys, genesis, logs, process numbers (default .localnet/NAME)" },
  { name: "image", value: "NAME", summary: `kubernetes: what pods run (default ${IMAGE_VARIABLE}, else ${IMAGE})` },
  { name: "lines", value: "N", summary: "logs: lines of each node (default 20)" },
  { name: "json", summary: "Print one JSON object" },
];

/** The verbs, by what they take behind them at most. */
const VERBS: Readonly<Record<string, number>> = {
  up: 0,
  status: 0,
  assert: ASSERTION_NAMES.length,
  fault: 1 + VALIDATORS_MAX,
  logs: VALIDATORS_MAX,
  down: 0,
  host: 0,
};

/** A verb at work. */
interface Run {
  readonly manifest: Manifest;
  readonly backend: Backend;
  /** What stands behind the verb. */
  readonly words: readonly string[];
  readonly parsed: ParsedFlags;
  readonly io: Io;
}

/** `localnet`: a test network from a manifest. */
export const command: Command = {
  name: "localnet",
  summary: "Start a test network from a manifest, break it, and assert what holds of it",
  help: {
    usage: "localnet up|status|assert|fault|logs|down|genesis [flags]",
    description: "up      starts what does not run yet; ends when every node is ready. The network goes on\n" +
      "status  how every node is; 0 when all are ready\n" +
      "assert  what the manifest asserts, or the named ones; 0 when all holds\n" +
      "fault   kill|stop|cont|restart NODE..., partition A,B C..., heal, upgrade, scale N, or timeline: all of the manifest\n" +
      "logs    the last lines of every node, or of the named ones\n" +
      "down    ends every node and removes the state; also after a crash, also where nothing runs\n" +
      "genesis what validators on Kubernetes need before they start; it has its own --help",
    flags,
    examples: [
      ["localnet up", "nine validators, each a process"],
      ["localnet up --backend memory -f examples/localnet/minimal.yaml", "four, all in one process"],
      ["localnet assert --json", "what holds, as JSON"],
      ["localnet fault kill validator-3", "kill -9"],
      ["localnet down", "nothing is left"],
    ],
  },
  verbs: { genesis: () => import("./localnet_genesis.ts") },
  async run(args: string[], io: Io): Promise<number> {
    const parsed = parseFlags(args, flags, 2 + VALIDATORS_MAX);
    const [verb, ...words] = parsed.positional;
    if (verb === undefined || !Object.hasOwn(VERBS, verb)) {
      const verbs = [...Object.keys(VERBS).filter((each) => each !== "host"), "genesis"].join(", ");
      throw new UsageError(`"localnet" takes one of ${verbs}${verb === undefined ? "" : `, not "${verb}"`}`);
    }
    if (words.length > VERBS[verb]) throw new UsageError(`Unexpected argument "${words[VERBS[verb]]}"`);
    if (verb === "host") return await host(parsed, io);
    const asked = parsed.choice("backend", BACKEND_NAMES);
    const manifest = await manifestOf(parsed.value("file"));
    const folder = absolute(parsed.value("state") ?? `.localnet/${manifest.name}`);
    const image = parsed.value("image") ?? (Deno.env.get(IMAGE_VARIABLE) || IMAGE);
    const backend = await backendOf(asked, manifest, { folder, image });
    const { localnetVerbs } = await import("./localnet_verbs.ts");
    try {
      return await localnetVerbs[verb as keyof typeof localnetVerbs]({ manifest, backend, words, parsed, io });
    } finally {
      backend[Symbol.dispose]?.();
    }
  },
};

export type { Run as LocalnetRun };

async function manifestOf(file: string | undefined): Promise<Manifest> {
  const { loadManifest, readManifest } = await import("../localnet/load_manifest.ts");
  if (file !== undefined) return await loadManifest(file);
  try {
    await Deno.stat("localnet.yaml");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return readManifest({});
    throw error;
  }
  return await loadManifest("localnet.yaml");
}

/** The back end asked for, or else that on which the network is up; one that holds connections is the caller's to dispose of. @throws {UsageError} where it is up on another one */
async function backendOf(
  asked: BackendName | undefined,
  manifest: Manifest,
  { folder, image }: { folder: string; image: string },
): Promise<Backend & Partial<Disposable>> {
  const { StateFolder } = await import("../localnet/state_folder.ts");
  const present = (await new StateFolder(folder, systemClock).read())?.backend;
  if (asked !== undefined && present !== undefined && asked !== present) {
    throw new UsageError(
      `Network ${manifest.name} is up on back end ${present}, not ${asked}`,
      "Leave --backend out, or end it first with `localnet down`",
    );
  }
  switch (asked ?? present ?? "process") {
    case "process": {
      const { ProcessBackend } = await import("../localnet/process_backend.ts");
      return new ProcessBackend(manifest, { folder });
    }
    case "memory": {
      const { HostedMemory } = await import("../localnet/hosted_memory.ts");
      return new HostedMemory(manifest, { folder });
    }
    case "kubernetes": {
      const [{ KubernetesBackend }, { connect }] = await Promise.all([
        import("../localnet/kubernetes_backend.ts"),
        import("../kubernetes/connect.ts"),
      ]);
      return new KubernetesBackend(manifest, { cluster: await connect(), folder, image });
    }
  }
}

/** The process in which the memory back end lives; `up` starts it. */
async function host(parsed: ParsedFlags, io: Io): Promise<number> {
  const folder = parsed.value("state");
  if (folder === undefined) throw new UsageError('"localnet host" is started by "localnet up --backend memory"');
  const [{ runMemoryHost }, { logTo }] = await Promise.all([
    import("../localnet/memory_host.ts"),
    import("./logs.ts"),
  ]);
  using _logs = logTo(io, "warning");
  await runMemoryHost(folder, io.signal);
  return ExitCode.ok;
}

function absolute(path: string): string {
  const full = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  return full.replace(/\/+$/, "");
}

/** What stands behind `fault`. @throws {UsageError} */
export function faultOf([kind, ...words]: readonly string[], kinds: readonly FaultKind[]): Fault {
  if (!(kinds as readonly (string | undefined)[]).includes(kind)) {
    throw new UsageError(`"localnet fault" takes one of ${kinds.join(", ")}, timeline${kind ? `, not "${kind}"` : ""}`);
  }
  const fault = kind as FaultKind;
  if (fault === "partition") {
    return { fault, nodes: [], groups: words.map((word) => word.split(",")), validators: 0 };
  }
  if (fault === "scale") {
    if (words.length > 1) throw new UsageError(`Unexpected argument "${words[1]}"`);
    return { fault, nodes: [], groups: [], validators: parseInteger("scale", words[0] ?? "", 1, VALIDATORS_MAX) };
  }
  return { fault, nodes: words, groups: [], validators: 0 };
}
