import { abortable, type Clock, deadline, sleep, systemClock } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { type Random, systemRandom } from "../base/random.ts";
import type { P2PModule } from "../module/p2p_module.ts";
import { adminApp } from "./admin_app.ts";
import { errorAnswer } from "./admin_error.ts";
import { isLoopback, refuseForeignPage } from "./foreign_page.ts";
import type { MessageLog } from "./message_log.ts";
import { ReadGate } from "./read_gate.ts";

/** Options of {@link AdminServer.open}. */
export interface AdminServerOptions {
  /** The node; it need not be started yet. */
  module: P2PModule;
  /** The way of recent messages: what was given to the module as its `trace`. */
  messages: MessageLog;
  /** IP address or name to listen on. @default {"127.0.0.1"} */
  host?: string;
  /** TCP port; 0 lets the system choose. @default {0} */
  port?: number;
  /** Bearer token of those who may send. @default {nobody may} */
  token?: string;
  /** How long a request may take to arrive or to be answered, milliseconds. @default {10000} */
  timeoutMs?: number;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Randomness of nonces. @default {systemRandom} */
  random?: Random;
}

interface ServerState {
  draining: boolean;
  /** Requests whose answers are not delivered; each leaves by itself. */
  readonly underWay: Set<Promise<unknown>>;
  /** Aborts when nothing is answered any more. */
  readonly closing: AbortController;
}

/** A server of Deno's, and what ends it. */
interface Listening {
  readonly server: Deno.HttpServer<Deno.NetAddr>;
  readonly cut: AbortController;
}

/** How long answers under way may take once the server closes, milliseconds. */
const CLOSE_MS = 1_000;

/** How long to wait before listening again, milliseconds. */
const REOPEN_MS = 250;

/** The admin API of one node, listening. The only file of the project that names `Deno.serve`. */
export class AdminServer implements AsyncDisposable {
  /** Where it listens: `http://127.0.0.1:7070`. */
  readonly url: string;
  readonly #listen: (port: number) => Listening;
  readonly #clock: Clock;
  readonly #state: ServerState;
  #listening: Listening;
  #reopening: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(listen: (port: number) => Listening, port: number, clock: Clock, state: ServerState) {
    this.#listen = listen;
    this.#clock = clock;
    this.#state = state;
    this.#listening = this.#open(port);
    const { hostname, port: chosen } = this.#listening.server.addr;
    this.url = `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${chosen}`;
  }

  /**
   * Serves the admin API from now on.
   *
   * @throws {P2pError} `port_in_use`, `port_forbidden`, `listen_failed`
   */
  static open(options: AdminServerOptions): AdminServer {
    const { host: hostname = "127.0.0.1", port = 0, token = "", clock = systemClock, random = systemRandom } = options;
    const state: ServerState = { draining: false, underWay: new Set(), closing: new AbortController() };
    const app = adminApp({ ...options, token, clock, random, draining: () => state.draining });
    const reads = new ReadGate(clock, state.closing.signal);
    let loopback = false;
    const answer = async (request: Request, delivered: Promise<unknown>): Promise<Response> => {
      try {
        refuseForeignPage(request.headers, { host: hostname, loopback });
        if (isShort(request)) return await app.fetch(request);
        return await reads.run(() => app.fetch(request), delivered);
      } catch (thrown) {
        const { status, body } = errorAnswer(thrown);
        return Response.json(body, { status });
      }
    };
    const listen = (port: number): Listening => {
      const cut = new AbortController();
      const server = Deno.serve(
        { hostname, port, signal: cut.signal, onListen: () => {} },
        (request, { completed }) => {
          const done: Promise<unknown> = completed.catch(asError).finally(() => state.underWay.delete(done));
          state.underWay.add(done);
          return answer(request, done);
        },
      );
      loopback = isLoopback(server.addr.hostname);
      return { server, cut };
    };
    try {
      return new AdminServer(listen, port, clock, state);
    } catch (cause) {
      throw listenError(`${hostname}:${port}`, cause);
    }
  }

  /** From now on the node is not ready, and takes no messages over the API; everything else is still answered. */
  drain(): void {
    this.#state.draining = true;
  }

  /** Drains, answers what is under way (for a second at most), and stops listening. Idempotent. */
  close(): Promise<void> {
    this.drain();
    return this.#closed ??= this.#shut();
  }

  /** Closes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shut(): Promise<void> {
    {
      // Not the server's own shutdown(), which waits for whoever reads or writes nothing, and cannot be cut short.
      using limit = deadline(this.#clock, CLOSE_MS, "Answering the last requests");
      await abortable(Promise.all(this.#state.underWay), limit.signal).catch(asError);
    }
    this.#state.closing.abort(new P2pError("admin_closed", "The admin API is closed"));
    await this.#reopening;
    this.#listening.cut.abort();
    await this.#listening.server.finished.catch(asError);
  }

  #open(port: number): Listening {
    const listening = this.#listen(port);
    listening.server.finished.catch((error) => this.#reopening = this.#reopen(listening, error));
    return listening;
  }

  /**
   * A server that cannot accept (no file is left for one more connection) ends for good, and would take the node with it. Ends its connections, which are what the
   * node lacks, and listens again.
   */
  async #reopen({ server, cut }: Listening, failed: unknown): Promise<void> {
    const log = logger("admin");
    const { signal } = this.#state.closing;
    let error = asError(failed);
    cut.abort();
    while (!signal.aborted) {
      log.error("admin API: cannot accept, all its connections are closed: {error}", { error: error.message });
      try {
        await sleep(this.#clock, REOPEN_MS, signal);
        this.#listening = this.#open(server.addr.port);
        return;
      } catch (caught) {
        error = asError(caught);
      }
    }
  }
}

/** Probes never wait, and what sends is bounded in its own way. */
function isShort({ method, url }: Request): boolean {
  return method === "POST" || ["/livez", "/readyz"].includes(new URL(url).pathname);
}

function listenError(where: string, cause: unknown): P2pError {
  const failed = (code: string, why: string, hint: string) =>
    new P2pError(code, `Cannot serve the admin API on ${where}: ${why}`, { cause, hint });
  if (cause instanceof Deno.errors.AddrInUse) {
    return failed("port_in_use", "another program listens there", "Configure another admin_port (0: any), or empty");
  }
  if (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable) {
    return failed("port_forbidden", "not permitted", `Run deno with --allow-net=${where}, on a port from 1024 on`);
  }
  return failed("listen_failed", asError(cause).message, "Set admin_host to an address of this machine");
}
