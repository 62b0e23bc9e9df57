import { Buffer } from "node:buffer";
import { asError, P2pError } from "../base/errors.ts";
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
    const status = statusOf(cause);
    const object = `${kind} ${name} in namespace ${this.#namespace}`;
    if (status === undefined) {
      return new P2pError("kubernetes_unreachable", `Cannot ${verb} ${object}: ${asError(cause).message}`, {
        cause,
        hint: "Check the current context, and that its API server runs",
      });
    }
    return new P2pError(
      status === 403 || status === 401 ? "kubernetes_forbidden" : "kubernetes_refused",
      `Cannot ${verb} ${object}: ${messageOf(cause)}`,
      { cause, hint: status === 403 ? "Its Role takes get and create of secrets and configmaps" : undefined },
    );
  }
}

/** The HTTP status with which the API server refused; `undefined` where it did not answer. */
function statusOf(error: unknown): number | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "number" ? code : undefined;
}

/** What the API server says. The message of the client would have the whole answer, headers and all. */
function messageOf(error: unknown): string {
  const { body } = error as { body?: unknown };
  try {
    const status = typeof body === "string" ? JSON.parse(body) : body;
    if (typeof status?.message === "string") return status.message;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  return `HTTP status ${statusOf(error)}`;
}
