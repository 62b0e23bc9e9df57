import { Buffer } from "node:buffer";
import type { P2pError } from "../base/errors.ts";
import { clusterError, statusOf } from "./cluster_error.ts";
import type { Cluster } from "./connect.ts";
import type { DataKind, DataObjects } from "./genesis_objects.ts";

/** {@link DataObjects} of a real cluster. */
export class ClusterObjects implements DataObjects {
  readonly #core: Cluster["core"];
  readonly #namespace: string;

  /** Those of `namespace`. */
  constructor({ core }: Pick<Cluster, "core">, namespace: string) {
    this.#core = core;
    this.#namespace = namespace;
  }

  /** See {@link DataObjects.read}. */
  async read(kind: DataKind, name: string): Promise<Readonly<Record<string, string>> | undefined> {
    const where = { namespace: this.#namespace, name };
    try {
      if (kind === "ConfigMap") return (await this.#core.readNamespacedConfigMap(where)).data ?? {};
      const { data = {} } = await this.#core.readNamespacedSecret(where);
      return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, `${Buffer.from(text, "base64")}`]));
    } catch (cause) {
      if (statusOf(cause) === 404) return undefined;
      throw this.#refused("read", kind, name, cause);
    }
  }

  /** See {@link DataObjects.create}. */
  async create(kind: DataKind, name: string, data: Readonly<Record<string, string>>): Promise<boolean> {
    const metadata = { name, labels: { "app.kubernetes.io/part-of": "raintree" } };
    const where = { namespace: this.#namespace };
    try {
      if (kind === "ConfigMap") await this.#core.createNamespacedConfigMap({ ...where, body: { metadata, data } });
      else await this.#core.createNamespacedSecret({ ...where, body: { metadata, stringData: data } });
      return true;
    } catch (cause) {
      if (statusOf(cause) === 409) return false;
      throw this.#refused("create", kind, name, cause);
    }
  }

  #refused(verb: string, kind: DataKind, name: string, cause: unknown): P2pError {
    const what = `${verb} ${kind} ${name} in namespace ${this.#namespace}`;
    return clusterError(what, cause, "Its Role takes get and create of secrets and configmaps");
  }
}
