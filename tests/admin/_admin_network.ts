import { AdminServer } from "../../src/admin/admin_server.ts";
import { echo } from "../../src/admin/echo.ts";
import { MessageLog } from "../../src/admin/message_log.ts";
import { deadline, systemClock } from "../../src/base/clock.ts";
import { LocalBus, type P2PEvent } from "../../src/module/bus.ts";
import type { P2PConfigInput } from "../../src/module/config.ts";
import { P2PModule } from "../../src/module/p2p_module.ts";
import { StaticProvider } from "../../src/peer/static_provider.ts";
import { MemoryNetwork } from "../../src/transport/memory/memory_transport.ts";
import { keysOf, stakedPeer } from "../module/live_network.ts";

export const TOKEN = "a-token-of-the-test";

/** A node over a memory network, and its admin API on the loopback. */
export interface AdminNode {
  module: P2PModule;
  messages: MessageLog;
  admin: AdminServer;
  events: P2PEvent[];
}

export interface AdminNetworkOptions {
  nodes: number;
  /** How many of them are staked, the first in ring order. @default {all} */
  staked?: number;
  config?: P2PConfigInput;
  /** Options of every admin server. */
  admin?: { token?: string; timeoutMs?: number };
}

/** What an answer says. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // deno-lint-ignore no-explicit-any -- what a test reads out of JSON
  json: any;
}

/** Nodes in ring order that run in real time, since HTTP does; none is started yet. */
export class AdminNetwork implements AsyncDisposable {
  readonly nodes: AdminNode[];
  #changed = () => {};

  constructor({ nodes, staked = nodes, config = {}, admin = {} }: AdminNetworkOptions) {
    const memory = new MemoryNetwork();
    const keys = keysOf(nodes);
    const chain = new StaticProvider(keys.slice(0, staked).map(stakedPeer));
    this.nodes = keys.map((key) => {
      const bus = new LocalBus();
      const events: P2PEvent[] = [];
      bus.subscribe((event) => {
        events.push(event);
        this.#changed();
      });
      const messages = new MessageLog({ clock: systemClock });
      const module = P2PModule.create({ private_key: key, connection_type: "memory", ...config }, {
        bus,
        memory,
        peerstore: chain,
        heights: chain,
        trace: messages,
        strict: true,
      });
      module.onRequest(echo);
      return { module, messages, events, admin: AdminServer.open({ module, messages, token: TOKEN, ...admin }) };
    });
  }

  /** A network of which every node is ready. */
  static async ready(options: AdminNetworkOptions): Promise<AdminNetwork> {
    const network = new AdminNetwork(options);
    await Promise.all(network.nodes.map(({ module }) => module.start()));
    await network.until(async () => {
      const answers = await Promise.all(network.nodes.map((_, i) => network.get(i, "/readyz")));
      return answers.every(({ status }) => status === 200);
    });
    return network;
  }

  /** Resolves when `reached` holds; asks again after every event of any bus. */
  async until(reached: () => boolean | Promise<boolean>): Promise<void> {
    using limit = deadline(systemClock, 20_000, "What the test waits for");
    for (;;) {
      const event = Promise.withResolvers<void>();
      this.#changed = event.resolve;
      const fail = () => event.reject(limit.signal.reason);
      limit.signal.addEventListener("abort", fail, { once: true });
      if (await reached()) {
        limit.signal.removeEventListener("abort", fail);
        return;
      }
      await event.promise;
      limit.signal.removeEventListener("abort", fail);
    }
  }

  get(node: number, path: string, init: RequestInit = {}): Promise<Answer> {
    return ask(this.nodes[node].admin.url + path, init);
  }

  /** Posts JSON as one who may. */
  post(node: number, path: string, body: unknown, headers: HeadersInit = {}): Promise<Answer> {
    return this.get(node, path, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${TOKEN}`, ...headers },
      body: JSON.stringify(body),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map(({ module }) => module[Symbol.asyncDispose]()));
    await Promise.all(this.nodes.map(({ admin }) => admin.close()));
  }
}

export async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson && text !== "" ? JSON.parse(text) : undefined,
  };
}
