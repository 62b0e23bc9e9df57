import type { Clock } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import type { Cluster } from "./connect.ts";

/** How long what proves who we are is used before it is asked for anew, milliseconds: tokens of some clouds hold for minutes. */
const PROOF_MS = 60_000;

/** What the client makes of a kubeconfig. */
interface Proof {
  readonly ca?: string | Uint8Array;
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  readonly auth?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks pods over the API server, from where they cannot be reached themselves. Owns connections: dispose of it. */
export class ProxiedFetch implements Disposable {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  #client: Deno.HttpClient | undefined;
  #headers: Promise<Record<string, string>> | undefined;
  #provedAtMs = 0;

  /** Opens nothing yet. */
  constructor(cluster: Cluster, clock: Clock) {
    this.#cluster = cluster;
    this.#clock = clock;
  }

  /** Where a port of a pod is asked. */
  url(namespace: string, pod: string, port: number): string {
    return `${this.#cluster.config.getCurrentCluster()?.server}/api/v1/namespaces/${namespace}/pods/${pod}:${port}/proxy`;
  }

  /**
   * `fetch` with the rights of the kubeconfig. An `Authorization` of the caller's would be taken for the API server's, and is not sent.
   *
   * @throws {P2pError} `pod_unreachable` where it is the API server that answers, since the pod does not
   */
  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const proof = await this.#prove();
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(proof)) headers.set(name, value);
    const response = await fetch(url, { ...init, headers, client: this.#client });
    if (response.ok) return response;
    // A node refuses in JSON.
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    const text = await response.text();
    const { kind, message } = isJson ? JSON.parse(text) : { kind: "Status", message: text.slice(0, 500) };
    if (kind === "Status") throw new P2pError("pod_unreachable", `The API server says: ${message}`);
    return new Response(text, { status: response.status, headers: response.headers });
  }

  /** Closes the connections. */
  [Symbol.dispose](): void {
    this.#client?.close();
    this.#client = undefined;
    this.#headers = undefined;
  }

  #prove(): Promise<Record<string, string>> {
    if (this.#headers === undefined || this.#clock.now() - this.#provedAtMs > PROOF_MS) {
      this.#provedAtMs = this.#clock.now();
      this.#headers = this.#read();
    }
    return this.#headers;
  }

  async #read(): Promise<Record<string, string>> {
    const proof: Proof = {};
    await this.#cluster.config.applyToHTTPSOptions(proof as Record<string, unknown>);
    const { ca, cert, key, auth, headers = {} } = proof;
    this.#client ??= Deno.createHttpClient({
      caCerts: ca === undefined ? [] : [textOf(ca)],
      ...(cert === undefined || key === undefined ? {} : { cert: textOf(cert), key: textOf(key) }),
    });
    return auth === undefined ? { ...headers } : { ...headers, authorization: `Basic ${btoa(auth)}` };
  }
}

function textOf(given: string | Uint8Array): string {
  return typeof given === "string" ? given : new TextDecoder().decode(given);
}
