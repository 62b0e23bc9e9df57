import { abortable, type Clock, sleep } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import { clusterError, statusOf } from "../kubernetes/cluster_error.ts";
import type { Cluster } from "../kubernetes/connect.ts";
import type { KubernetesObject } from "./kubernetes_objects.ts";

/** A validator's pod, as far as it matters. */
export interface ValidatorPod {
  /** Its name: `validator-3`. */
  readonly name: string;
  /** Tells it from the one of that name before. */
  readonly uid: string;
  /** Where it is reached within the cluster; absent before it has a place. */
  readonly ip: string | undefined;
  /** The machine it is on; absent before it has one. */
  readonly machine: string | undefined;
  /** Whether its node runs. */
  readonly running: boolean;
  /** Whether it is ready, and not on its way out. */
  readonly ready: boolean;
  /** Why its node does not run: `CrashLoopBackOff`; empty where it does, and where nothing is said. */
  readonly waiting: string;
}

/** A namespace that is there. */
export interface NetworkNamespace {
  /** Labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** Annotations. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Whether it is being removed. */
  readonly ending: boolean;
}

/** Which set of validators runs. */
export interface ValidatorSet {
  /** How many there are to be. */
  readonly replicas: number;
  /** What they run. */
  readonly image: string;
  /** Whether each runs the last template, and is ready. */
  readonly settled: boolean;
}

/** Who is staked, as the genesis file has it. */
interface GenesisEntry {
  readonly address: string;
  readonly service_url: string;
}

const SET = "validator";

const OURS = "app.kubernetes.io/part-of=raintree";

const VALIDATORS = `${OURS},app.kubernetes.io/component=validator`;

/** Why a container will not run, however long one waits. */
const HOPELESS: readonly string[] = ["ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"];

/** Who the API server is told owns what we apply. */
const OWNER = "raintree-localnet";

const LOOK_MS = 250;

/** The objects of one network in a cluster: names are those of `k8s/base`. Every method throws {@link clusterError} where the API server refuses. */
export class KubernetesNetwork {
  /** The cluster. */
  readonly cluster: Cluster;
  /** Where in it. */
  readonly namespace: string;
  readonly #clock: Clock;

