import { asError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { nodeAddressToMultiaddr } from "../identity/address_conversions.ts";
import { formatMultiaddr } from "../identity/multiaddr.ts";
import { LocalBus, type P2PEvent } from "../module/bus.ts";
import type { P2PConfig } from "../module/config.ts";
import { P2PModule } from "../module/p2p_module.ts";
import type { Io } from "./io.ts";

/**
 * Runs one node until `io.signal` aborts, then stops it. Logs what happens; standard output gets two lines once the node listens, its node
 * address URL and its multiaddr.
 *
 * @throws {P2pError} what `P2PModule.start` and `stop` throw; nothing is left running.
 */
export async function runNode(config: P2PConfig, io: Io): Promise<void> {
  const log = logger("node");
  const bus = new LocalBus((error) => log.error("a subscriber of the bus threw: {error}", { error: asError(error) }));
  bus.subscribe((event) => logEvent(log, event));
  await using node = P2PModule.create(config, { bus });
  await node.start({ signal: io.signal });
  const { address, staked, ring } = node;
  if (config.is_client_only) {
    log.info("node {address} started as a client, it does not listen", { address });
  } else {
    const multiaddr = formatMultiaddr(nodeAddressToMultiaddr(node.nodeAddress, config.private_key.peerId));
    io.stdout(`${node.url}\n${multiaddr}\n`);
    log.info("node {address} listens at {multiaddr}", { address, url: node.url, multiaddr });
  }
  const view = { validators: ring.size, staked };
  if (staked) log.info("staked, one of {validators} validators", view);
  else log.warn("not staked: broadcasts of {validators} validators do not come here", view);
  await aborted(io.signal);
  log.info("stopping");
  const { storeFailure } = node;
  await node.stop();
  if (storeFailure !== undefined) log.error("peers were not stored: {error}", { error: storeFailure.message });
  log.info("stopped");
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
