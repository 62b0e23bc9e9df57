import { asError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import type { P2PModule } from "../module/p2p_module.ts";
import { GenesisProvider } from "../peer/genesis_provider.ts";
import { ClusterEndpoints } from "./cluster_endpoints.ts";
import { connect } from "./connect.ts";
import { EndpointsProvider } from "./endpoints_provider.ts";

/**
 * The staked set of the cluster in which this process is: `staked_set: kubernetes`. It is the application's to close.
 *
 * @throws {P2pError} `genesis_unreadable`, `genesis_malformed`, `kubeconfig_unreadable`; an API server that does not answer is asked again and again
 */
export async function openStakedSet(
  genesisFile: string,
  { clock, random }: { clock: Clock; random: Random },
): Promise<EndpointsProvider> {
  const [genesis, cluster] = await Promise.all([GenesisProvider.open(genesisFile), connect()]);
  return EndpointsProvider.start({ genesis, source: new ClusterEndpoints(cluster, { clock }), clock, random });
}

/** Tells a started module each new height of its provider, until disposed of: do that before the module is stopped. */
export function followHeights(provider: EndpointsProvider, module: P2PModule): AsyncDisposable {
  const stop = new AbortController();
  const following = follow(provider, module, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await following;
    },
  };
}

async function follow(provider: EndpointsProvider, module: P2PModule, signal: AbortSignal): Promise<void> {
  const log = logger("kubernetes");
  let { height } = module.ring;
  while (!signal.aborted) {
    try {
      height = await provider.heightAfter(height, signal);
      await module.handleEvent({ type: "ConsensusNewHeightEvent", height });
      log.info("height {height}: {validators} validators", { height, validators: module.ring.size });
    } catch (error) {
      // Each height is told once, so this ends; the next one may do better.
      if (!signal.aborted) log.error("height {height} was not taken over: {error}", { height, error: asError(error) });
    }
  }
}
