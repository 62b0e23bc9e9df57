import { configureSync, resetSync } from "@logtape/logtape";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { CHANNELS } from "../../src/module/channels.ts";
import { ConfigError } from "../../src/module/config_error.ts";
import type { NodeEvent } from "../../src/module/events.ts";
import { P2PModule } from "../../src/module/p2p_module.ts";
import type { StakedPeer } from "../../src/peer/staked_peer.ts";
import { StaticProvider } from "../../src/peer/static_provider.ts";
import { exactOffsets } from "../../src/raintree/tree.ts";
import { MemoryNetwork } from "../../src/transport/memory/memory_transport.ts";
import { keysOf, LiveNetwork, type LiveNode, stakedPeer, textContent, textOf } from "./live_network.ts";

Deno.test("P2PModule.create() names every wrong field at once, and opens nothing", () => {
  const error = assertThrows(
    () => P2PModule.create({ port: 70_000, mode: "fast" as "exact", persistent_peers: ["tcp://nobody"] }),
    ConfigError,
  );
  assertEquals(error.code, "config_invalid");
  assertEquals(error.problems.map(({ path }) => path), ["port", "mode", "persistent_peers[0]", "private_key"]);
});

Deno.test("P2PModule.subscribe() tells of events of each start, and refuses where the bus is the application's own", async () => {
  const [key] = keysOf(1);
  const config = { private_key: key, connection_type: "memory" } as const;
  const bootstrapping: NodeEvent = {
    type: "StateMachineTransitionEvent",
    event: "",
    previousState: "",
    newState: "P2P_Bootstrapping",
  };
  const peerstore = new StaticProvider([stakedPeer(key)]);
  await using node = P2PModule.create(config, { peerstore, memory: new MemoryNetwork() });
  const told: string[] = [];
  const leave = node.subscribe(({ type }) => told.push(type));
  for (let start = 1; start <= 2; start++) {
    await node.start();
    await node.handleEvent(bootstrapping);
    await node.stop();
  }
  leave();
  await node.start();
  await node.handleEvent(bootstrapping);
  assertEquals(told, ["bootstrapped", "bootstrapped"]);
  const other = P2PModule.create(config, { bus: { publish: () => {} } });
  assertEquals(assertThrows(() => other.subscribe(() => {}), P2pError).code, "bus_injected");
});

Deno.test(
  "P2PModule.start() warns of a key file that other users can read",
  { ignore: Deno.build.os === "windows" },
  async () => {
    const path = await Deno.makeTempFile();
    const warned: unknown[] = [];
    configureSync({
      sinks: { list: ({ level, properties }) => warned.push([level, properties]) },
      loggers: [
        { category: ["raintree", "module"], sinks: ["list"], lowestLevel: "warning" },
        { category: ["logtape", "meta"], lowestLevel: "fatal" },
      ],
    });
    try {
      for (const mode of [0o600, 0o440, 0o640]) {
        await Deno.chmod(path, mode);
        const config = { private_key: keysOf(1)[0], private_key_file: path, connection_type: "memory" } as const;
        await using node = P2PModule.create(config, { memory: new MemoryNetwork() });
        await node.start();
      }
      assertEquals(warned, [["warning", { path, mode: "640" }]]);
    } finally {
      resetSync();
      await Deno.remove(path);
    }
  },
);

Deno.test("P2PModule.start() twice and stop() twice are errors, and a stopped module starts again", async () => {
  await using network = await LiveNetwork.start({ nodes: 3 });
  const { module } = network.nodes[0];
  await assertRejectsWith("module_started", module.start());
  assertEquals(module.started, true);
  await module.stop();
  await assertRejectsWith("module_not_started", module.stop());
  assertEquals([module.started, module.routines.count], [false, 0]);
  for (let restart = 1; restart <= 3; restart++) {
    await module.start();
    await network.until(() => module.router.connected.length === 2, () => "connected again");
    await network.broadcast(0, `restart ${restart}`);
    assertEquals(network.nodes[1].texts.at(-1), `restart ${restart}`);
    await network.broadcast(1, `to ${restart}`);
    assertEquals(network.nodes[0].texts.at(-1), `to ${restart}`);
    assertEquals(module.telemetry.p2p_nodes_started_counter, 1 + restart);
    await module.stop();
  }
});

