import { parse } from "@std/yaml";
import { P2pError } from "../base/errors.ts";
import { NodeKey } from "../identity/node_key.ts";
import { envName } from "../module/config_fields.ts";
import type { Manifest } from "./manifest.ts";
import { nodeConfig } from "./node_config.ts";

/** An object of Kubernetes, as it stands in a file. */
export interface KubernetesObject {
  /** `apps/v1`. */
  apiVersion: string;
  /** `StatefulSet`. */
  kind: string;
  /** Its name and so on. */
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  /** What it is to be. */
  spec?: Record<string, unknown>;
  /** Texts of a ConfigMap. */
  data?: Record<string, string>;
  /** Texts of a Secret. */
  stringData?: Record<string, string>;
  /** Who a RoleBinding is for. */
  subjects?: { kind: string; name: string; namespace?: string }[];
}

/** How the objects are to be. */
export interface RenderOptions {
  /** Where. */
  namespace: string;
  /** What the containers are made from. */
  image: string;
  /** Put on the namespace: who made it, and from what. */
  annotations: Readonly<Record<string, string>>;
}

/** Validators that have keys, unless there are more: the network can be scaled to as many. */
const MEMBERS_LEAST = 32;

/** The label of a namespace that `localnet up` made, and may remove. */
export const MADE_BY = { label: "app.kubernetes.io/managed-by", value: "raintree-localnet" } as const;

/**
 * The objects of `k8s/base` for one network, in the order in which they are applied. The manifest's keys, where it has any, are in a Secret, which the job
 * `genesis` then leaves as it is.
 *
 * @throws {P2pError} `localnet_unsupported` for what the base has no place for
 */
export async function kubernetesObjects(manifest: Manifest, options: RenderOptions): Promise<KubernetesObject[]> {
  assertRenderable(manifest);
  const objects = await readBase();
  for (const object of objects) adapt(object, manifest, options);
  const secret = keys(manifest, options.namespace);
  if (secret === undefined) return objects;
  // Before the job that would make it.
  const job = objects.findIndex(({ kind }) => kind === "Job");
  return objects.toSpliced(job, 0, secret);
}

/** @throws {P2pError} `localnet_unsupported` */
export function assertRenderable({ validators, bootstrapNodes }: Manifest): void {
  const problem = validators.some(({ stake }) => stake !== 1)
    ? "stakes other than 1: the cluster makes the genesis file"
    : bootstrapNodes > 0
    ? "bootstrap nodes: who is staked comes from the cluster"
    : undefined;
  if (problem !== undefined) throw new P2pError("localnet_unsupported", `Back end kubernetes cannot do ${problem}`);
}

/** Every object of the base, in the order of its kustomization. */
async function readBase(): Promise<KubernetesObject[]> {
  const { resources } = (await readYaml("kustomization.yaml"))[0] as unknown as { resources: string[] };
  return (await Promise.all(resources.map(readYaml))).flat();
}

async function readYaml(file: string): Promise<KubernetesObject[]> {
  // Also where the package is not in a folder.
  const response = await fetch(new URL(`../../k8s/base/${file}`, import.meta.url));
  const documents = (await response.text()).split(/^---$/m);
  return documents.map((document) => parse(document) as KubernetesObject).filter(Boolean);
}

/** Kinds of which each namespace has its own but `Namespace` itself: the base has no others. */
function adapt(object: KubernetesObject, manifest: Manifest, { namespace, image, annotations }: RenderOptions): void {
  const { kind, metadata } = object;
  if (kind === "Namespace") {
    metadata.name = namespace;
    // A partition takes a privileged pod.
    const enforce = { "pod-security.kubernetes.io/enforce": "privileged" };
    metadata.labels = { ...metadata.labels, ...enforce, [MADE_BY.label]: MADE_BY.value };
    metadata.annotations = { ...metadata.annotations, ...annotations };
    return;
  }
  metadata.namespace = namespace;
  for (const subject of object.subjects ?? []) subject.namespace = namespace;
  for (const container of containersOf(object)) container.image = image;
  if (kind === "StatefulSet") object.spec!.replicas = manifest.validators.length;
  if (kind === "Job" && metadata.name === "genesis") {
    for (const container of containersOf(object)) container.args.push("--max", String(membersOf(manifest)));
  }
  if (kind === "ConfigMap" && metadata.name === "node") {
    const given = Object.entries(nodeConfig(manifest)).map(([name, value]) => [envName(name), String(value)]);
    object.data = { ...object.data, ...Object.fromEntries(given) };
  }
}

function containersOf({ spec }: KubernetesObject): { image: string; args: string[] }[] {
  return (spec as { template?: { spec?: { containers?: [] } } } | undefined)?.template?.spec?.containers ?? [];
}

/** How many validators there may ever be. */
function membersOf({ validators, faults }: Manifest): number {
  return Math.max(MEMBERS_LEAST, validators.length, ...faults.map((fault) => fault.validators));
}

function keys(manifest: Manifest, namespace: string): KubernetesObject | undefined {
  const given = manifest.validators.map(({ key }) => key);
  if (given.every((key) => key === "")) return undefined;
  const each = Array.from({ length: membersOf(manifest) }, (_, i) => {
    const key = given[i] ? NodeKey.fromPrivateHex(given[i]) : NodeKey.generate();
    return [`validator-${i}.key`, `${key.privateHex()}\n`];
  });
  const labels = { "app.kubernetes.io/part-of": "raintree" };
  const metadata = { name: "validator-keys", namespace, labels };
  return { apiVersion: "v1", kind: "Secret", metadata, stringData: Object.fromEntries(each) };
}
