import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { type Clock, deadline } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import { clusterError, statusOf } from "../kubernetes/cluster_error.ts";
import { allOf } from "./all_of.ts";
import type { KubernetesNetwork } from "./kubernetes_network.ts";

/** How long the helper may take, milliseconds: it starts in about a second. */
const HELPER_MS = 60_000;

/** Pods that have cut or healed: one that has cut stays, so that whoever heals finds where. */
const HELPERS = "app.kubernetes.io/part-of=raintree,app.kubernetes.io/component=partition";

/** A rule only for packets that the machine passes on, as it does those between pods. */
const PASSED_ON = "FORWARD";

/**
 * Cuts the ways between pods, where that is allowed: a privileged pod on each machine that has some puts rules into a chain of its own, with the machine's own
 * `iptables`. A pod that gets another IP meanwhile is not cut off any more.
 */
export class KubernetesPartition {
  readonly #network: KubernetesNetwork;
  readonly #clock: Clock;
  readonly #chain: string;

  /** Asks nothing yet. */
  constructor(network: KubernetesNetwork, clock: Clock) {
    this.#network = network;
    this.#clock = clock;
    // 28 characters at most, of which two networks have different ones.
    this.#chain = `RAINTREE-${createHash("sha256").update(network.namespace).digest("hex").slice(0, 16)}`;
  }

  /** Cuts between every two of the groups, in place of what was cut before. @throws {P2pError} `localnet_unsupported`, `fault_failed` */
  async cut(groups: readonly (readonly string[])[], image: string, signal: AbortSignal): Promise<void> {
    const pods = await this.#network.pods();
    const parts = groups.map((group) => group.flatMap((name) => pods.get(name)?.ip ?? [])).filter((ips) =>
      ips.length > 0
    );
    // They go into a script that root runs: nothing else gets there, whatever the API server says.
    const other = parts.flat().find((ip) => isIP(ip) !== 4);
    if (other !== undefined) {
      throw new P2pError(
        "localnet_unsupported",
        `Back end kubernetes cannot do partition: a pod has the address "${other}", which is not IPv4`,
      );
    }
    const rules = parts.flatMap((from) =>
      parts.filter((to) => to !== from).map((to) => `iptables -w -A ${this.#chain} -s ${from} -d ${to} -j DROP`)
    );
    const script = [
      "set -e",
      `iptables -w -N ${this.#chain} 2>/dev/null || iptables -w -F ${this.#chain}`,
      ...rules,
      `iptables -w -C ${PASSED_ON} -j ${this.#chain} 2>/dev/null || iptables -w -I ${PASSED_ON} -j ${this.#chain}`,
    ];
    const machines = new Set([...pods.values()].flatMap(({ machine }) => machine ?? []));
    try {
      // All have ended before anything is healed: none cuts afterwards.
      await allOf([...machines].map((machine) => this.#run("cut", machine, image, script, signal)));
    } catch (error) {
      await this.heal(image);
      throw error;
    }
  }

  /** Takes back every cut. Where there is none it does nothing. @throws {P2pError} `fault_failed` */
  async heal(image: string, signal?: AbortSignal): Promise<void> {
    const script = [
      `iptables -w -D ${PASSED_ON} -j ${this.#chain} 2>/dev/null`,
      `iptables -w -F ${this.#chain} 2>/dev/null`,
      `iptables -w -X ${this.#chain} 2>/dev/null`,
      // What is not there is healed.
      `! iptables -w -S ${this.#chain} >/dev/null 2>&1`,
    ];
    const helpers = await this.#helpers();
    const machines = new Set(helpers.map(({ machine }) => machine));
    await allOf([...machines].map((machine) => this.#run("heal", machine, image, script, signal)));
    await Promise.all((await this.#helpers()).map(({ name }) => this.#network.deletePod(name)));
  }

  async #helpers(): Promise<{ name: string; machine: string }[]> {
    const { cluster: { core }, namespace } = this.#network;
    const { items } = await core.listNamespacedPod({ namespace, labelSelector: HELPERS }).catch((cause) => {
      throw clusterError(`list pods in namespace ${namespace}`, cause);
    });
    return items.map(({ metadata, spec }) => ({ name: metadata?.name ?? "", machine: spec?.nodeName ?? "" }));
  }

  /** Runs commands of a machine as its root. */
  async #run(
    verb: string,
    machine: string,
    image: string,
    script: readonly string[],
    signal?: AbortSignal,
  ): Promise<void> {
    const { cluster: { core }, namespace } = this.#network;
    const name = `partition-${verb}-${createHash("sha256").update(machine).digest("hex").slice(0, 8)}`;
    using limit = deadline(this.#clock, HELPER_MS, `The pod ${name}`, signal);
    await this.#network.deletePod(name);
    const phase = async () => {
      try {
        return (await core.readNamespacedPod({ namespace, name })).status?.phase ?? "";
      } catch (cause) {
        if (statusOf(cause) === 404) return "absent";
        throw clusterError(`read pod ${name}`, cause);
      }
    };
    await this.#network.until(async () => await phase() === "absent", limit.signal);
    try {
      await core.createNamespacedPod({ namespace, body: helper(name, machine, image, script) });
    } catch (cause) {
      const { message } = clusterError(`create pod ${name} in namespace ${namespace}`, cause);
      if (statusOf(cause) !== 403) throw new P2pError("fault_failed", message, { cause });
      throw new P2pError("localnet_unsupported", `Back end kubernetes cannot do partition here: ${message}`, {
        cause,
        hint: "A partition takes a privileged pod: the namespace's pod security has to allow it, and so has the Role",
      });
    }
    let last = "";
    await this.#network.until(async () => ["Succeeded", "Failed"].includes(last = await phase()), limit.signal);
    if (last === "Succeeded") return;
    const words = await core.readNamespacedPodLog({ namespace, name }).catch(() => ""); // it failed, whatever it says
    throw new P2pError("fault_failed", `The pod ${name} on ${machine} failed: ${words.slice(0, 500)}`);
  }
}

function helper(name: string, nodeName: string, image: string, script: readonly string[]) {
  return {
    metadata: {
      name,
      labels: { "app.kubernetes.io/part-of": "raintree", "app.kubernetes.io/component": "partition" },
    },
    spec: {
      nodeName,
      hostNetwork: true,
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 0,
      activeDeadlineSeconds: HELPER_MS / 1_000,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      containers: [{
        name: "iptables",
        image,
        imagePullPolicy: "IfNotPresent",
        command: ["chroot", "/host", "sh", "-c", script.join("\n")],
        securityContext: { privileged: true, runAsUser: 0, runAsGroup: 0 },
        volumeMounts: [{ name: "host", mountPath: "/host" }],
      }],
      volumes: [{ name: "host", hostPath: { path: "/" } }],
    },
  };
}