Deno.test("P2PModule.start() and stop() called at once happen one after the other", async () => {
  await using network = await LiveNetwork.start({ nodes: 3 });
  const { module } = network.nodes[0];
  const ended = assertRejectsWith("module_stopped", Promise.all([module.stop(), module.start()]));
  await Promise.all([module.stop(), module.start()]);
  await ended;
  assertEquals(module.started, true);
});

Deno.test("P2PModule that is stopped or disposed of while it starts ends the start, and runs nothing", async () => {
  await using network = await LiveNetwork.start({ nodes: 2 });
  const [key] = keysOf(3).filter(({ address }) => network.nodes.every((node) => node.address !== address));
  const silent = new Promise<never>(() => {});
  for (const end of [(module: P2PModule) => module.stop(), (module: P2PModule) => module[Symbol.asyncDispose]()]) {
    const { module } = network.node(key, {}, { heights: { getCurrentHeight: () => silent } });
    const starting = assertRejectsWith("module_stopped", module.start());
    await network.rest();
    await end(module);
    await starting;
    assertEquals([module.started, module.routines.names()], [false, []]);
  }
});

Deno.test("P2PModule says when it is not started", async () => {
  await using network = await LiveNetwork.start({ nodes: 2 });
  const { module, address } = network.nodes[0];
  await module.stop();
  const content = textContent("x");
  for (
    const call of [
      () => module.nodeAddress,
      () => module.router,
      () => module.ring,
      () => module.raintree,
      () => module.explain(address),
      () => module.addPeer({ protocol: "memory", id: address }),
    ]
  ) assertEquals(assertThrows(call, P2pError).code, "module_not_started");
  await assertRejectsWith("module_not_started", module.broadcast(content));
  await assertRejectsWith("module_not_started", module.send(address, content));
  await assertRejectsWith("module_not_started", module.request(address, content));
  await assertRejectsWith("module_not_started", module.handleEvent({ type: "ConsensusNewHeightEvent", height: 1 }));
  assertEquals(module.address, address);
});

Deno.test("P2PModule.start() that fails leaves nothing open, and may be tried again", async () => {
  await using network = await LiveNetwork.start({ nodes: 2 });
  const [key] = keysOf(3).filter(({ address }) => network.nodes.every((node) => node.address !== address));
  let fail = true;
  const node = network.node(key, {}, {
    peerstore: {
      getStakedPeerstoreAtHeight: (height) =>
        fail ? Promise.reject(new Error("No chain")) : network.chain.getStakedPeerstoreAtHeight(height),
    },
  });
  await assertRejects(() => node.module.start(), Error, "No chain");
  assertEquals([node.module.started, node.module.routines.count], [false, 0]);
  fail = false;
  await node.module.start();
  await node.module.stop();
  const twin = network.node(network.nodes[0].key);
  await assertRejectsWith("port_in_use", twin.module.start());
  assertEquals(twin.module.routines.count, 0);
});

Deno.test("P2PModule waits for a provider that never answers no longer than for a request", async () => {
  await using network = await LiveNetwork.start({ nodes: 2 });
  const [key] = keysOf(3).filter(({ address }) => network.nodes.every((node) => node.address !== address));
  let silent = false;
  const node = network.node(key, { request_timeout_ms: 500 }, {
    peerstore: {
      getStakedPeerstoreAtHeight: (height) =>
        silent ? new Promise(() => {}) : network.chain.getStakedPeerstoreAtHeight(height),
    },
  });
  await node.module.start();
  silent = true;
  const event: NodeEvent = { type: "ConsensusNewHeightEvent", height: 1 };
  await assertRejectsWith("deadline", network.whileTimePasses(node.module.handleEvent(event)));
  const moving = assertRejectsWith("module_stopped", node.module.handleEvent(event));
  await node.module.stop();
  await moving;
  await assertRejectsWith("deadline", network.whileTimePasses(node.module.start()));
  assertEquals(node.module.routines.count, 0);
});

