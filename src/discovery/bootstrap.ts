import { abortable, type Clock, deadline, systemClock } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import { type Logger, logger } from "../base/log.ts";
import type { StakedPeer } from "../peer/staked_peer.ts";
import { readPeerList } from "./peer_list.ts";

/** The part of `fetch` that is used here, so that a test or a proxy may stand in for it. */
export type Fetch = (url: string, init: { signal: AbortSignal }) => Promise<Response>;

/** Options of {@link bootstrap}. */
export interface BootstrapOptions {
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** How to ask. @default {globalThis.fetch} */
  fetch?: Fetch;
  /** How long all of it may take, milliseconds. @default {10_000} */
  timeoutMs?: number;
  /** The longest list of peers accepted, bytes; a peer takes about 200. @default {67108864} */
  peersBytesMax?: number;
  /** Gives up: the answer rejects with its reason. */
  signal?: AbortSignal;
}

/** Whom to start with. */
export interface Bootstrapped {
  /** The node that answered. */
  readonly url: string;
  /** Its height. */
  readonly height: number;
  /** Who is staked at that height, at least one. */
  readonly peers: readonly StakedPeer[];
}

/** Longest answer to the question for the height, bytes. */
const HEIGHT_BYTES_MAX = 1024;

/**
 * Asks bootstrap nodes for the peers to start with, all of them at once; the first good answer counts. Each is asked
 * for `GET /livez` (is it healthy), then `GET /height` (`{ "height": 7 }`), then `GET /peerstore?height=7` (see {@link readPeerList}). One that is
 * unreachable, unhealthy, or answers with anything else is skipped with a warning.
 *
 * @throws {P2pError} `bootstrap_failed`, with an AggregateError of every node's failure as its cause; the signal's reason.
 */
export async function bootstrap(urls: readonly string[], options: BootstrapOptions = {}): Promise<Bootstrapped> {
  const {
    clock = systemClock,
    fetch = globalThis.fetch,
    timeoutMs = 10_000,
    peersBytesMax = 64 * (1 << 20),
    signal,
  } = options;
  signal?.throwIfAborted();
  using limit = deadline(clock, timeoutMs, "Bootstrapping", signal);
  const answered = new AbortController();
  const asked = AbortSignal.any([limit.signal, answered.signal]);
  const log = logger("discovery");
  const answers = urls.map(async (url) => {
    try {
      return await askNode({ url, fetch, signal: asked, peersBytesMax });
    } catch (caught) {
      throw skipped(url, asError(caught), log, answered.signal);
    }
  });
  try {
    return await Promise.any(answers);
  } catch (caught) {
    signal?.throwIfAborted();
    throw new P2pError("bootstrap_failed", `None of ${urls.length} bootstrap nodes told its peers`, {
      cause: caught,
      hint: "Check bootstrap_nodes_csv and whether a node answers at its /livez",
    });
  } finally {
    answered.abort();
    await Promise.allSettled(answers);
  }
}

interface Question {
  readonly url: string;
  readonly fetch: Fetch;
  readonly signal: AbortSignal;
  readonly peersBytesMax: number;
}

async function askNode(question: Question): Promise<Bootstrapped> {
  const { url, peersBytesMax } = question;
  await ask(question, "/livez", HEIGHT_BYTES_MAX);
  const height = readHeight(await ask(question, "/height", HEIGHT_BYTES_MAX));
  const peers = readPeerList(await ask(question, `/peerstore?height=${height}`, peersBytesMax));
  return { url, height, peers };
}

function readHeight(text: string): number {
  const answer: unknown = JSON.parse(text);
  const height = typeof answer === "object" && answer !== null ? (answer as { height?: unknown }).height : undefined;
  if (Number.isSafeInteger(height) && (height as number) >= 0) return height as number;
  throw new P2pError("bootstrap_bad_height", `Answered height ${JSON.stringify(height)}, wanted a whole number from 0`);
}

/** The text of an answer of at most `bytesMax` bytes. */
async function ask({ url, fetch, signal }: Question, path: string, bytesMax: number): Promise<string> {
  const response = await abortable(fetch(`${url.replace(/\/+$/, "")}${path}`, { signal }), signal);
  const reader = response.body?.getReader();
  try {
    if (!response.ok) throw new P2pError("bootstrap_unhealthy", `Answered ${path} with status ${response.status}`);
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let text = "";
    let bytes = 0;
    while (reader !== undefined) {
      const { done, value } = await abortable(reader.read(), signal);
      if (done) break;
      bytes += value.length;
      if (bytes > bytesMax) {
        throw new P2pError("bootstrap_too_large", `Answer to ${path} is longer than ${bytesMax} bytes`);
      }
      text += decoder.decode(value, { stream: true });
    }
    return text + decoder.decode();
  } finally {
    // Ends what is still coming; does nothing after the end. A stream that broke says so here again.
    await reader?.cancel().catch(asError);
  }
}

/** Says that a node is skipped, unless another one has answered, and why. */
function skipped(url: string, error: Error, log: Logger, answered: AbortSignal): P2pError {
  if (!answered.aborted) log.warn("bootstrap node {url} is skipped: {error}", { url, error: error.message });
  return new P2pError("bootstrap_node_failed", `Bootstrap node ${url}: ${error.message}`, { cause: error });
}
