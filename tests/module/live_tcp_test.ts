import { assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { LocalBus, type P2PEvent } from "../../src/module/bus.ts";
import { P2PModule } from "../../src/module/p2p_module.ts";
import { StaticProvider } from "../../src/peer/static_provider.ts";
import { expectedTraffic } from "../../src/raintree/expectations.ts";
import { classicOffsets, exactOffsets, type TreeMode } from "../../src/raintree/tree.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import { keysOf, textContent, textOf } from "./live_network.ts";

/** How long anything here may take before it counts as lost. */
const DEADLINE_MS = 20_000;

/** Nodes on TCP sockets of this machine, in ring order, in real time: what is waited for is an event, never a pause. */
class TcpNetwork implements AsyncDisposable {
  readonly modules: P2PModule[];
  readonly chain = new StaticProvider([]);
  readonly received: string[][];
  #changed = () => {};

  constructor(n: number, mode: TreeMode) {
    this.received = Array.from({ length: n }, () => []);
    this.modules = keysOf(n).map((key, position) => {
      const bus = new LocalBus();
      bus.subscribe((event) => this.#heard(position, event));
      const config = { private_key: key, port: 0, listen_host: "127.0.0.1", mode };
      return P2PModule.create(config, { bus, peerstore: this.chain, heights: this.chain, strict: true });
    });
  }

  /** Starts nodes that listen, tells the chain where, and waits for the tree's connections. */
  static async start(n: number, mode: TreeMode): Promise<TcpNetwork> {
    const network = new TcpNetwork(n, mode);
    const { modules, chain } = network;
    await Promise.all(modules.map((module) => module.start()));
    chain.set(1, modules.map(({ address, nodeAddress }) => ({ address, nodeAddress, stake: 1n })));
    await Promise.all(modules.map((module) => module.handleEvent({ type: "ConsensusNewHeightEvent", height: 1 })));
    const offsets = mode === "exact" ? exactOffsets(n) : classicOffsets(n);
    await network.until(() =>
      modules.every(({ router, ring, address }) =>
        offsets.every((offset) => router.socket(ring.at(ring.indexOf(address), offset)) !== undefined)
      )
    );
    return network;
  }

  /** Waits until `reached`, looked at whenever a node hears something. */
  async until(reached: () => boolean): Promise<void> {
    const late = Promise.withResolvers<never>();
    const cancel = systemClock.after(DEADLINE_MS, () => late.reject(new Error(`Not within ${DEADLINE_MS} ms`)));
    try {
      while (!reached()) await Promise.race([late.promise, new Promise<void>((resolve) => this.#changed = resolve)]);
    } finally {
      cancel();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.modules.map((module) => module[Symbol.asyncDispose]()));
  }

  #heard(position: number, event: P2PEvent): void {
    if (event.type === "message") this.received[position].push(textOf(event.content));
    this.#changed();
  }
}

for (const [mode, n] of [["exact", 9], ["exact", 27], ["classic", 9], ["classic", 18]] as const) {
  Deno.test(`a live ${mode} network of ${n} over TCP does what is expected`, async () => {
    await using network = await TcpNetwork.start(n, mode);
    const originators = [0, n - 1];
    const { reads, writes, deliveries } = expectedTraffic(mode, n, originators);
    for (const originator of originators) network.modules[originator].broadcast(textContent(`from ${originator}`));
    const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
    const stats = (kind: "reads" | "writes") => network.modules.map(({ raintree }) => raintree[kind]);
    await network.until(() => sum(network.received.map(({ length }) => length)) >= sum(deliveries));
    // Second copies make no event: turns of the event loop instead, as many as it takes within the test's time.
    while (sum(stats("reads")) < sum(reads)) await settle();
    assertEquals([stats("reads"), stats("writes")], [reads, writes]);
    assertEquals(network.received.map(({ length }) => length), deliveries);
  });
}

Deno.test("a live node with five peers runs eleven routines over TCP, and none once it has stopped", async () => {
  await using network = await TcpNetwork.start(6, "exact");
  const [{ router, routines, nodeAddress }, ...others] = network.modules;
  await Promise.all(others.map((other) => router.connect(other.address)));
  await network.until(() => router.connected.length === 5);
  // Where both ends have dialled at once, the second connection is closed as soon as nobody uses it.
  while (routines.count > 11) await settle();
  const listen = `listen 127.0.0.1:${nodeAddress.port}`;
  const expected = [listen, ...others.flatMap((other) => [`read ${other.address}`, `write ${other.address}`])].sort();
  assertEquals(routines.names(), expected);
  await network.modules[0].stop();
  assertEquals(routines.names(), []);
});

Deno.test("P2PModule.start() on a port in use fails and leaves nothing, and works once the port is free", async () => {
  const keys = keysOf(2);
  const config = { listen_host: "127.0.0.1", port: 0 };
  await using first = P2PModule.create({ ...config, private_key: keys[0] });
  await first.start();
  const port = first.nodeAddress.port!;
  await using second = P2PModule.create({ ...config, private_key: keys[1], port });
  const error = await assertRejects(() => second.start(), P2pError);
  assertEquals([error.code, second.started, second.routines.names()], ["port_in_use", false, []]);
  await first.stop();
  await second.start();
  assertEquals(second.nodeAddress.port, port);
});

Deno.test("P2PModule.request() and send() over TCP", async () => {
  await using network = await TcpNetwork.start(3, "exact");
  const [a, b] = network.modules;
  b.onRequest((content) => textContent(`answer to ${textOf(content)}`));
  assertEquals(textOf(await a.request(b.address, textContent("question"))), "answer to question");
  const large = "x".repeat(3 << 20);
  await a.send(b.address, textContent(large));
  await network.until(() => network.received[1].length === 1);
  assertEquals(network.received[1][0] === large, true);
});
