import { type Clock, deadline } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import { TOKEN_HEADER } from "../admin/bearer.ts";
import type { MessageLogPage, MessageView } from "../admin/message_log.ts";
import type { Readiness } from "../admin/readiness.ts";
import type { TreeView } from "../admin/tree_view.ts";
import type { TreeMode } from "../raintree/tree.ts";
import type { BroadcastAnswer, RequestAnswer, SendAnswer } from "../admin/sending.ts";
import type { LocalNode } from "./backend.ts";

/** Options of an {@link AdminClient}. */
export interface AdminClientOptions {
  /** Bearer token of the network. */
  token: string;
  /** Time. */
  clock: Clock;
  /** How long one answer may take, milliseconds. @default {10000} */
  timeoutMs?: number;
  /** Gives up every answer that is waited for: calls reject with its reason. @default {nobody gives up} */
  signal?: AbortSignal;
}

/** What a message is made of. */
export interface AdminMessage {
  /** Its type. */
  readonly typeUrl: string;
  /** Its bytes. */
  readonly value: Uint8Array;
}

/** Asks the admin API of one node. */
export class AdminClient {
  /** The node. */
  readonly node: LocalNode;
  readonly #token: string;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;

  /** Asks nothing yet. */
  constructor(node: LocalNode, { token, clock, timeoutMs = 10_000, signal }: AdminClientOptions) {
    this.node = node;
    this.#token = token;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
  }

  /** `/readyz`, whatever it says. @throws {P2pError} `node_unreachable` */
  async readiness(): Promise<Readiness> {
    return await this.#json("/readyz", { also: [503] });
  }

  /** Who is staked in its view: addresses, in its order. @throws {P2pError} `node_unreachable`, `node_refused` */
  async staked(): Promise<string[]> {
    const peers = await this.#json<{ address: string }[]>("/peerstore");
    return peers.map(({ address }) => address);
  }

  /** Its tree: the mode, and the addresses of the validators that it is connected with. @throws {P2pError} `node_unreachable`, `node_refused` */
  async tree(): Promise<{ mode: TreeMode; connected: string[] }> {
    const { mode, nodes } = await this.#json<Pick<TreeView, "mode" | "nodes">>("/tree");
    return { mode, connected: nodes.flatMap(({ address, connected }) => connected === true ? [address] : []) };
  }

  /** What it knows of a message; `undefined` where it knows nothing. @throws {P2pError} `node_unreachable`, `node_refused` */
  async message(nonce: string): Promise<MessageView | undefined> {
    const answer = await this.#json<MessageView & { error?: unknown }>(`/messages/${nonce}`, { also: [404] });
    return answer.error === undefined ? answer : undefined;
  }

  /** What came to it from a place of its own on, each message once. @throws {P2pError} `node_unreachable`, `node_refused` */
  async messagesAfter(after: number): Promise<MessageLogPage> {
    return await this.#json(`/messages?after=${after}`);
  }

  /** One number of `/metrics`, the sum over its labels. @throws {P2pError} `node_unreachable`, `node_refused`, `metric_missing` */
  async metric(name: string): Promise<number> {
    return (await this.metrics([name]))[0];
  }

  /**
   * Numbers of one and the same moment, each the sum over its labels. One that is announced and has no labels yet (nothing was dropped, say) is 0.
   *
   * @throws {P2pError} `node_unreachable`, `node_refused`, `metric_missing` where the node does not know it, or is not started
   */
  async metrics(names: readonly string[]): Promise<number[]> {
    const text = await (await this.#ask("/metrics", {})).text();
    const isStarted = /^p2p_validators \S+$/m.test(text);
    return names.map((name) => {
      const samples = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))];
      if (samples.length > 0 || isStarted && text.includes(`\n# TYPE ${name} `)) {
        return samples.reduce((sum, [, number]) => sum + Number(number), 0);
      }
      throw new P2pError("metric_missing", `Node ${this.node.name} has no metric ${name}`);
    });
  }

  /** Has it broadcast. @throws {P2pError} `node_unreachable`, `node_refused` */
  async broadcast(message: AdminMessage): Promise<BroadcastAnswer> {
    return await this.#post("/broadcast", message);
  }

  /** Has it send to one peer. @throws {P2pError} `node_unreachable`, `node_refused` */
  async send(to: string, message: AdminMessage): Promise<SendAnswer> {
    return await this.#post("/send", message, to);
  }

  /** Has it ask one peer. @throws {P2pError} `node_unreachable`, `node_refused` */
  async request(to: string, message: AdminMessage): Promise<RequestAnswer> {
    return await this.#post("/request", message, to);
  }

  #post<T>(path: string, { typeUrl, value }: AdminMessage, to?: string): Promise<T> {
    return this.#json(path, {
      method: "POST",
      headers: { "content-type": "application/json", [TOKEN_HEADER]: this.#token },
      body: JSON.stringify({ typeUrl, value: value.toBase64(), to }),
    });
  }

  async #json<T>(path: string, init: RequestInit & { also?: readonly number[] } = {}): Promise<T> {
    const response = await this.#ask(path, init);
    return await response.json() as T;
  }

  /** The answer, with all of its body here. */
  async #ask(path: string, { also = [], ...init }: RequestInit & { also?: readonly number[] }): Promise<Response> {
    const { name, adminUrl, ask = fetch } = this.node;
    using limit = deadline(this.#clock, this.#timeoutMs, `An answer of ${name}`, this.#signal);
    let response: Response;
    try {
      const streamed = await ask(adminUrl + path, { ...init, signal: limit.signal });
      response = new Response(await streamed.arrayBuffer(), { status: streamed.status });
    } catch (cause) {
      this.#signal?.throwIfAborted();
      const why = asError(cause).message;
      throw new P2pError("node_unreachable", `Node ${name} does not answer ${path} at ${adminUrl}: ${why}`, { cause });
    }
    if (response.ok || also.includes(response.status)) return response;
    const text = await response.text();
    throw new P2pError("node_refused", `Node ${name} answers ${path} with ${response.status}: ${text.slice(0, 500)}`);
  }
}
