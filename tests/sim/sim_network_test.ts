import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { deadline } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { Routines } from "../../src/base/routines.ts";
import { seededRandom } from "../../src/base/random.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import type { Channel } from "../../src/router/channel.ts";
import { bytesCodec } from "../../src/router/codec.ts";
import { segmentDepth } from "../../src/raintree/tree.ts";
import { SimCluster, type SimClusterOptions } from "../../src/sim/sim_cluster.ts";
import type { SimHost } from "../../src/sim/sim_host.ts";
import { SimNetwork } from "../../src/sim/sim_network.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

function keyOf(seed: number): NodeKey {
  return NodeKey.fromSeed(seededRandom(seed).fill(new Uint8Array(32)));
}

/** A run with every kind of fault in it; returns what identifies it. */
async function eventfulRun(seed: number): Promise<{ digest: string; events: number; arrivals: string }> {
  const link = { latencyMs: 50, jitterMs: 20, loss: 0.02, messageLoss: 0.02, duplicates: 0.02, bytesPerSecond: 1e6 };
  await using cluster = await SimCluster.start({
    nodes: 9,
    seed,
    link,
    skew: (i) => ({ skewMs: i, rate: 1 + i / 1e4 }),
  });
  const { network, clock, nodes } = cluster;
  const address = (i: number) => nodes[i].key.address;
  network.pause(address(3));
  network.slow(address(4), 100);
  for (let i = 0; i < 3; i++) cluster.broadcast(i, 2000);
  await clock.advance(500);
  network.resume(address(3));
  network.crash(address(5), { silent: true });
  network.crash(address(6));
  network.partition([[address(1), address(2)]]);
  cluster.broadcast(0);
  await clock.advance(3000);
  network.heal();
  cluster.restart(5);
  cluster.restart(6);
  await clock.advance(30_000);
  cluster.broadcast(8);
  await clock.advance(2000);
  const arrivals = JSON.stringify(cluster.broadcasts.map((each) => [...each.arrivals]));
  return { digest: network.trace.digest(), events: network.trace.events, arrivals };
}

Deno.test("SimNetwork replays a run byte for byte from its seed, and another seed is another run", async () => {
  const first = await eventfulRun(11);
  assert(first.events > 300, `only ${first.events} events`);
  assertEquals(await eventfulRun(11), first);
  const other = await eventfulRun(12);
  assert(other.digest !== first.digest && other.arrivals !== first.arrivals);
});

Deno.test("a broadcast on a SimNetwork reaches everyone once, at most a latency a hop late", async () => {
  for (const nodes of [2, 9, 27]) {
    await using cluster = await SimCluster.start({ nodes, seed: nodes });
    const { arrivals, sentMs } = cluster.broadcast(nodes >> 1);
    await cluster.clock.advance(1000);
    assertEquals(arrivals.size, nodes - 1);
    for (const at of arrivals.values()) {
      assert(at - sentMs >= 30 && at - sentMs <= 70 * segmentDepth(nodes) + 1e-6, `${at - sentMs} ms`);
    }
    const writes = cluster.nodes.reduce((sum, { module }) => sum + module.raintree.writes, 0);
    assertEquals([writes, cluster.broadcasts[0].duplicates], [nodes - 1, 0]);
  }
});

Deno.test("links of a SimNetwork are as their two ends say, each direction for itself", async () => {
  await using cluster = await SimCluster.start({ nodes: 2, link: (from, to) => ({ latencyMs: from < to ? 10 : 400 }) });
  for (const [from, to, latencyMs] of [[0, 1, 10], [1, 0, 400]]) {
    const { arrivals, sentMs } = cluster.broadcast(from);
    await cluster.clock.advance(1000);
    assertEquals(arrivals.get(to)! - sentMs, latencyMs);
  }
  cluster.network.slow(cluster.nodes[1].key.address, 500);
  const { arrivals, sentMs } = cluster.broadcast(0);
  await cluster.clock.advance(1000);
  assertEquals(arrivals.get(1)! - sentMs, 510);
});

