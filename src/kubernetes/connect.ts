import process from "node:process";
import type { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { asError, P2pError } from "../base/errors.ts";

/** The package `@kubernetes/client-node`. */
export type KubernetesClient = typeof import("@kubernetes/client-node");

/** A cluster that can be talked to. */
export interface Cluster {
  /** Where it is and who we are. */
  readonly config: KubeConfig;
  /** Namespace of the pod, or of the current context; `raintree` where that names none. */
  readonly namespace: string;
  /** Pods, Secrets, ConfigMaps. */
  readonly core: CoreV1Api;
  /** What the package exports, for those who need more of it. */
  readonly client: KubernetesClient;
  /** Whether we are in a pod of it, and reach the others ourselves. */
  readonly inside: boolean;
}

/** What the client calls the server that it makes up, on port 8080 of this machine, where it finds no kubeconfig. */
const NO_CONTEXT = "loaded-context";

/**
 * The cluster of this pod or of the current context. The client is loaded here and nowhere else: it takes a third of a second and 80 MB.
 *
 * @throws {P2pError} `kubeconfig_unreadable`, `kubeconfig_missing`
 */
export async function connect(): Promise<Cluster> {
  const client = await load();
  const inside = Boolean(Deno.env.get("KUBERNETES_SERVICE_HOST")) && !Deno.env.get("KUBECONFIG");
  const config = new client.KubeConfig();
  try {
    // In a pod nothing else is looked at: who may read only some folders may not look for a home.
    if (inside) config.loadFromCluster();
    else config.loadFromDefault();
  } catch (cause) {
    // The YAML parser quotes the text around the place, which may be a key: neither that nor the cause is kept.
    const [what, ...quoted] = asError(cause).message.split("\n");
    throw new P2pError("kubeconfig_unreadable", `Cannot read the kubeconfig: ${what}`, {
      cause: quoted.length === 0 ? cause : undefined,
      hint: "Name a file in KUBECONFIG",
    });
  }
  if (config.getCurrentContext() === NO_CONTEXT || config.getCurrentCluster() === null) {
    throw new P2pError("kubeconfig_missing", "There is no cluster: no kubeconfig with a current context was found", {
      hint: "Name a file in KUBECONFIG, or choose a context with `kubectl config use-context`",
    });
  }
  const namespace = inside ? await podNamespace() : config.getContextObject(config.getCurrentContext())?.namespace;
  return { config, namespace: namespace ?? "raintree", core: config.makeApiClient(client.CoreV1Api), client, inside };
}

/** The client finds it only with leave to ask who the user is, and is silent without. @throws {P2pError} `kubeconfig_unreadable` */
async function podNamespace(): Promise<string> {
  const path = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch (cause) {
    throw new P2pError("kubeconfig_unreadable", `Cannot read "${path}": ${asError(cause).message}`, {
      cause,
      hint:
        "Give the pod its service account token (automountServiceAccountToken), and deno --allow-read=/var/run/secrets",
    });
  }
}

/** A dependency of the client asks for a module that Node calls old: nothing that a person could do about it. */
async function load(): Promise<KubernetesClient> {
  const { noDeprecation } = process;
  process.noDeprecation = true;
  try {
    return await import("@kubernetes/client-node");
  } finally {
    process.noDeprecation = noDeprecation;
  }
}
