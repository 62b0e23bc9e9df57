import { type Clock, systemClock } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import { type Random, systemRandom } from "../base/random.ts";
import { AdminClient } from "../localnet/admin_client.ts";
import type { Assertion, AssertionReport, AssertionResult } from "./assertion.ts";
import type { Backend } from "../localnet/backend.ts";
import { downError } from "../localnet/backend_errors.ts";
import { broadcastAnyAssertion } from "./broadcast_any_assertion.ts";
import { broadcastEachAssertion } from "./broadcast_each_assertion.ts";
import type { AssertionName, Manifest } from "../localnet/manifest.ts";
import { faultsAssertion } from "./faults_assertion.ts";
import { loadAssertion } from "./load_assertion.ts";
import { readyAssertion } from "./ready_assertion.ts";
import { requestsAssertion } from "./requests_assertion.ts";

/** Options of {@link runAssertions}. */
export interface RunAssertionsOptions {
  /** Gives up. */
  signal: AbortSignal;
  /** Which. @default {those of the manifest} */
  names?: readonly AssertionName[];
  /** Called when one begins. @default {nobody is told} */
  onBegin?: (name: AssertionName) => void;
  /** Called with what one that lasts is doing. @default {nobody is told} */
  onProgress?: (name: AssertionName, text: string) => void;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Who is chosen. @default {systemRandom} */
  random?: Random;
}

const ASSERTIONS: Readonly<Record<AssertionName, Assertion>> = {
  "ready": readyAssertion,
  "broadcast-each": broadcastEachAssertion,
  "broadcast-any": broadcastAnyAssertion,
  "requests": requestsAssertion,
  "load": loadAssertion,
  "faults": faultsAssertion,
};

/** How long one answer of a node may take, milliseconds: 4 MiB there and back, on a machine that does other things. */
const ANSWER_MS = 30_000;

/**
 * Makes the assertions of a network that is up, one after the other. One that throws, because a node did not answer, has failed.
 *
 * @throws {P2pError} `localnet_down`; the signal's reason.
 */
export async function runAssertions(
  backend: Backend,
  manifest: Manifest,
  options: RunAssertionsOptions,
): Promise<AssertionReport> {
  const { signal, names = manifest.assertions, clock = systemClock, random = systemRandom } = options;
  const { onBegin = () => {}, onProgress = () => {} } = options;
  let clients = await clientsOf(backend, clock, signal);
  if (clients.length === 0) throw downError(manifest.name);
  const assertions: AssertionResult[] = [];
  for (const name of names) {
    signal.throwIfAborted();
    onBegin(name);
    const startMs = clock.now();
    const progress = (text: string) => onProgress(name, text);
    const context = { manifest, backend, clients, clock, random, signal, progress };
    const outcome = await ASSERTIONS[name](context).catch((caught) => {
      signal.throwIfAborted();
      const { message } = asError(caught);
      return { ok: false, detail: message, evidence: { error: message } };
    });
    assertions.push({ name, ...outcome, elapsedMs: Math.round(clock.now() - startMs) });
    // Faults may have moved them.
    clients = await clientsOf(backend, clock, signal);
  }
  return { ok: assertions.length > 0 && assertions.every(({ ok }) => ok), assertions };
}

async function clientsOf(backend: Backend, clock: Clock, signal: AbortSignal): Promise<AdminClient[]> {
  const { nodes = [], token = "" } = await backend.access() ?? {};
  return nodes.map((node) => new AdminClient(node, { token, clock, timeoutMs: ANSWER_MS, signal }));
}