Deno.test("what is sent on two connections may arrive in either order", async () => {
  await using cluster = await SimCluster.start({ nodes: 3, link: { latencyMs: 50, jitterMs: 50 } });
  const orders = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const { arrivals } = cluster.broadcast(0);
    await cluster.clock.advance(200);
    orders.add([...arrivals.keys()].join());
  }
  assertEquals([...orders].sort(), ["1,2", "2,1"]);
});

Deno.test("lost packets make a stream late, never incomplete or out of order", async () => {
  await using pair = await Pair.start({ link: { latencyMs: 20, jitterMs: 20, loss: 0.1 } });
  pair.send(500, 1000);
  await pair.cluster.until("messages", () => pair.received.length === 500);
  assert(pair.cluster.network.stats.retransmissions > 0);
  assertEquals(pair.received, Array.from({ length: 500 }, (_, i) => i));
});

Deno.test("bandwidth is what limits a large transfer, and a latency stands before its beginning", async () => {
  await using pair = await Pair.start({ link: { latencyMs: 100, bytesPerSecond: 1_000_000 } });
  const start = pair.cluster.clock.now();
  pair.send(100, 20_000);
  await pair.cluster.until("messages", () => pair.received.length === 100);
  const seconds = (pair.cluster.clock.now() - start) / 1000;
  assert(seconds >= 2.1 && seconds < 2.4, `2 MB took ${seconds} s`);
});

Deno.test("lost and doubled messages cost no credit: a channel lives through many times its capacity", async () => {
  const link = { latencyMs: 5, jitterMs: 5, messageLoss: 0.05, duplicates: 0.05 };
  await using pair = await Pair.start({ link });
  const { stats } = pair.cluster.network;
  const sent = 10_000;
  pair.send(sent, 10_000);
  await pair.cluster.until("messages", () => pair.sent === sent);
  await pair.cluster.clock.advance(1000);
  assert(stats.messagesLost > 300 && stats.messagesDuplicated > 300, JSON.stringify(stats));
  assertEquals(stats.resets, 0);
  assertEquals(pair.received.length, sent - stats.messagesLost + stats.messagesDuplicated);
  assertEquals(new Set(pair.received).size, sent - stats.messagesLost);
  assertEquals(pair.received, pair.received.toSorted((a, b) => a - b));
});

Deno.test("nothing crosses a partition; connections outlive a short one, and what waited arrives", async () => {
  await using cluster = await SimCluster.start({ nodes: 9 });
  const { network, clock, nodes } = cluster;
  network.partition([nodes.slice(0, 4).map(({ key }) => key.address)]);
  const { arrivals } = cluster.broadcast(0);
  await clock.advance(5000);
  assertEquals([...arrivals.keys()].every((position) => position < 4), true);
  const before = arrivals.size;
  network.heal();
  await clock.advance(10_000);
  assert(before < 8 && arrivals.size === 8, `${before}, then ${arrivals.size}`);
  assertEquals([cluster.broadcasts[0].duplicates, network.stats.resets], [0, 0]);
});

Deno.test("a paused node does nothing, and all of it when it is resumed", async () => {
  // The bare tree: nobody takes over for it.
  const config = { acks: false, repair: false };
  await using cluster = await SimCluster.start({ nodes: 9, link: { latencyMs: 10 }, config });
  const { network, clock, nodes } = cluster;
  // Position 3 answers for 4 and 5.
  network.pause(nodes[3].key.address);
  const { arrivals, sentMs } = cluster.broadcast(0);
  await clock.advance(3000);
  assertEquals([...arrivals.keys()].sort(), [1, 2, 6, 7, 8]);
  network.resume(nodes[3].key.address);
  await clock.advance(100);
  assertEquals([3, 4, 5].map((position) => arrivals.get(position)! - sentMs), [3000, 3010, 3010]);
});

Deno.test("a crash is heard at once, a silent one when pings stay unanswered; after a restart all is well", async () => {
  for (const silent of [false, true]) {
    await using cluster = await SimCluster.start({ nodes: 3 });
    const { network, clock, nodes } = cluster;
    const crashed = nodes[1].key.address;
    const seen = () => [0, 2].filter((position) => nodes[position].module.router.socket(crashed) !== undefined);
    network.crash(crashed, { silent });
    await clock.advance(200);
    assertEquals(seen(), silent ? [0, 2] : []);
    await clock.advance(30_000); // a ping interval and a ping timeout
    assertEquals(seen(), []);
    cluster.restart(1);
    await cluster.until("connections", () => cluster.connected());
    const { arrivals } = cluster.broadcast(1);
    await clock.advance(1000);
    assertEquals(arrivals.size, 2);
  }
});