Deno.test("P2PModule.start() ends with its signal, and leaves nothing", async () => {
  await using network = await LiveNetwork.start({ nodes: 2 });
  const [key] = keysOf(3).filter(({ address }) => network.nodes.every((node) => node.address !== address));
  const silent = new Promise<never>(() => {});
  const config = { bootstrap_nodes_csv: ["http://one:1"] };
  const hanging = [
    network.node(key, {}, { peerstore: { getStakedPeerstoreAtHeight: () => silent } }),
    network.node(key, {}, { heights: { getCurrentHeight: () => silent } }),
    network.node(key, config, { peerstore: new StaticProvider([]), fetch: () => silent }),
  ];
  for (const { module } of hanging) {
    for (const early of [true, false]) {
      const enough = new AbortController();
      if (early) enough.abort(new P2pError("enough", "Enough"));
      const starting = assertRejectsWith("enough", module.start({ signal: enough.signal }));
      await network.rest();
      enough.abort(new P2pError("enough", "Enough"));
      await starting;
      assertEquals([module.started, module.routines.names()], [false, []]);
    }
  }
});

Deno.test("P2PModule.broadcast() reaches the application once, with the nonce stripped, and never its originator", async () => {
  // Classic at 18: copies come back to the originator, and most nodes get it twice.
  await using network = await LiveNetwork.start({ nodes: 18, mode: "classic" });
  await network.broadcast(4, "once");
  assert(network.nodes[4].module.raintree.reads > 0, "copies came back");
  network.nodes.forEach(({ texts, module }, position) => {
    if (position !== 4) assert(texts.length <= 1, `node ${position}: ${texts}`);
    else assertEquals(texts, []);
    const redundant = [...module.telemetry.broadcast_message_redundancy_per_block_event_metric.values()];
    assertEquals(redundant.reduce((sum, count) => sum + count, 0), module.raintree.redundant);
  });
  const { events } = network.nodes[5];
  const message = events.find((event) => event.type === "message")!;
  assertEquals(Object.keys(message).sort(), ["content", "from", "type"]);
  assertEquals(message.type === "message" && Object.keys(message.content).sort(), ["typeUrl", "value"]);
});

Deno.test("P2PModule counts every RainTree message it sends at the height of sending, passed on or its own", async () => {
  await using network = await LiveNetwork.start({ nodes: 9 });
  await network.broadcast(0, "at height 0");
  for (const { module } of network.nodes) await module.handleEvent({ type: "ConsensusNewHeightEvent", height: 7 });
  await network.broadcast(0, "at height 7");
  await network.nodes[1].module.send(network.nodes[2].address, textContent("direct"));
  await network.rest();
  const writes = [4, 0, 0, 2, 0, 0, 2, 0, 0];
  network.nodes.forEach(({ module }, position) => {
    const counted = [...module.telemetry.raintree_message_event_metric];
    const sent = writes[position];
    const expected = position === 1 ? [[7, 1]] : sent === 0 ? [] : [[0, sent], [7, sent]];
    assertEquals(counted, expected as [number, number][], `node ${position}`);
  });
});

Deno.test("P2PModule.broadcast() is for staked nodes", async () => {
  await using network = await LiveNetwork.start({ nodes: 4, staked: 3 });
  const { module } = network.nodes[3];
  assertEquals([module.staked, network.nodes[0].module.staked], [false, true]);
  assertEquals(
    (await assertRejects(() => module.broadcast(textContent("x")), P2pError)).code,
    "raintree_not_staked",
  );
});

Deno.test("P2PModule.send() goes along RainTree between staked nodes, and directly otherwise", async () => {
  await using network = await LiveNetwork.start({ nodes: 5, staked: 3 });
  const [a, b, , c, d] = network.nodes;
  const send = async (from: LiveNode, to: LiveNode, text: string) => {
    await from.module.send(to.address, textContent(text));
    await network.rest();
    const event = to.events.at(-1)!;
    assert(event.type === "message", text);
    assertEquals([textOf(event.content), event.from], [text, from.address]);
  };
  await send(a, b, "staked to staked");
  assertEquals([a.module.raintree.writes, b.module.raintree.reads, b.module.raintree.writes], [1, 1, 0]);
  await assertRejectsWith("peer_unknown", a.module.send(c.address, textContent("to nobody known")));
  await assertRejectsWith("address_malformed", a.module.send("hello", textContent("to no address")));
  await send(c, a, "unstaked to staked");
  await send(a, c, "staked to unstaked, over the connection that it has opened");
  d.module.addPeer(c.module.nodeAddress);
  await send(d, c, "unstaked to unstaked");
  assertEquals(a.module.raintree.writes, 1);
});

