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

/**
 * The cluster of this pod or of the current context. The client is loaded here and nowhere else: it takes a third of a second and 80 MB.
 *
 * @throws {P2pError} `kubeconfig_unreadable`
 */
export async function connect(): Promise<Cluster> {
  const client = await load();
  const inside = Deno.env.has("KUBERNETES_SERVICE_HOST") && !Deno.env.has("KUBECONFIG");
  const config = new client.KubeConfig();
  try {
    // In a pod nothing else is looked at: who may read only some folders may not look for a home.
    if (inside) config.loadFromCluster();
    else config.loadFromDefault();
  } catch (cause) {
    throw new P2pError("kubeconfig_unreadable", `Cannot read the kubeconfig: ${asError(cause).message}`, {
      cause,
      hint: "Name a file in KUBECONFIG",
    });
  }
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace ?? "raintree";
  return { config, namespace, core: config.makeApiClient(client.CoreV1Api), client, inside };
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