Deno.test("a node that is started again before its silence was noticed says that it knows no such connection", async () => {
  await using cluster = await SimCluster.start({ nodes: 3 });
  const { network, clock, nodes } = cluster;
  network.crash(nodes[1].key.address, { silent: true });
  cluster.restart(1);
  await clock.advance(500);
  cluster.broadcast(0);
  await cluster.until("new connections", () => cluster.connected() && network.stats.resets > 0);
  const { arrivals } = cluster.broadcast(2);
  await clock.advance(1000);
  assertEquals(arrivals.size, 2);
});

Deno.test("clocks of nodes are wrong as they are told to be, and only those", async () => {
  const clock = new VirtualClock();
  const network = new SimNetwork(clock);
  const right = network.host(keyOf(1));
  const wrong = network.host(keyOf(2), { skewMs: 5000, rate: 2 });
  const fired: [string, number][] = [];
  right.clock.after(100, () => fired.push(["right", clock.now()]));
  wrong.clock.after(100, () => fired.push(["wrong", clock.now()]));
  wrong.clock.after(150, () => fired.push(["cancelled", clock.now()]))();
  await clock.advance(1000);
  assertEquals(fired, [["wrong", 50], ["right", 100]]);
  assertEquals([right.clock.now(), right.clock.wall()], [1000, 1000]);
  assertEquals([wrong.clock.now(), wrong.clock.wall()], [2000, 7000]);
  assertThrows(() => network.host(keyOf(3), { rate: 0 }), RangeError);
});

Deno.test("timers of a paused node wait, those cancelled meanwhile stay cancelled, and a crashed node has none", async () => {
  const clock = new VirtualClock();
  const network = new SimNetwork(clock);
  const host = network.host(keyOf(1));
  const fired: string[] = [];
  host.clock.after(10, () => fired.push("first"));
  const cancel = host.clock.after(20, () => fired.push("second"));
  host.clock.after(2000, () => fired.push("never"));
  network.pause(host.address);
  await clock.advance(1000);
  assertEquals(fired, []);
  cancel();
  network.resume(host.address);
  await clock.advance(0);
  assertEquals(fired, ["first"]);
  network.crash(host.address);
  host.clock.after(1, () => fired.push("never"));
  await clock.advance(5000);
  assertEquals(fired, ["first"]);
});

Deno.test("a dial takes a round trip, is refused where nobody listens, and knocks on silence until it is told to stop", async () => {
  const clock = new VirtualClock();
  const network = new SimNetwork(clock, { link: { latencyMs: 40 } });
  const routines = new Routines();
  const [dialler, listener] = [network.host(keyOf(1)), network.host(keyOf(2))];
  const to = { protocol: "memory", id: listener.address };
  const ends: string[] = [];
  const dial = (what: string, signal?: AbortSignal) =>
    dialler.transport(routines).dial(to, signal).then(
      (connection) => (ends.push(`${what} at ${clock.now()}`), connection),
      (error) => (ends.push(`${what}: ${error.code} at ${clock.now()}`), undefined),
    );
  void dial("nobody");
  await clock.advance(100);
  const there = listener.transport(routines);
  await there.listen({ protocol: "memory" }, () => {});
  const dialled = dial("somebody");
  await clock.advance(100);
  network.crash(listener.address, { silent: true });
  using limit = deadline(clock, 5000, "Dialling");
  void dial("silence", limit.signal);
  await clock.advance(10_000);
  assertEquals(ends, ["nobody: dial_refused at 0", "somebody at 180", "silence: deadline at 5200"]);
  const closing = (await dialled)!.close();
  await clock.advance(1000);
  await closing;
  await there.close();
  assertEquals([routines.count, clock.pending], [0, 0]);
});