  /** Asks nothing yet. */
  constructor(cluster: Cluster, namespace: string, clock: Clock) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.#clock = clock;
  }

  /** The namespace; `undefined` where there is none. */
  async read(): Promise<NetworkNamespace | undefined> {
    const { core } = this.cluster;
    const found = await this.#asked("read namespace", () => core.readNamespace({ name: this.namespace }));
    const { labels = {}, annotations = {}, deletionTimestamp } = found?.metadata ?? {};
    return found && { labels, annotations, ending: deletionTimestamp !== undefined };
  }

  /** Makes an object as it is given, or makes it so (server-side apply). Keys that are there already stay. */
  async apply(object: KubernetesObject): Promise<void> {
    const { client, config } = this.cluster;
    const api = client.KubernetesObjectApi.makeApiClient(config);
    const what = `apply ${object.kind} ${object.metadata.name}`;
    if (object.kind === "Secret") {
      if (await this.#asked(what, () => api.read(object)) === undefined) {
        await this.#asked(what, () => api.create(object));
      }
      return;
    }
    await this.#asked(
      what,
      () => api.patch(object, undefined, undefined, OWNER, true, client.PatchStrategy.ServerSideApply),
    );
  }

  /** The validators that there are to be; `undefined` where nothing was applied. */
  async validators(): Promise<ValidatorSet | undefined> {
    const where = { namespace: this.namespace, name: SET };
    const found = await this.#asked("read StatefulSet validator", () => this.#apps.readNamespacedStatefulSet(where));
    if (found === undefined || found.metadata?.deletionTimestamp !== undefined) return undefined;
    const { spec, status, metadata } = found;
    const { replicas = 0 } = spec ?? {};
    return {
      replicas,
      image: spec?.template.spec?.containers[0].image ?? "",
      settled: status?.observedGeneration === metadata?.generation &&
        status?.updateRevision === status?.currentRevision &&
        status?.readyReplicas === replicas && status?.replicas === replicas,
    };
  }

  /** Addresses of the staked by the names of their pods, and the token; `undefined` where they are not made yet. */
  async members(): Promise<{ addresses: ReadonlyMap<string, string>; token: string } | undefined> {
    const { core } = this.cluster;
    const { namespace } = this;
    const [genesis, secret] = await Promise.all([
      this.#asked("read ConfigMap genesis", () => core.readNamespacedConfigMap({ namespace, name: "genesis" })),
      this.#asked("read Secret admin-token", () => core.readNamespacedSecret({ namespace, name: "admin-token" })),
    ]);
    const token = secret?.data?.token;
    if (genesis === undefined || token === undefined) return undefined;
    const { validators } = JSON.parse(genesis.data?.["genesis.json"] ?? "") as { validators: GenesisEntry[] };
    const addresses = new Map(validators.map(({ address, service_url }) => [service_url.split(".")[0], address]));
    return { addresses, token: new TextDecoder().decode(Uint8Array.fromBase64(token)).trim() };
  }

  /** The pods of validators that are there, by name. */
  async pods(): Promise<ReadonlyMap<string, ValidatorPod>> {
    const where = { namespace: this.namespace, labelSelector: VALIDATORS };
    const found = await this.#asked("list pods", () => this.cluster.core.listNamespacedPod(where));
    return new Map((found?.items ?? []).map(({ metadata, status, spec }) => {
      const name = metadata?.name ?? "";
      const state = status?.containerStatuses?.find((each) => each.name === "node")?.state;
      const ending = metadata?.deletionTimestamp !== undefined;
      return [name, {
        name,
        uid: metadata?.uid ?? "",
        ip: status?.podIP,
        machine: spec?.nodeName,
        running: state?.running !== undefined,
        ready: !ending &&
          status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true,
        waiting: state?.waiting?.reason ?? "",
      }];
    }));
  }

  /** Why a pod of the network will never run, such as that its image is nowhere; `undefined` where there is none such. */
  async hopeless(): Promise<string | undefined> {
    const where = { namespace: this.namespace, labelSelector: OURS };
    const found = await this.#asked("list pods", () => this.cluster.core.listNamespacedPod(where));
    for (const { metadata, status } of found?.items ?? []) {
      for (const { image, state } of status?.containerStatuses ?? []) {
        const { reason = "", message = "" } = state?.waiting ?? {};
        if (HOPELESS.includes(reason)) return `Pod ${metadata?.name} cannot run ${image}: ${reason} ${message}`.trim();
      }
    }
    return undefined;
  }

  /** The last lines of a pod's node. */
  async log(pod: string, tailLines: number): Promise<readonly string[]> {
    const where = { namespace: this.namespace, name: pod, container: "node", tailLines };
    const text = await this.#asked(`read the log of ${pod}`, () => this.cluster.core.readNamespacedPodLog(where));
    return (text ?? "").split("\n").filter((line) => line !== "");
  }

  /** Changes the set of validators: a JSON merge patch. */
  async change(patch: Record<string, unknown>): Promise<void> {
    const { client, config } = this.cluster;
    const api = client.KubernetesObjectApi.makeApiClient(config);
    const metadata = { name: SET, namespace: this.namespace };
    const object = { apiVersion: "apps/v1", kind: "StatefulSet", metadata, ...patch };
    await this.#asked(
      "change StatefulSet validator",
      () => api.patch(object, undefined, undefined, OWNER, undefined, client.PatchStrategy.MergePatch),
    );
  }

  /** Asks for a pod to end in order. One that is not there is no error. */
  async deletePod(name: string): Promise<void> {
    const where = { namespace: this.namespace, name };
    await this.#asked(`delete pod ${name}`, () => this.cluster.core.deleteNamespacedPod(where));
  }

  /** Asks for the namespace to be removed, with all in it. */
  async remove(): Promise<void> {
    await this.#asked("delete namespace", () => this.cluster.core.deleteNamespace({ name: this.namespace }));
  }

  /** Looks until something holds. @throws what `signal` aborts with */
  async until(holds: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    while (!await abortable(holds(), signal)) await sleep(this.#clock, LOOK_MS, signal);
  }

  get #apps() {
    return this.cluster.config.makeApiClient(this.cluster.client.AppsV1Api);
  }

  /** What the API server answers; `undefined` where there is no such thing. */
  async #asked<T>(what: string, ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask();
    } catch (cause) {
      if (statusOf(cause) === 404) return undefined;
      const { namespace } = this;
      throw clusterError(
        what.endsWith("namespace") ? `${what} ${namespace}` : `${what} in namespace ${namespace}`,
        cause,
      );
    }
  }
}

/** The error for a namespace that somebody else made. */
export function foreignNamespace(namespace: string, hint: string): P2pError {
  return new P2pError("localnet_differs", `Namespace ${namespace} was not made by \`localnet up\``, { hint });
}