Deno.test("P2PModule refuses to send what is no content, and to send more than fits", async () => {
  await using network = await LiveNetwork.start({ nodes: 3 });
  const [a, b] = network.nodes;
  await assertRejects(() => a.module.broadcast({ typeUrl: "", value: new Uint8Array() }), RangeError);
  const large = { typeUrl: "large", value: new Uint8Array(4 << 20) };
  assertEquals((await assertRejects(() => a.module.broadcast(large), P2pError)).code, "raintree_too_large");
  await assertRejectsWith("raintree_too_large", a.module.send(b.address, large));
  const fits = { typeUrl: "large", value: new Uint8Array((4 << 20) - 100) };
  a.module.broadcast(fits);
  await network.rest();
  const event = b.events.at(-1)!;
  assertEquals(event.type === "message" && event.content.value.length, fits.value.length);
});

Deno.test("P2PModule.request() resolves with the answer, and rejects with what the handler throws", async () => {
  await using network = await LiveNetwork.start({ nodes: 4, staked: 3 });
  const [a, b, , outsider] = network.nodes;
  const ask = async (from: LiveNode, to: LiveNode, text: string) =>
    textOf(await network.whileTimePasses(from.module.request(to.address, textContent(text))));
  await assertRejectsWith("request_failed", ask(a, b, "no handler yet"));
  b.module.onRequest((content, from) => textContent(`${textOf(content)} from ${from}`));
  assertEquals(await ask(a, b, "hello"), `hello from ${a.address}`);
  assertEquals(await ask(outsider, b, "hello"), `hello from ${outsider.address}`);
  b.module.onRequest((content) => Promise.resolve(textContent(`later: ${textOf(content)}`)));
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(a, b, `${i}`)));
  assertEquals(answers, Array.from({ length: 100 }, (_, i) => `later: ${i}`));
  b.module.onRequest(() => {
    throw new Error("Out of stock");
  });
  const error = await assertRejectsWith("request_failed", ask(a, b, "one"));
  assert(error.message.includes("Out of stock"), error.message);
  b.module.onRequest(() => Promise.reject(new Error("")));
  await assertRejectsWith("request_failed", ask(a, b, "an error without words"));
  b.module.onRequest(() => textContent("again"));
  await network.whileTimePasses(b.module.stop());
  await b.module.start();
  assertEquals(await ask(a, b, "after a restart"), "again");
});

Deno.test("P2PModule.request() ends at its deadline, with its signal, and when the node stops", async () => {
  await using network = await LiveNetwork.start({ nodes: 3, config: { request_timeout_ms: 2_000 } });
  const [a, b] = network.nodes;
  b.module.onRequest(() => new Promise(() => {}));
  const content = textContent("x");
  await assertRejectsWith("request_timeout", network.whileTimePasses(a.module.request(b.address, content)));
  assert(network.clock.now() >= 2_000 && network.clock.now() <= 2_200, `at ${network.clock.now()} ms`);
  const before = network.clock.now();
  await assertRejectsWith(
    "request_timeout",
    network.whileTimePasses(a.module.request(b.address, content, { timeoutMs: 100 })),
  );
  assert(network.clock.now() - before <= 250, `took ${network.clock.now() - before} ms`);
  const enough = new AbortController();
  const given = a.module.request(b.address, content, { signal: enough.signal });
  enough.abort(new P2pError("enough", "Enough"));
  await assertRejectsWith("enough", given);
  await assertRejectsWith("peer_unknown", a.module.request("00".repeat(20), content));
  await assertRejectsWith("address_malformed", a.module.request("hello", content));
  const last = assertRejectsWith("requests_closed", a.module.request(b.address, content));
  await network.whileTimePasses(a.module.stop());
  await last;
});

