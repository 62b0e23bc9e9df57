import { type Clock, deadline, systemClock } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import type { Cluster } from "../kubernetes/connect.ts";
import { podExec } from "../kubernetes/pod_exec.ts";
import { ProxiedFetch } from "../kubernetes/proxied_fetch.ts";
import { allOf } from "./all_of.ts";
import type { Access, Backend, LocalNode, NetworkStatus } from "./backend.ts";
import { downError, unknownNodeError } from "./backend_errors.ts";
import { foreignNamespace, KubernetesNetwork, type ValidatorSet } from "./kubernetes_network.ts";
import { assertRenderable, kubernetesObjects, MADE_BY } from "./kubernetes_objects.ts";
import { KubernetesPartition } from "./kubernetes_partition.ts";
import type { Fault, FaultKind, Manifest } from "./manifest.ts";
import { assertSame, digestOf } from "./manifest_digest.ts";
import { networkStatus } from "./network_status.ts";
import { StateFolder } from "./state_folder.ts";
import { assertFault, assertSupported } from "./unsupported.ts";

/** Options of a {@link KubernetesBackend}. */
export interface KubernetesBackendOptions {
  /** The cluster of the current context, or that around this pod. */
  cluster: Cluster;
  /** Where is noted that it is up, and from which objects. */
  folder: string;
  /** What the containers are made from. */
  image: string;
  /** Time. @default {systemClock} */
  clock?: Clock;
}

/** Port of the admin API in every pod. */
const ADMIN_PORT = 8080;

/** How long a namespace with all in it may take to end, milliseconds: pods end in order. */
const END_MS = 120_000;

/** How long validators are not begun for want of keys, milliseconds. */
const KEYS_MS = 10_000;

/** How long a signal may take to get to a process, milliseconds. */
const SIGNAL_MS = 15_000;

/** Where the digest of the manifest stands on the namespace. */
const DIGEST = "raintree.dev/manifest";

/**
 * A network of pods, from the objects in `k8s/base`, in a namespace of the network's name. What is up is what the cluster says: the state folder only notes in
 * which cluster. In a pod it is the network around that pod, and so is a network that `kubectl apply -k` made: these can be asserted and broken, not removed.
 */
export class KubernetesBackend implements Backend, Disposable {
  readonly name = "kubernetes";
  readonly faults: ReadonlySet<FaultKind> = new Set(
    ["kill", "stop", "cont", "restart", "partition", "heal", "upgrade", "scale"] as const,
  );
  readonly restartsKilled = true;
  readonly shapesLinks = false;
  readonly #manifest: Manifest;
  readonly #cluster: Cluster;
  readonly #network: KubernetesNetwork;
  readonly #partition: KubernetesPartition;
  readonly #folder: StateFolder;
  readonly #image: string;
  readonly #clock: Clock;
  readonly #proxy: ProxiedFetch;

  /** Starts nothing yet. */
  constructor(manifest: Manifest, options: KubernetesBackendOptions) {
    const { cluster, folder, image, clock = systemClock } = options;
    this.#manifest = manifest;
    this.#cluster = cluster;
    this.#network = new KubernetesNetwork(cluster, cluster.inside ? cluster.namespace : manifest.name, clock);
    this.#partition = new KubernetesPartition(this.#network, clock);
    this.#folder = new StateFolder(folder, clock);
    this.#image = image;
    this.#clock = clock;
    this.#proxy = new ProxiedFetch(cluster, clock);
  }

