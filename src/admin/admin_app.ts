import { type Context, Hono } from "hono";
import { asError, P2pError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { isAddress } from "../identity/address.ts";
import { formatNodeAddress } from "../identity/node_address.ts";
import type { P2PModule } from "../module/p2p_module.ts";
import { AdminError, errorAnswer } from "./admin_error.ts";
import type { MessageLog } from "./message_log.ts";
import { readMetrics } from "./metrics.ts";
import { peersView } from "./peers_view.ts";
import { METRICS_TYPE, renderMetrics } from "./prometheus.ts";
import { readiness } from "./readiness.ts";
import { Sending, type SendingOptions } from "./sending.ts";
import { treeText, treeView } from "./tree_view.ts";

/** What the admin API serves from. */
export interface AdminAppOptions extends SendingOptions {
  /** The way of recent messages: what was given to the module as its `trace`. */
  messages: MessageLog;
}

/** Peers that `/peers` lists unless it is asked for fewer. */
const PEERS_MAX = 1_000;

/** Messages that `/messages` tells at once. */
const PAGE_MAX = 10_000;

const UINT64_LIMIT = 1n << 64n;

type Handler = (context: Context) => Response | Promise<Response>;

/** The admin API (docs/admin.md). Opens nothing: hand its `fetch` to a server, or call it. The module need not be started yet. */
export function adminApp(options: AdminAppOptions): Hono {
  const { module, messages, draining, clock } = options;
  const log = logger("admin");
  const startMs = clock.now();
  const sending = new Sending(options);
  const ready = () => readiness({ module, draining: draining() });
  const routes: Readonly<Record<string, Handler>> = {
    "GET /livez": (context) => context.json({ live: true }),
    "GET /readyz": (context) => {
      const now = ready();
      return context.json(now, now.ready ? 200 : 503);
    },
    "GET /metrics": (context) => {
      const uptimeMs = clock.now() - startMs;
      const source = {
        module,
        readiness: ready(),
        messagesRemembered: messages.size,
        broadcasts: messages.counts,
        uptimeMs,
      };
      return context.body(renderMetrics(readMetrics(source)), 200, { "content-type": METRICS_TYPE });
    },
    "GET /peers": (context) => context.json(peersView(module, wholeNumber(context, "limit", 0, PEERS_MAX, PEERS_MAX))),
    "GET /tree": (context) => {
      const originator = originatorOf(context, module);
      const format = context.req.query("format") ?? "json";
      if (format === "text") return context.text(treeText(module, originator));
      if (format === "json") return context.json(treeView(module, originator));
      throw badQuery("format", format, "json or text");
    },
    "GET /messages": (context) => {
      const after = wholeNumber(context, "after", 0, Number.MAX_SAFE_INTEGER, 0);
      return context.json(messages.page(after, wholeNumber(context, "limit", 1, PAGE_MAX, PAGE_MAX)));
    },
    "GET /messages/:nonce": (context) => {
      const nonce = nonceOf(context.req.param("nonce")!);
      const message = messages.view(nonce, module.address, module.ring);
      if (message !== undefined) return context.json(message);
      throw new AdminError(404, "message_unknown", `Message ${nonce} is unknown here`, {
        hint: "It did not come here, or so many came since that it is forgotten",
      });
    },
    "GET /height": (context) => context.json({ height: module.ring.height }),
    "GET /peerstore": (context) => {
      const { height } = module.ring;
      const asked = wholeNumber(context, "height", 0, Number.MAX_SAFE_INTEGER, height);
      if (asked === height) return context.json(stakedPeers(module));
      throw new AdminError(404, "height_unknown", `Asked for height ${asked}, this node is at ${height}`);
    },
    "POST /broadcast": async (context) => context.json(await sending.broadcast(context.req.raw)),
    "POST /send": async (context) => context.json(await sending.send(context.req.raw)),
    "POST /request": async (context) => context.json(await sending.request(context.req.raw)),
  };

  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    context.header("cache-control", "no-store");
    context.header("x-content-type-options", "nosniff");
  });
  for (const [route, handler] of Object.entries(routes)) {
    const [method, path] = route.split(" ");
    app.on(method, path, handler);
    app.all(path, (context) => {
      context.header("allow", method === "GET" ? "GET, HEAD" : method);
      throw new AdminError(405, "method_not_allowed", `${path} takes ${method}, not ${context.req.method}`);
    });
  }
  app.notFound((context) => {
    const hint = `There are ${Object.keys(routes).join(", ")}`;
    return answer(context, new AdminError(404, "not_found", `There is no ${context.req.path}`, { hint }));
  });
  app.onError((thrown, context) => {
    if (!(thrown instanceof P2pError)) log.error("admin API: {error}", { error: asError(thrown) });
    return answer(context, thrown);
  });
  return app;
}

function answer(context: Context, thrown: unknown): Response {
  const { status, body } = errorAnswer(thrown);
  if (status === 401) context.header("www-authenticate", 'Bearer realm="raintree"');
  return context.json(body, status as 400);
}

/** What `readPeerList` of a node that bootstraps reads. */
function stakedPeers(module: P2PModule) {
  return module.stakedPeers.map(({ address, nodeAddress, publicKey, stake }) => ({
    address,
    url: formatNodeAddress(nodeAddress),
    public_key: publicKey?.toHex(),
    stake: String(stake),
  }));
}

/** Where a broadcast is to begin: a position or an address; this node, or 0 where it is not staked. */
function originatorOf(context: Context, { ring, address }: P2PModule): number {
  const given = context.req.query("originator");
  if (given !== undefined && isAddress(given)) {
    const index = ring.indexOf(given);
    if (index >= 0) return index;
    throw new AdminError(404, "peer_not_staked", `${given} is not staked at height ${ring.height}`);
  }
  return wholeNumber(context, "originator", 0, Math.max(0, ring.size - 1), Math.max(0, ring.indexOf(address)));
}

function wholeNumber(context: Context, name: string, least: number, most: number, fallback: number): number {
  const given = context.req.query(name);
  if (given === undefined) return fallback;
  const number = /^\d{1,16}$/.test(given) ? Number(given) : NaN;
  if (number >= least && number <= most) return number;
  throw badQuery(name, given, `a whole number from ${least} to ${most}`);
}

/** Decimal, or hex with `0x`. */
function nonceOf(text: string): bigint {
  const nonce = /^(\d{1,20}|0x[0-9a-f]{1,16})$/i.test(text) ? BigInt(text.toLowerCase()) : 0n;
  if (nonce > 0n && nonce < UINT64_LIMIT) return nonce;
  throw new AdminError(400, "nonce_malformed", `Nonce is "${text.slice(0, 40)}", wanted 1 to 2^64 - 1, decimal or 0x`);
}

function badQuery(name: string, given: string, wanted: string): AdminError {
  return new AdminError(400, "query_malformed", `Query ${name} is "${given.slice(0, 40)}", wanted ${wanted}`);
}