Deno.test("SimNetwork refuses links that cannot be, a second machine for a node, and names that it does not know", () => {
  const clock = new VirtualClock();
  for (const link of [{ latencyMs: -1 }, { latencyMs: 5, jitterMs: 6 }, { loss: 0.6 }, { bytesPerSecond: 0 }]) {
    assertThrows(() => new SimNetwork(clock, { link }), RangeError);
  }
  const network = new SimNetwork(clock);
  const { address } = network.host(keyOf(1));
  for (
    const [code, act] of [
      ["sim_host_taken", () => network.host(keyOf(1))],
      ["sim_host_unknown", () => network.pause(keyOf(2).address)],
    ] as const
  ) assertEquals(assertThrows(act, P2pError).code, code);
  network.crash(address);
  assertEquals(network.host(keyOf(1)).running, true);
});

Deno.test("SimCluster.until() says what did not come", async () => {
  await using cluster = await SimCluster.start({ nodes: 2 });
  const error = await assertRejects(() => cluster.until("miracle", () => false, 1000), P2pError);
  assertEquals([error.code, error.message], ["sim_late", "No miracle within 1000 virtual milliseconds"]);
});

/** Two nodes, of which one sends numbered messages to the other on a channel of their own. */
class Pair implements AsyncDisposable {
  readonly cluster: SimCluster;
  /** Numbers of the messages that came, in order. */
  readonly received: number[] = [];
  /** How many were handed to the sender's queue. */
  sent = 0;
  readonly #out: Channel<Uint8Array>;

  private constructor(cluster: SimCluster) {
    this.cluster = cluster;
    const descriptor = { id: 20, name: "pair", codec: bytesCodec };
    const [out, incoming] = cluster.nodes.map(({ module }) => module.router.openChannel(descriptor));
    this.#out = out;
    incoming.handle((bytes) => {
      this.received.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
    });
  }

  static async start(options: Omit<SimClusterOptions, "nodes">): Promise<Pair> {
    const cluster = await SimCluster.start({ nodes: 2, ...options });
    const pair = new Pair(cluster);
    await cluster.clock.advance(1000); // each has told the other of its channel
    return pair;
  }

  /** Sends as fast as it may, while time passes. */
  send(count: number, bytes: number): void {
    void (async () => {
      for (let i = 0; i < count; i++) {
        const message = new Uint8Array(bytes);
        new DataView(message.buffer).setUint32(0, i);
        await this.#out.send(this.cluster.nodes[1].key.address, message);
        this.sent++;
      }
    })();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cluster[Symbol.asyncDispose]();
  }
}

Deno.test("a muted node's messages vanish on that channel alone, and it never runs out of credit for them", async () => {
  const channels = new Map<number, number>();
  const tap = (from: SimHost, _to: SimHost, channel: number, flags: number) => {
    if (from.muted.size > 0 && flags === 0) channels.set(channel, (channels.get(channel) ?? 0) + 1);
  };
  await using cluster = await SimCluster.start({ nodes: 3, liars: [1], tap });
  const broadcasts = 300;
  const large = 100_000; // 30 MB a peer, many times what the channel may have under way
  for (let i = 0; i < broadcasts; i++) {
    cluster.broadcast(1, large);
    await cluster.clock.advance(200);
  }
  assertEquals(cluster.broadcasts.map(({ arrivals }) => arrivals.size), new Array(broadcasts).fill(0));
  assert(channels.get(1)! >= 2 * broadcasts, `${channels.get(1)} messages left it`);
  const { nodes: [one, liar, other] } = cluster;
  const answered = liar.module.router.openChannel({ id: 20, name: "ask", codec: bytesCodec });
  const heard: string[] = [];
  for (const { module, key } of [one, other]) {
    module.router.openChannel({ id: 20, name: "ask", codec: bytesCodec }).handle(() => void heard.push(key.address));
  }
  await cluster.clock.advance(1000);
  for (const { key } of [one, other]) await answered.send(key.address, new Uint8Array(8));
  await cluster.clock.advance(1000);
  assertEquals(heard.sort(), [one.key.address, other.key.address]);
  const error = assertThrows(() => cluster.network.mute(one.key.address, 1), P2pError);
  assertEquals(error.code, "sim_mute_late");
});