  async up(signal: AbortSignal): Promise<void> {
    assertSupported(this.#manifest, this);
    assertRenderable(this.#manifest);
    signal.throwIfAborted();
    if (await this.#isForeign()) return await this.#ready(signal);
    using _lock = await this.#folder.lock(signal);
    await this.#assertContext();
    const before = await this.#read();
    if (before !== undefined) assertSame({ ...before, backend: this.name }, this.#manifest, this.name);
    try {
      await this.#apply(signal);
      await this.#ready(signal);
    } catch (error) {
      if (before === undefined) await this.#remove();
      throw error;
    }
  }

  async access(): Promise<Access | undefined> {
    const [set, members] = await Promise.all([this.#network.validators(), this.#network.members()]);
    if (set === undefined || members === undefined) return undefined;
    const { namespace } = this.#network;
    const pods = await this.#network.pods();
    const nodes = Array.from({ length: set.replicas }, (_, i): LocalNode => {
      const pod = podName(i);
      const common = {
        name: this.#manifest.validators[i]?.name ?? pod,
        address: (members.addresses.get(pod) ?? "") as LocalNode["address"],
        role: "validator" as const,
      };
      if (!this.#cluster.inside) {
        const ask = (url: string, init: RequestInit) => this.#proxy.fetch(url, init);
        return { ...common, adminUrl: this.#proxy.url(namespace, pod, ADMIN_PORT), ask };
      }
      const host = pods.get(pod)?.ip ?? `${pod}.validators.${namespace}.svc.cluster.local`;
      return { ...common, adminUrl: `http://${host.includes(":") ? `[${host}]` : host}:${ADMIN_PORT}` };
    });
    return { nodes, token: members.token };
  }

  async status(): Promise<NetworkStatus> {
    return await networkStatus(this.#manifest.name, this.name, await this.access(), this.#clock);
  }

  async fault(fault: Fault, signal: AbortSignal): Promise<void> {
    const { set, names } = await this.#up();
    const most = (await this.#network.members())?.addresses.size ?? 0;
    assertFault(
      fault,
      { ...this.#manifest, validators: names.map((name) => ({ name, key: "", stake: 1, zone: "" })) },
      this,
    );
    const pods = fault.nodes.map((name) => podName(names.indexOf(name)));
    switch (fault.fault) {
      case "kill":
        return await allOf(pods.map((pod) => this.#signal(pod, "KILL", signal)));
      case "stop":
        return await allOf(pods.map((pod) => this.#signal(pod, "STOP", signal)));
      case "cont":
        return await allOf(pods.map((pod) => this.#signal(pod, "CONT", signal)));
      case "restart":
        return await allOf(pods.map((pod) => this.#restart(pod, signal)));
      case "upgrade": {
        const annotations = { "kubectl.kubernetes.io/restartedAt": new Date(this.#clock.wall()).toISOString() };
        await this.#network.change({ spec: { template: { metadata: { annotations } } } });
        return await this.#settled("The upgrade", set.replicas * this.#manifest.readyWithinMs, signal);
      }
      case "scale":
        if (fault.validators > most) {
          throw new P2pError("fault_malformed", `fault.validators is ${fault.validators}, ${most} have keys`);
        }
        await this.#network.change({ spec: { replicas: fault.validators } });
        return await this.#settled("Scaling", this.#manifest.readyWithinMs, signal);
      case "partition": {
        const rest = names.filter((name) => !fault.groups.flat().includes(name));
        const groups = [...fault.groups, rest].map((group) => group.map((name) => podName(names.indexOf(name))));
        return await this.#partition.cut(groups, set.image, signal);
      }
      case "heal":
        return await this.#partition.heal(set.image, signal);
    }
  }

  async logs(node: string, lines: number): Promise<readonly string[]> {
    const { names } = await this.#up();
    const index = names.indexOf(node);
    if (index >= 0) return await this.#network.log(podName(index), lines);
    throw unknownNodeError(node, this.#manifest.name);
  }

  async down(): Promise<number> {
    if (await this.#isForeign()) {
      throw foreignNamespace(this.#network.namespace, "Remove it as it was made: `kubectl delete -k`, `tilt down`");
    }
    using _lock = await this.#folder.lock();
    await this.#assertContext();
    return await this.#remove();
  }

  /** Closes the connections to the API server. The network goes on. */
  [Symbol.dispose](): void {
    this.#proxy[Symbol.dispose]();
  }

  /** Whether the network is there, and somebody else's. Who is in it need not ask, and may not. */
  async #isForeign(): Promise<boolean> {
    if (this.#cluster.inside) return true;
    const found = await this.#network.read();
    return found !== undefined && found.labels[MADE_BY.label] !== MADE_BY.value;
  }

  /** From what it was made; `undefined` where it is not, or not any more. */
  async #read(): Promise<{ digest: string } | undefined> {
    using limit = deadline(this.#clock, END_MS, `The end of namespace ${this.#network.namespace}`);
    let found = await this.#network.read();
    await this.#network.until(async () => {
      if (found?.ending) found = await this.#network.read();
      return !found?.ending;
    }, limit.signal);
    return found && { digest: found.annotations[DIGEST] ?? "" };
  }

  async #apply(signal: AbortSignal): Promise<void> {
    const { name } = this.#manifest;
    const digest = digestOf(this.#manifest);
    const options = { namespace: this.#network.namespace, image: this.#image, annotations: { [DIGEST]: digest } };
    const objects = await kubernetesObjects(this.#manifest, options);
    await this.#folder.prepare();
    const shown = objects.filter(({ kind }) => kind !== "Secret");
    await this.#folder.write("config/objects.json", `${JSON.stringify(shown, null, 2)}\n`);
    await this.#folder.write("config/server", `${this.#server}\n`);
    await this.#folder.save({ name, backend: this.name, digest, nodes: [] });
    for (const object of objects) {
      signal.throwIfAborted();
      if (object.kind === "StatefulSet") await this.#keys(signal);
      await this.#network.apply(object);
    }
  }

  /** Waits a while for the keys: who starts before they are there asks for them ever more seldom. */
  async #keys(signal: AbortSignal): Promise<void> {
    const endMs = this.#clock.now() + Math.min(KEYS_MS, this.#manifest.readyWithinMs);
    await this.#network.until(async () => {
      if (await this.#network.members() !== undefined || this.#clock.now() > endMs) return true;
      await this.#assertHope();
      return false;
    }, signal);
  }

  /** @throws {P2pError} `image_missing` */
  async #assertHope(): Promise<void> {
    const why = await this.#network.hopeless();
    if (why === undefined) return;
    throw new P2pError("image_missing", why, {
      hint: "Build and load the image (docs/kubernetes.md), or name another one with --image",
    });
  }

  /** Waits for all; for as long as the manifest says. @throws {P2pError} `localnet_late`, `image_missing` */
  async #ready(signal: AbortSignal): Promise<void> {
    const { readyWithinMs } = this.#manifest;
    const endMs = this.#clock.now() + readyWithinMs;
    await this.#network.until(async () => {
      const [set, pods] = await Promise.all([this.#network.validators(), this.#network.pods()]);
      const all = [...pods.values()];
      const late = this.#clock.now() > endMs;
      const ready = all.filter((pod) => pod.ready);
      if (set !== undefined && !late && ready.length === set.replicas && (await this.status()).ready) return true;
      await this.#assertHope();
      if (!late) return false;
      const away = this.#manifest.validators.map((_, i) => podName(i)).filter((name) => !pods.get(name)?.ready)
        .map((name) => `${name} ${pods.get(name)?.waiting || (pods.has(name) ? "is not ready" : "is not there")}`);
      throw new P2pError(
        "localnet_late",
        `Not all nodes are ready after ${readyWithinMs} ms: ${away.join(", ") || "they are now"}`,
        { hint: "`localnet logs` shows what they say; readyWithinMs gives them more time" },
      );
    }, signal);
  }

  /** Waits until every validator that there is to be runs what it is to, and is ready. */
  async #settled(what: string, withinMs: number, signal: AbortSignal): Promise<void> {
    using limit = deadline(this.#clock, withinMs, what, signal);
    await this.#network.until(async () => (await this.#network.validators())?.settled === true, limit.signal);
    await this.#network.until(async () => (await this.status()).ready, limit.signal);
  }

  /** Sends a signal to the node in a pod. Who is to be killed may be dead, or killed by somebody else while we try. */
  async #signal(pod: string, name: "KILL" | "STOP" | "CONT", signal: AbortSignal): Promise<void> {
    const { namespace } = this.#network;
    // A shell is all that the image has to have, and is itself no process of that name.
    const script = 'for p in /proc/[0-9]*; do read -r n <$p/comm && [ "$n" = deno ] && ' +
      `kill -${name} \${p#/proc/} && done=1; done 2>/dev/null; [ -n "$done" ]`;
    const where = { namespace, pod, container: "node", command: ["sh", "-c", script] };
    using limit = deadline(this.#clock, SIGNAL_MS, `SIG${name} to ${pod}`, signal);
    let last: P2pError | undefined;
    const sent = async () => {
      try {
        await podExec(this.#cluster, where, this.#clock, limit.signal);
        return true;
      } catch (error) {
        if (!(error instanceof P2pError) || error.code !== "exec_failed") throw error;
        last = error;
        return name === "KILL" && (await this.#network.pods()).get(pod)?.running !== true;
      }
    };
    await this.#network.until(sent, limit.signal).catch((error) => {
      if (signal.aborted || last === undefined) throw error;
      throw new P2pError("fault_failed", last.message, { cause: last });
    });
  }

  /** Deletes a pod, and waits for the one that takes its place to run. */
  async #restart(pod: string, signal: AbortSignal): Promise<void> {
    const before = (await this.#network.pods()).get(pod);
    using limit = deadline(this.#clock, this.#manifest.readyWithinMs, `Another ${pod}`, signal);
    await this.#network.deletePod(pod);
    await this.#network.until(async () => {
      const now = (await this.#network.pods()).get(pod);
      return now !== undefined && now.uid !== before?.uid && now.running;
    }, limit.signal);
  }

  /** Takes back what was cut, and removes the namespace and the state. */
  async #remove(): Promise<number> {
    const found = await this.#network.read();
    const running = [...(await this.#network.pods()).values()].filter((pod) => pod.running).length;
    if (found !== undefined) {
      using limit = deadline(this.#clock, END_MS, `The end of namespace ${this.#network.namespace}`);
      const set = await this.#network.validators();
      await this.#partition.heal(set?.image ?? this.#image);
      if (set !== undefined) {
        // A namespace with pods in it is looked at again only after half of their grace, and again.
        await this.#network.change({ spec: { replicas: 0 } });
        await this.#network.until(async () => (await this.#network.pods()).size === 0, limit.signal);
      }
      await this.#network.remove();
      await this.#network.until(async () => await this.#network.read() === undefined, limit.signal);
    }
    await this.#folder.remove();
    return found?.ending ? 0 : running;
  }

  /** Validators that there are to be, by name. @throws {P2pError} `localnet_down` */
  async #up(): Promise<{ set: ValidatorSet; names: string[] }> {
    const set = await this.#network.validators();
    if (set === undefined) throw downError(this.#manifest.name);
    const { validators } = this.#manifest;
    return { set, names: Array.from({ length: set.replicas }, (_, i) => validators[i]?.name ?? podName(i)) };
  }

  /** Another cluster may well be the current one since. @throws {P2pError} `localnet_differs` */
  async #assertContext(): Promise<void> {
    if (await this.#folder.read() === undefined) return;
    const server = (await Deno.readTextFile(this.#folder.file("config", "server"))).trim();
    if (server === this.#server) return;
    throw new P2pError(
      "localnet_differs",
      `Network ${this.#manifest.name} is up in the cluster at ${server}, the current context is of ${this.#server}`,
      { hint: "Choose its context with `kubectl config use-context`" },
    );
  }

  get #server(): string {
    return this.#cluster.config.getCurrentCluster()?.server ?? "";
  }
}

function podName(index: number): string {
  return `validator-${index}`;
}
