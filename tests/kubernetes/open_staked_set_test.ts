import { assertEquals, assertRejects } from "@std/assert";
import { abortable, systemClock } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import type { EndpointSlice } from "../../src/kubernetes/endpoints_view.ts";
import { EndpointsProvider } from "../../src/kubernetes/endpoints_provider.ts";
import type { EndpointEvent, EndpointSource } from "../../src/kubernetes/endpoints_watch.ts";
import { followHeights } from "../../src/kubernetes/open_staked_set.ts";
import { P2PModule } from "../../src/module/p2p_module.ts";
import { StaticProvider } from "../../src/peer/static_provider.ts";
import { MemoryNetwork } from "../../src/transport/memory/memory_transport.ts";
import { slice } from "./_slices.ts";

/** A cluster whose slice changes when the test says so. */
class FakeSource implements EndpointSource {
  #onEvent: ((event: EndpointEvent) => void) | undefined;
  readonly first: EndpointSlice;

  constructor(first: EndpointSlice) {
    this.first = first;
  }

  list() {
    return Promise.resolve({ slices: [this.first], version: "1" });
  }

  watch(_version: string, onEvent: (event: EndpointEvent) => void, signal: AbortSignal): Promise<void> {
    this.#onEvent = onEvent;
    return abortable(new Promise(() => {}), signal);
  }

  put(next: EndpointSlice): void {
    this.#onEvent!({ type: "present", slice: next });
  }
}

Deno.test("followHeights() has a module take over each set of the cluster, and leaves it alone once disposed of", async () => {
  const keys = [1, 2, 3].map((i) => NodeKey.fromSeed(new Uint8Array(32).fill(i)));
  const genesis = new StaticProvider(keys.map(({ address }, i) => ({
    address,
    nodeAddress: { protocol: "tcp", id: address, host: `validator-${i}.validators`, port: 42069 },
    stake: 1n,
  })));
  const source = new FakeSource(slice("a", 2, { "validator-0": "127.0.0.1" }));
  await using provider = EndpointsProvider.start({ genesis, source, clock: systemClock, random: seededRandom(1) });
  await using module = P2PModule.create(
    { private_key: keys[0], connection_type: "memory", staked_set: "kubernetes", genesis_file: "genesis.json" },
    { memory: new MemoryNetwork(), peerstore: provider, heights: provider },
  );
  await module.start();
  assertEquals([module.ring.height, module.ring.size, module.staked], [2, 1, true]);

  // What happens between the start and the following is not missed.
  source.put(slice("a", 3, { "validator-0": "127.0.0.1", "validator-1": "127.0.0.2" }));
  await provider.heightAfter(2);
  const following = followHeights(provider, module);
  await reached(module, 3);
  assertEquals([module.ring.size, module.stakedPeers.map(({ nodeAddress }) => nodeAddress.host).sort()], [
    2,
    ["127.0.0.1", "127.0.0.2"],
  ]);
  source.put(slice("a", 5, { "validator-1": "127.0.0.2" }));
  await reached(module, 5);
  assertEquals([module.ring.size, module.staked], [1, false]);
  const refused = () => module.broadcast({ typeUrl: "t", value: new Uint8Array() });
  assertEquals((await assertRejects(refused, P2pError)).code, "raintree_not_staked");

  await following[Symbol.asyncDispose]();
  source.put(slice("a", 6, {}));
  await provider.heightAfter(5);
  assertEquals(module.ring.height, 5);
});

/** Resolves when the module is at that height: it says so to nobody. */
async function reached(module: P2PModule, height: number): Promise<void> {
  while (module.ring.height !== height) await new Promise((resolve) => systemClock.after(1, () => resolve(undefined)));
}
