import { abortable, type Clock, deadline } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import { clusterError } from "./cluster_error.ts";
import type { Cluster } from "./connect.ts";
import type { EndpointSlice } from "./endpoints_view.ts";
import type { EndpointEvent, EndpointSource } from "./endpoints_watch.ts";

/** Options of {@link ClusterEndpoints}. */
export interface ClusterEndpointsOptions {
  /** Time. */
  clock: Clock;
  /** The Service. @default {"validators"} */
  service?: string;
  /** Where it is. @default {the namespace of the pod or context} */
  namespace?: string;
  /** How long the API server may watch before it ends a watch, milliseconds. What is silent for longer is dead. @default {60000} */
  watchMs?: number;
}

/** How long a list may take, milliseconds. */
const LIST_MS = 10_000;

/** How much later than promised a watch may end, milliseconds. */
const LATE_MS = 10_000;

/** The EndpointSlices of one Service in a real cluster. Takes `list` and `watch` of endpointslices. */
export class ClusterEndpoints implements EndpointSource {
  readonly #cluster: Pick<Cluster, "config" | "client">;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #namespace: string;
  readonly #labelSelector: string;
  readonly #watchMs: number;

  /** Asks nothing yet. */
  constructor(cluster: Pick<Cluster, "config" | "client" | "namespace">, options: ClusterEndpointsOptions) {
    const { clock, service = "validators", namespace = cluster.namespace, watchMs = 60_000 } = options;
    this.#cluster = cluster;
    this.#clock = clock;
    this.#namespace = namespace;
    this.#path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    this.#labelSelector = `kubernetes.io/service-name=${service}`;
    this.#watchMs = watchMs;
  }

  /** See {@link EndpointSource.list}. */
  async list(signal: AbortSignal): Promise<{ slices: readonly EndpointSlice[]; version: string }> {
    const { config, client } = this.#cluster;
    using limit = deadline(this.#clock, LIST_MS, "Listing the endpoints", signal);
    const asked = config.makeApiClient(client.DiscoveryV1Api)
      .listNamespacedEndpointSlice({ namespace: this.#namespace, labelSelector: this.#labelSelector });
    try {
      const { items, metadata } = await abortable(asked, limit.signal);
      return { slices: items, version: metadata?.resourceVersion ?? "" };
    } catch (cause) {
      limit.signal.throwIfAborted();
      const what = `list endpointslices in namespace ${this.#namespace}`;
      throw clusterError(what, cause, "The Role of a validator takes get, list and watch of endpointslices");
    }
  }

  /** See {@link EndpointSource.watch}. */
  async watch(version: string, onEvent: (event: EndpointEvent) => void, signal: AbortSignal): Promise<void> {
    const { config, client } = this.#cluster;
    // A connection whose other end has vanished says nothing: the server would have ended it by then.
    using limit = deadline(this.#clock, this.#watchMs + LATE_MS, "Watching the endpoints", signal);
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    // What is thrown in here the client keeps to itself.
    const onMessage = (type: string, object: EndpointSlice & { code?: number; message?: string } | null) => {
      if (limit.signal.aborted) return;
      if (type === "ERROR") return reject(refused(object?.code, object?.message));
      if (typeof object !== "object" || object === null) {
        return reject(refused(undefined, `"${type}" without an object`));
      }
      onEvent({ type: type === "DELETED" ? "gone" : type === "BOOKMARK" ? "bookmark" : "present", slice: object });
    };
    const onEnd = (error: unknown) => {
      if (error === null || error === undefined) return resolve();
      const { statusCode } = error as { statusCode?: number };
      reject(statusCode === undefined ? error : refused(statusCode));
    };
    const parameters = {
      labelSelector: this.#labelSelector,
      resourceVersion: version,
      allowWatchBookmarks: true,
      timeoutSeconds: Math.ceil(this.#watchMs / 1000),
    };
    const opened = new client.Watch(config).watch(this.#path, parameters, onMessage, onEnd);
    opened.catch(reject);
    try {
      await abortable(ended, limit.signal);
    } finally {
      // Also where it opens only later: nothing stays open.
      opened.then((controller) => controller.abort(), reject);
    }
  }
}

function refused(status: number | undefined, message = `HTTP status ${status}`): P2pError {
  if (status === 410) return new P2pError("kubernetes_gone", `The API server does not know that version any more`);
  return new P2pError("kubernetes_refused", `The API server refused to go on watching endpointslices: ${message}`);
}
