import type { AdminServer } from "../admin/admin_server.ts";
import type { MessageLog } from "../admin/message_log.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { systemRandom } from "../base/random.ts";
import type { Address } from "../identity/address.ts";
import { nodeAddressToMultiaddr } from "../identity/address_conversions.ts";
import { formatMultiaddr } from "../identity/multiaddr.ts";
import { parseNodeAddress } from "../identity/node_address.ts";
import { LocalBus, type P2PEvent } from "../module/bus.ts";
import type { P2PConfig } from "../module/config.ts";
import { P2PModule } from "../module/p2p_module.ts";
import type { Io } from "./io.ts";

/** A node that has peers to connect with and is connected with none of them after this time says so, once. */
const LONELY_MS = 30_000;

/** Options of {@link runNode}. */
export interface RunNodeOptions {
  /** Time. @default {systemClock} */
  clock?: Clock;
}

/**
 * Runs one node until `io.signal` aborts, then stops it. One that is told to end while it starts ends in order too. Logs
 * what happens; standard output gets two lines once the node listens, its node
 * address URL and its multiaddr, and a third with the URL of its admin API where it has one.
 *
 * @throws {P2pError} what `P2PModule.start` and `stop` throw; nothing is left running.
 */
export async function runNode(config: P2PConfig, io: Io, { clock = systemClock }: RunNodeOptions = {}): Promise<void> {
  const log = logger("node");
  const bus = new LocalBus((error) => log.error("a subscriber of the bus threw: {error}", { error: asError(error) }));
  bus.subscribe((event) => logEvent(log, event));
  const messages = config.admin_port === "" ? undefined : await newMessageLog(clock);
  await using staking = config.staked_set === "kubernetes" ? await openStaking(config, clock) : undefined;
  const provider = staking?.provider;
  await using node = P2PModule.create(config, { bus, clock, trace: messages, peerstore: provider, heights: provider });
  // Before the start: it is alive then, and says what it waits for.
  await using admin = messages && await openAdmin(config, node, messages, clock);
  try {
    // As long as it takes: an API server that is away for a while is no reason to fail.
    await provider?.getCurrentHeight({ signal: io.signal });
    await node.start({ signal: io.signal });
  } catch (error) {
    if (!io.signal.aborted || error !== io.signal.reason) throw error;
    return log.info("stopped before it was started");
  }
  const { address, staked, ring } = node;
  if (config.is_client_only) {
    log.info("node {address} started as a client, it does not listen", { address });
  } else {
    const multiaddr = formatMultiaddr(nodeAddressToMultiaddr(node.nodeAddress, config.private_key.peerId));
    io.stdout(`${node.url}\n${multiaddr}\n`);
    log.info("node {address} listens at {multiaddr}", { address, url: node.url, multiaddr });
  }
  if (admin !== undefined) {
    io.stdout(`${admin.url}\n`);
    log.info("admin API at {url}", { url: admin.url });
  }
  const view = { validators: ring.size, staked };
  if (staked) log.info("staked, one of {validators} validators", view);
  else log.warn("not staked: broadcasts of {validators} validators do not come here", view);
  const peers = config.persistent_peers.map((url) => parseNodeAddress(url).id);
  const cancel = clock.after(LONELY_MS, () => warnIfLonely(log, node, peers));
  {
    await using _following = staking?.follow(node);
    await aborted(io.signal);
  }
  cancel();
  admin?.drain();
  log.info("stopping");
  const { storeFailure } = node;
  await node.stop();
  if (storeFailure !== undefined) log.error("peers were not stored: {error}", { error: storeFailure.message });
  log.info("stopped");
}

async function newMessageLog(clock: Clock): Promise<MessageLog> {
  const { MessageLog } = await import("../admin/message_log.ts");
  return new MessageLog({ clock });
}

/** The staked set of the cluster, and what has a module follow it. Loaded only where it is asked for. */
async function openStaking(config: P2PConfig, clock: Clock) {
  const { openStakedSet, followHeights } = await import("../kubernetes/open_staked_set.ts");
  const provider = await openStakedSet(config.genesis_file, { clock, random: systemRandom });
  return {
    provider,
    follow: (module: P2PModule) => followHeights(provider, module),
    [Symbol.asyncDispose]: () => provider.close(),
  };
}

/** Loaded only where it is asked for: the time to start counts. */
async function openAdmin(
  config: P2PConfig,
  module: P2PModule,
  messages: MessageLog,
  clock: Clock,
): Promise<AdminServer> {
  const [{ AdminServer }, { echo }] = await Promise.all([
    import("../admin/admin_server.ts"),
    import("../admin/echo.ts"),
  ]);
  module.onRequest(echo);
  const { admin_host: host, admin_port, admin_token: token, request_timeout_ms: timeoutMs } = config;
  return AdminServer.open({ module, messages, host, port: Number(admin_port), token, timeoutMs, clock });
}

function warnIfLonely(log: ReturnType<typeof logger>, node: P2PModule, persistent: Address[]): void {
  const peers = new Set([...node.ring, ...persistent]);
  peers.delete(node.address);
  if (peers.size === 0 || node.router.connected.length > 0) return;
  const seconds = LONELY_MS / 1000;
  for (const peer of peers) {
    const error = node.explain(peer)?.endpoints.find(({ lastError }) => lastError !== undefined)?.lastError;
    if (error === undefined) continue;
    const fields = { peers: peers.size, seconds, peer, error };
    return log.warn(
      "no peer is connected after {seconds} s, known: {peers}; the last dial to {peer} failed: {error}",
      fields,
    );
  }
  log.warn("no peer is connected after {seconds} s, known: {peers}; no dial has ended", {
    peers: peers.size,
    seconds,
  });
}

function logEvent(log: ReturnType<typeof logger>, event: P2PEvent): void {
  switch (event.type) {
    case "message": {
      const { typeUrl, value } = event.content;
      const fields = { peer: event.from, typeUrl, bytes: value.length };
      return log.info("message of {bytes} bytes, {typeUrl}, by way of {peer}", fields);
    }
    case "peer_up":
      return log.info("peer {peer} is connected", { peer: event.peer });
    case "peer_down":
      return log.info("peer {peer} is gone", { peer: event.peer });
    case "bootstrapped":
      return log.info("bootstrapped");
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