Deno.test("P2PModule.handleEvent() follows the staked set: nodes join, leave and move", async () => {
  await using network = await LiveNetwork.start({ nodes: 10, staked: 9 });
  const all = network.nodes.map(({ key }) => stakedPeer(key));
  const move = async (height: number, peers: StakedPeer[]) => {
    network.chain.set(height, peers);
    const event = { type: "ConsensusNewHeightEvent", height } as const;
    await Promise.all(network.nodes.map(({ module }) => module.handleEvent(event)));
    await network.until(
      () => network.nodes.every((node) => targets(node).every((to) => node.connected.includes(to))),
      () => "connected with the new targets",
    );
  };
  const reached = async (from: number, text: string) => {
    await network.broadcast(from, text);
    return network.nodes.flatMap(({ texts }, position) => texts.includes(text) ? [position] : []);
  };
  assertEquals(await reached(0, "nine"), [1, 2, 3, 4, 5, 6, 7, 8]);
  await move(1, all);
  assertEquals(network.nodes[9].module.staked, true);
  assertEquals(await reached(9, "ten"), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  await move(2, all.slice(1));
  assertEquals(network.nodes[0].module.staked, false);
  assertEquals(network.nodes[0].module.ring.height, 2);
  await assertRejects(() => network.nodes[0].module.broadcast(textContent("x")), P2pError);
  assertEquals(await reached(5, "nine others"), [1, 2, 3, 4, 6, 7, 8, 9]);
  // A height that was, asked for again.
  await move(3, all);
  assertEquals(await reached(0, "all again"), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await assertRejectsWith(
    "height_unknown",
    network.nodes[0].module.handleEvent({ type: "ConsensusNewHeightEvent", height: -1 }),
  );
  assertEquals(network.nodes[0].module.ring.height, 3);
});

Deno.test("P2PModule.handleEvent() drops the old endpoint of a peer that has moved", async () => {
  await using network = await LiveNetwork.start({ nodes: 4 });
  const [a, b] = network.nodes;
  const place = { protocol: "tcp", id: b.address, host: "10.0.0.7", port: 42069 };
  const peers = network.nodes.map(({ key }) => stakedPeer(key));
  network.chain.set(1, peers.map((peer) => peer.address === b.address ? { ...peer, nodeAddress: place } : peer));
  await a.module.handleEvent({ type: "ConsensusNewHeightEvent", height: 1 });
  assertEquals(a.module.explain(b.address)!.endpoints.map(({ url }) => url), [`tcp://${b.address}@10.0.0.7:42069`]);
});

Deno.test("P2PModule.handleEvent() of two heights at once ends at the one asked for last", async () => {
  await using network = await LiveNetwork.start({ nodes: 2 });
  const { module } = network.nodes[0];
  const answers: (() => void)[] = [];
  const [key] = keysOf(3).filter(({ address }) => network.nodes.every((node) => node.address !== address));
  const node = network.node(key, {}, {
    peerstore: {
      getStakedPeerstoreAtHeight: async (height) => {
        if (height > 0) await new Promise<void>((resolve) => answers.push(resolve));
        return await network.chain.getStakedPeerstoreAtHeight(height);
      },
    },
  });
  await node.module.start();
  const first = node.module.handleEvent({ type: "ConsensusNewHeightEvent", height: 5 });
  const second = node.module.handleEvent({ type: "ConsensusNewHeightEvent", height: 6 });
  answers[1]();
  await second;
  answers[0]();
  await first;
  assertEquals(node.module.ring.height, 6);
  assertEquals(module.ring.height, 0);
  await node.module.stop();
});

Deno.test("P2PModule.handleEvent() answers bootstrapping on the bus, and refuses events it does not know", async () => {
  await using network = await LiveNetwork.start({ nodes: 2 });
  const { module, events } = network.nodes[0];
  const transition = (newState: string): NodeEvent => ({
    type: "StateMachineTransitionEvent",
    event: "Start",
    previousState: "Stopped",
    newState,
  });
  await module.handleEvent(transition("Consensus_Synced"));
  assertEquals(events.filter(({ type }) => type === "bootstrapped").length, 0);
  await module.handleEvent(transition("P2P_Bootstrapping"));
  assertEquals(events.filter(({ type }) => type === "bootstrapped").length, 1);
  const unknown = { type: "DebugMessageEvent" } as unknown as NodeEvent;
  const error = await assertRejectsWith("event_unknown", module.handleEvent(unknown));
  assert(error.message.includes("DebugMessageEvent"));
});

Deno.test("a client-only node does not listen, sends to those it knows, and gets their answers", async () => {
  await using network = await LiveNetwork.start({ nodes: 3 });
  const [key] = keysOf(4).filter(({ address }) => network.nodes.every((node) => node.address !== address));
  const client = network.node(key, { is_client_only: true });
  await client.module.start();
  assertEquals(client.module.routines.names(), []);
  assertEquals(assertThrows(() => client.module.nodeAddress, P2pError).code, "module_client_only");
  const [a] = network.nodes;
  a.module.onRequest(() => textContent("answer"));
  await client.module.send(a.address, textContent("from a client"));
  await network.rest();
  assertEquals(a.texts, ["from a client"]);
  assertEquals(textOf(await client.module.request(a.address, textContent("ask"))), "answer");
  await a.module.send(client.address, textContent("back"));
  await network.rest();
  assertEquals(client.texts, ["back"]);
  await network.whileTimePasses(client.module.stop());
  assertEquals(client.module.routines.count, 0);
});

Deno.test("a node keeps connected with its persistent peers, staked or not", async () => {
  await using network = await LiveNetwork.start({ nodes: 2 });
  const [a] = network.nodes;
  const keys = keysOf(4).filter(({ address }) => network.nodes.every((node) => node.address !== address));
  const [node, other] = [
    network.node(keys[0], { persistent_peers: [`memory:${a.address}`] }),
    network.node(keys[1]),
  ];
  await node.module.start();
  await network.until(() => node.connected.length === 1, () => "connected");
  assertEquals(node.connected, [a.address]);
  node.module.addPeer({ protocol: "memory", id: other.address }, { persistent: true });
  await network.clock.advance(5_000);
  await other.module.start();
  await network.until(() => node.connected.length === 2, () => "connected with whom came later");
  await network.whileTimePasses(a.module.stop());
  assertEquals(node.connected, [other.address]);
  await a.module.start();
  await network.until(() => node.connected.length === 2, () => "connected again");
  for (const { module } of [node, other]) await network.whileTimePasses(module.stop());
});

Deno.test("a live node with five peers runs eleven routines", async () => {
  await using network = await LiveNetwork.start({ nodes: 6 });
  for (const { module, address } of network.nodes) {
    const peers = network.nodes.filter((node) => node.address !== address).map((node) => node.address);
    if (module.router.connected.length < 5) await Promise.all(peers.map((peer) => module.router.connect(peer)));
    const expected = ["listen", ...peers.flatMap((peer) => [`read ${peer}`, `write ${peer}`])].sort();
    assertEquals(module.routines.names(), expected);
    assertEquals(module.routines.count, 11);
  }
});

Deno.test("a hostile staked peer makes others neither send, nor fail, and loses its score", async () => {
  for (const mode of ["exact", "classic"] as const) {
    await using network = await LiveNetwork.start({ nodes: 9, mode });
    const [hostile, , , victim] = network.nodes;
    const socket = hostile.module.router.socket(victim.address)!;
    const cases: Uint8Array[] = [
      Uint8Array.of(0xff, 0xff),
      Uint8Array.of(0x12, 0x05, 0x0a, 0x03, 0x0a, 0x01, 0x61), // nonce 0
      Uint8Array.of(0x08, 0x03, 0x12, 0x07, 0x0a, 0x03, 0x0a, 0x01, 0x61, 0x10, 0x07), // level 3 of 2
      // Everybody, the sender included.
      Uint8Array.of(0x1a, 20, ...hexBytes(victim.address), 0x12, 0x07, 0x0a, 0x03, 0x0a, 0x01, 0x61, 0x10, 0x07),
    ];
    for (const bytes of cases) assertEquals(socket.offer(CHANNELS.raintree.id, bytes), "accepted");
    for (const bytes of [Uint8Array.of(0xff), new Uint8Array()]) {
      assertEquals(socket.offer(CHANNELS.direct.id, bytes), "accepted");
      assertEquals(socket.offer(CHANNELS.request.id, bytes), "accepted");
    }
    await network.rest();
    const { writes, rejected } = victim.module.raintree;
    assertEquals([writes, rejected, victim.texts], [0, cases.length, []]);
    const { score, changes } = victim.module.explain(hostile.address)!;
    assertEquals([score, changes.reduce((sum, { times }) => sum + times, 0)], [-80, 8]);
    await network.broadcast(4, "as if nothing were");
    assertEquals(network.nodes.filter(({ texts }) => texts.includes("as if nothing were")).length, 8);
  }
});

Deno.test("a broadcast replayed 10,000 times is passed on once, delivered once, and its sender cut off", async () => {
  await using network = await LiveNetwork.start({ nodes: 27 });
  const hostile = network.nodes[0];
  const victim = network.nodes[9];
  const socket = hostile.module.router.socket(victim.address)!;
  const message = Uint8Array.of(
    ...[0x1a, 20, ...hexBytes(network.nodes[18].address)],
    ...[0x12, 0x07, 0x0a, 0x03, 0x0a, 0x01, 0x61, 0x10, 0x07],
  );
  for (let i = 0; i < 10_000;) {
    const offer = socket.offer(CHANNELS.raintree.id, message);
    if (offer === "accepted") i++;
    else if (socket.state !== "open") break;
    else await network.rest();
  }
  await network.rest();
  const { reads, writes, redundant, suppressed } = victim.module.raintree;
  assertEquals([redundant, suppressed], [reads - 1, reads - 1]);
  assert(reads < 1000, `${reads} reads before the sender was cut off`);
  assertEquals(victim.module.explain(hostile.address)?.score, -100);
  assertEquals(writes, 4);
  const total = network.nodes.reduce((sum, { module }) => sum + module.raintree.writes, 0);
  assertEquals(total, 8, "the segment of nine, once");
  assertEquals(
    network.nodes.map(({ events }) => events.filter(({ type }) => type === "message").length).join(""),
    `${"0".repeat(9)}${"1".repeat(9)}${"0".repeat(9)}`,
  );
});

function targets({ module, address }: LiveNode): string[] {
  const { ring } = module;
  const index = ring.indexOf(address);
  return index < 0 ? [] : exactOffsets(ring.size).map((offset) => ring.at(index, offset));
}

function hexBytes(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex);
}

async function assertRejectsWith(code: string, work: Promise<unknown>): Promise<P2pError> {
  const error = await assertRejects(() => work, P2pError);
  assertEquals(error.code, code);
  return error;
}

Deno.test("a node that knows nobody asks its bootstrap nodes, and sends to whom they name", async () => {
  await using network = await LiveNetwork.start({ nodes: 2 });
  const [a] = network.nodes;
  const [key] = keysOf(3).filter(({ address }) => network.nodes.every((node) => node.address !== address));
  const peers = [{ address: a.address, url: `memory:${a.address}`, stake: "1" }];
  let healthy = false;
  let asked = 0;
  const fetch = (url: string): Promise<Response> => {
    asked++;
    if (url.endsWith("/livez")) return Promise.resolve(new Response("", { status: healthy ? 200 : 503 }));
    return Promise.resolve(Response.json(url.endsWith("/height") ? { height: 3 } : peers));
  };
  const config = { bootstrap_nodes_csv: ["http://one:1", "http://two:2"] };
  const parts = { fetch, peerstore: new StaticProvider([]), heights: new StaticProvider([]) };
  const node = network.node(key, config, parts);
  const bootstrapping: NodeEvent = {
    type: "StateMachineTransitionEvent",
    event: "Start",
    previousState: "Stopped",
    newState: "P2P_Bootstrapping",
  };
  const bootstrapped = () => node.events.filter(({ type }) => type === "bootstrapped").length;
  // Nobody healthy: it runs all the same, and says so when asked to bootstrap.
  await node.module.start();
  assertEquals([asked, node.module.explain(a.address)], [2, undefined]);
  await assertRejectsWith("bootstrap_failed", node.module.handleEvent(bootstrapping));
  assertEquals(bootstrapped(), 0);
  healthy = true;
  await node.module.handleEvent(bootstrapping);
  assertEquals(bootstrapped(), 1);
  await node.module.send(a.address, textContent("found you"));
  await network.rest();
  assertEquals(a.texts, ["found you"]);
  // Somebody is known now: nobody is asked again.
  const before = asked;
  await node.module.handleEvent(bootstrapping);
  assertEquals([asked, bootstrapped()], [before, 2]);
  await network.whileTimePasses(node.module.stop());
  // With a healthy one start() does it.
  await node.module.start();
  assert(node.module.explain(a.address) !== undefined);
  await network.whileTimePasses(node.module.stop());
  // Whoever has a staked set needs no bootstrap node.
  const staked = network.node(key, config, { fetch });
  const asking = asked;
  await staked.module.start();
  assertEquals(asked, asking);
  await network.whileTimePasses(staked.module.stop());
});

Deno.test("a node sends to staked peers that its book does not know, and finds its targets among more peers than it holds", async () => {
  await using network = await LiveNetwork.start({ nodes: 3 });
  const [a, b, c] = network.nodes;
  // 30,000 staked peers, ours among them; the book holds 10,000.
  const strangers = Array.from({ length: 30_000 }, (_, i) => {
    const address = (i * 8 + 1).toString(16).padStart(5, "0").padEnd(40, "7");
    return { address, nodeAddress: { protocol: "memory", id: address }, stake: 1n };
  });
  network.chain.set(1, [...strangers, ...network.nodes.map(({ key }) => stakedPeer(key))]);
  await a.module.handleEvent({ type: "ConsensusNewHeightEvent", height: 1 });
  assertEquals(a.module.ring.size, 30_003);
  for (const target of targets(a)) assert(a.module.explain(target)?.wanted, `target ${target} is wanted`);
  for (const node of [b, c]) {
    await network.whileTimePasses(node.module.stop());
    await node.module.start();
    await a.module.send(node.address, textContent("still there"));
    await network.rest();
    assertEquals(node.texts, ["still there"]);
  }
});

Deno.test("a connection that the tree does not need is closed when it is idle, the others stay", async () => {
  await using network = await LiveNetwork.start({ nodes: 27, config: { idle_timeout_ms: 1_000 } });
  const [a] = network.nodes;
  const far = network.nodes.find(({ address }) => address !== a.address && !network.neighbours(0).includes(address))!;
  await a.module.send(far.address, textContent("on demand"));
  await network.rest();
  assertEquals([far.texts, a.connected.includes(far.address)], [["on demand"], true]);
  await network.clock.advance(2_100);
  network.nodes.forEach(({ connected }, position) => assertEquals(connected, network.neighbours(position)));
  // A smaller set has other targets: what the old ones needed goes.
  const staked = network.nodes.slice(0, 9);
  network.chain.set(1, staked.map(({ key }) => stakedPeer(key)));
  const event = { type: "ConsensusNewHeightEvent", height: 1 } as const;
  await Promise.all(network.nodes.map(({ module }) => module.handleEvent(event)));
  await network.clock.advance(3_000);
  for (const node of network.nodes.slice(9)) assertEquals(node.connected, []);
  for (const node of staked) {
    const targeting = staked.filter((other) => targets(other).includes(node.address)).map(({ address }) => address);
    assertEquals(node.connected, [...new Set([...targets(node), ...targeting])].sort());
  }
});

Deno.test("P2PModule.start() takes every limit that the configuration allows", async () => {
  await using network = await LiveNetwork.start({ nodes: 2 });
  const [key] = keysOf(3).filter(({ address }) => network.nodes.every((node) => node.address !== address));
  for (const limit of [0, 1, 10_000]) {
    const node = network.node(key, { max_inbound: limit, max_outbound: limit });
    await node.module.start();
    await network.whileTimePasses(node.module.stop());
  }
});
