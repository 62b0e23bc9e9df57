import { assert, assertEquals, assertRejects } from "@std/assert";
import { CHANNELS } from "../../src/module/channels.ts";
import { systemClock } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import type { NodeKey } from "../../src/identity/node_key.ts";
import type { P2PConfigInput } from "../../src/module/config.ts";
import { decodeRainTreeMessage, encodeRainTreeMessage } from "../../src/raintree/message.ts";
import { encodeEnvelope } from "../../src/raintree/envelope.ts";
import { keysOf, type LiveNode, textContent } from "../module/live_network.ts";
import { MixedNetwork, stop, until } from "./_mixed_network.ts";
import { BACKGROUND, PocketV1Node, RAINTREE } from "./_pocket_v1_node.ts";

/**
 * js-libp2p leaves timers and half-read sockets of its own behind after stop(), so the sanitizers of operations and resources
 * are off in this file; what our nodes leave behind is asserted through their routines when a network ends.
 */
const JS_LEAKS = { sanitizeOps: false, sanitizeResources: false };

interface ClassicTable {
  messages: number;
  reads: number[];
  writes: number[];
  missed: number[];
}

const vectors = JSON.parse(await Deno.readTextFile(new URL("../vectors/raintree.json", import.meta.url)));

/** One of ours and one V1 node, staked and connected. */
async function pair(config: P2PConfigInput = {}): Promise<{ network: MixedNetwork; ours: LiveNode; v1: PocketV1Node }> {
  const network = await MixedNetwork.start({ n: 2, v1: [1], config });
  const [ours, v1] = network.nodes as [LiveNode, PocketV1Node];
  return { network, ours, v1 };
}

/** Two keys of nobody in the network. */
function strangers({ nodes }: MixedNetwork): NodeKey[] {
  return keysOf(nodes.length + 2).filter(({ address }) => !nodes.some((node) => node.address === address));
}

const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
const same = (a: number[], b: number[]) => a.every((count, i) => count === b[i]);
const text = (length: number, salt: string) => salt + "x".repeat(length - salt.length);

for (
  const [n, v1, mode] of [[9, [1, 3, 6, 8], "classic"], [8, [0, 4, 5], "classic"], [9, [2, 3, 7], "exact"]] as const
) {
  const who = mode === "classic"
    ? "broadcasts of everyone"
    : "broadcasts of V1 nodes, which exact nodes pass on classically,";
  Deno.test(
    `${n} nodes, ${v1.length} of them Pocket V1: ${who} do what the published table says`,
    JS_LEAKS,
    async () => {
      await using network = await MixedNetwork.start({ n, v1, mode });
      const table: ClassicTable = vectors.networks[n].classic;
      const originators = mode === "classic" ? [...network.nodes.keys()] : v1;
      const [reads, writes] = [new Array(n).fill(0), new Array(n).fill(0)];
      for (const originator of originators) {
        for (let offset = 0; offset < n; offset++) {
          reads[(originator + offset) % n] += table.reads[offset];
          writes[(originator + offset) % n] += table.writes[offset];
        }
        network.broadcast(originator, `from ${originator}`);
        await until(
          `reads ${network.traffic("reads")} of ${reads}, writes ${network.traffic("writes")} of ${writes}`,
          () => same(network.traffic("reads"), reads) && same(network.traffic("writes"), writes),
        );
        const missed = [0, ...table.missed].map((offset) => (originator + offset) % n);
        const expected = network.nodes.map((_, position) => missed.includes(position) ? 0 : 1);
        assertEquals(network.deliveries(`from ${originator}`), expected);
      }
      // Nothing came too late to be seen above.
      assertEquals([network.traffic("reads"), network.traffic("writes")], [reads, writes]);
      for (const node of network.nodes) if (node instanceof PocketV1Node) assertEquals(node.failures, []);
    },
  );
}

for (
  const [n, v1, connected] of [[9, [1, 3, 6, 8], true], [14, [0, 4, 5, 6, 9], true], [9, [3, 4, 6, 8], false]] as const
) {
  const when = connected ? "" : " at once after the start, before it is known who speaks V1";
  Deno.test(
    `${n} nodes, ${v1.length} of them Pocket V1: an exact broadcast reaches everyone once${when}`,
    JS_LEAKS,
    async () => {
      await using network = await MixedNetwork.start({ n, v1, connected });
      const originators = [...network.nodes.keys()].filter((position) => !(v1 as readonly number[]).includes(position));
      let broadcasts = 0;
      for (const round of ["first", "second"]) {
        for (const node of network.nodes) if (node instanceof PocketV1Node) node.received.length = 0;
        for (const originator of originators) {
          const sent = `${round} from ${originator}`;
          network.broadcast(originator, sent);
          broadcasts++;
          await until(`${sent} reaches all`, () => sum(network.deliveries(sent)) === n - 1);
          assertEquals(network.deliveries(sent), network.nodes.map((_, position) => position === originator ? 0 : 1));
        }
      }
      const messages = broadcasts * (n - 1);
      assertEquals([sum(network.traffic("reads")), sum(network.traffic("writes"))], [messages, messages]);
      for (const node of network.nodes) {
        if (!(node instanceof PocketV1Node)) continue;
        assertEquals(node.writes, 0);
        // By the second round everybody has met those whom it sends to.
        for (const { protocol, bytes } of node.received) {
          const { level, until } = decodeRainTreeMessage(bytes);
          assertEquals([protocol, level, until], [RAINTREE, 0, undefined]);
        }
      }
    },
  );
}

Deno.test("P2PModule.send() and Pocket V1's unicast reach each other, up to 4 MiB", JS_LEAKS, async () => {
  const { network, ours, v1 } = await pair();
  await using _ = network;
  await ours.module.send(v1.address, textContent("to V1"));
  await v1.send(ours.address, "from V1");
  await until("unicast", () => v1.texts.length + ours.texts.length === 2);
  assertEquals([v1.texts, ours.texts], [["to V1"], ["from V1"]]);
  const [{ protocol, from, bytes }] = v1.received;
  assertEquals([protocol, from, decodeRainTreeMessage(bytes).level], [RAINTREE, ours.address, 0]);

  // The data of a RainTree message has 4 MiB at most; around the text stand type URL and nonce.
  const large = (salt: string) => text(4 * 1024 * 1024 - 100, salt);
  await ours.module.send(v1.address, textContent(large("to")));
  await v1.send(ours.address, large("from"));
  await until("4 MiB", () => v1.texts.length + ours.texts.length === 4);
  assert(v1.texts[1] === large("to") && ours.texts[1] === large("from"), "4 MiB came other than sent");

  const refused = await assertRejects(() => ours.module.request(v1.address, textContent("?")), P2pError);
  assertEquals(refused.code, "channel_unsupported");
});

Deno.test("P2PModule.send() and Pocket V1 use background messages with whom is not staked", JS_LEAKS, async () => {
  const { network, ours } = await pair();
  await using _ = network;
  const [stranger, passerBy] = strangers(network);
  await using v1 = await PocketV1Node.start(stranger);
  // A V1 node that is not staked: dialled by us.
  ours.module.addPeer(v1.nodeAddress);
  await ours.module.send(v1.address, textContent("to a stranger"));
  await until("background message", () => v1.texts.length === 1);
  assertEquals([v1.received[0].protocol, v1.texts], [BACKGROUND, ["to a stranger"]]);
  // One that dials us, and is found again where it listens after it has hung up.
  await using other = await PocketV1Node.start(passerBy);
  other.meet(ours.key, ours.module.nodeAddress);
  await other.sendBackground(ours.address, "from a stranger");
  await until("background message", () => ours.texts.length === 1);
  await (await other.dial(ours.address)).close();
  await until("hung up", () => ours.module.router.socket(other.address) === undefined);
  await ours.module.send(other.address, textContent("answer"));
  await until("answer", () => other.texts.length === 1);
  assertEquals([ours.texts, other.texts], [["from a stranger"], ["answer"]]);
});

Deno.test("a Pocket V1 node that restarts is connected again, whoever dials", JS_LEAKS, async () => {
  const { network, ours, v1 } = await pair();
  await using _ = network;
  const { port } = v1;
  await stop(v1);
  await until("gone", () => ours.module.router.socket(v1.address) === undefined);
  await using again = await PocketV1Node.start(v1.key, { port });
  await until("connected again", () => ours.module.router.socket(v1.address) !== undefined);
  await ours.module.send(again.address, textContent("welcome back"));
  await until("message", () => again.texts.length === 1);
  // V1 hangs up and dials itself before our back-off lets us.
  again.meet(ours.key, ours.module.nodeAddress);
  for (const text of ["first", "second"]) {
    await (await again.dial(ours.address)).close();
    await again.send(ours.address, text);
    await until(text, () => ours.texts.includes(text));
  }
  assertEquals([again.texts, ours.texts], [["welcome back"], ["first", "second"]]);
});

Deno.test("a Pocket V1 node and ours that dial each other at once lose nothing", JS_LEAKS, async () => {
  const network = await MixedNetwork.start({ n: 2, v1: [1], connected: false });
  await using _ = network;
  const [ours, v1] = network.nodes as [LiveNode, PocketV1Node];
  await Promise.all([ours.module.send(v1.address, textContent("0")), v1.send(ours.address, "0")]);
  for (let i = 1; i < 50; i++) {
    await Promise.all([ours.module.send(v1.address, textContent(`${i}`)), v1.send(ours.address, `${i}`)]);
  }
  await until("all messages", () => v1.texts.length + ours.texts.length === 100);
  const expected = Array.from({ length: 50 }, (_, i) => `${i}`).sort();
  assertEquals([v1.texts.sort(), ours.texts.sort()], [expected, expected]);
});

Deno.test(
  "the keep-alive closes a Pocket V1 node that stops answering, and spares one that only lacks libp2p's ping",
  JS_LEAKS,
  async () => {
    const network = await MixedNetwork.start({
      n: 1,
      v1: [],
      config: { ping_interval_ms: 100, ping_timeout_ms: 300 },
    });
    await using _ = network;
    const [ours] = network.nodes as [LiveNode];
    const [first, second] = strangers(network);
    await using silent = await PocketV1Node.start(first, { ping: "silent" });
    await using plain = await PocketV1Node.start(second, { ping: "none" });
    for (const { nodeAddress } of [silent, plain]) ours.module.addPeer(nodeAddress);
    const { router } = ours.module;
    const sockets = await Promise.all([router.connect(silent.address), router.connect(plain.address)]);
    const down = () => ours.events.filter(({ type }) => type === "peer_down");
    await until("silent peer is closed", () => down().length > 0);
    assertEquals(down(), [{ type: "peer_down", peer: silent.address }]);
    await sockets[1].ping();
    assert(sockets[1].rttMs !== undefined && sockets[1].state === "open");
  },
);

Deno.test("a Pocket V1 node that does not read holds up its sender, and nobody else", JS_LEAKS, async () => {
  const network = await MixedNetwork.start({ n: 3, v1: [1, 2] });
  await using _ = network;
  const [ours, slow, quick] = network.nodes as [LiveNode, PocketV1Node, PocketV1Node];
  const reading = Promise.withResolvers<void>();
  slow.gate = reading.promise;
  const messageBytes = 64 * 1024;
  const queued = CHANNELS.raintree.sendCapacity / messageBytes;
  const count = 2 * queued;
  let accepted = 0;
  const sending = (async () => {
    for (let i = 0; i < count; i++) {
      await ours.module.send(slow.address, textContent(text(messageBytes, `${i} `)));
      accepted++;
    }
  })();
  for (let i = 0; i < 300; i++) await ours.module.send(quick.address, textContent(`${i}`));
  await until("quick peer gets all", () => quick.texts.length === 300);
  // 1 MiB on the way and the queue full, a message more each.
  await until("slow peer's sender waits", () => accepted >= queued - 1);
  for (let i = 0; i < 20; i++) await ours.module.router.socket(slow.address)!.ping();
  assert(accepted <= queued + 18, `${accepted} messages of 64 KiB accepted for a peer that does not read`);
  assert(slow.unreadMax <= 32, `${slow.unreadMax} streams at once`);
  reading.resolve();
  await sending;
  await until("slow peer gets all", () => slow.texts.length === count);
  const order = slow.texts.map((received) => parseInt(received)).sort((a, b) => a - b);
  assertEquals(order, Array.from({ length: count }, (_, i) => i));
});

Deno.test(
  "bursts of small messages to and from a Pocket V1 node arrive whole, and stop() sends what it accepted",
  JS_LEAKS,
  async () => {
    const { network, ours, v1 } = await pair();
    await using _ = network;
    const count = 1_000;
    const texts = Array.from({ length: count }, (_, i) => `${i}`);
    // As many at once as js-libp2p opens streams of a protocol.
    for (let i = 0; i < count; i += 50) {
      await Promise.all(texts.slice(i, i + 50).map((text) => v1.send(ours.address, text)));
    }
    await until("burst from V1", () => ours.texts.length === count);
    for (const text of texts) await ours.module.send(v1.address, textContent(text));
    // A stop has a second for what is left, whatever else this machine does.
    await until("most of the burst to V1", () => v1.texts.length >= count - 100);
    await ours.module.stop();
    await until("burst to V1", () => v1.texts.length === count);
    assertEquals([ours.texts.sort(), v1.texts.sort()], [texts.toSorted(), texts.toSorted()]);
    assert(v1.unreadMax <= 32, `${v1.unreadMax} streams at once`);
  },
);

Deno.test(
  "malformed and oversized messages of a Pocket V1 node are penalised, and the node goes on",
  JS_LEAKS,
  async () => {
    const { network, ours, v1 } = await pair();
    await using _ = network;
    const score = () => ours.module.explain(v1.address)!.score;
    const envelope = encodeEnvelope({ ...textContent("x"), nonce: 1n });
    const malformed: [string, Uint8Array][] = [
      [RAINTREE, new Uint8Array()],
      [RAINTREE, new Uint8Array([0xff, 0xff, 0xff])],
      [RAINTREE, encodeRainTreeMessage({ level: 77, data: envelope })],
      [BACKGROUND, new Uint8Array([0x0a, 0x05, 0x01])],
      [BACKGROUND, envelope],
    ];
    for (const [protocol, bytes] of malformed) {
      const before = score();
      await v1.sendBytes(ours.address, protocol, bytes);
      await until(`penalty for ${bytes.toHex()}`, () => score() < before);
    }
    assertEquals(ours.module.raintree.rejected, 3);
    const socket = ours.module.router.socket(v1.address)!;
    await v1.send(ours.address, "still here");
    await until("message", () => ours.texts.length === 1);

    const before = score();
    const connection = await v1.dial(ours.address);
    await assertRejects(() => v1.sendBytes(ours.address, RAINTREE, new Uint8Array(5 * 1024 * 1024)));
    await until(
      "penalty for 5 MiB",
      () => score() < before && socket.state === "closed" && connection.status !== "open",
    );
    await v1.send(ours.address, "again");
    await until("message", () => ours.texts.length === 2);
    assertEquals(ours.texts, ["still here", "again"]);
  },
);

Deno.test(
  "a libp2p node that speaks neither protocol is refused, and dialled again later and later",
  JS_LEAKS,
  async () => {
    const network = await MixedNetwork.start({ n: 1, v1: [] });
    await using _ = network;
    const [ours] = network.nodes as [LiveNode];
    const [key] = strangers(network);
    await using foreign = await PocketV1Node.start(key, { protocols: ["/other/1.0.0"] });
    const connections = foreign.countConnections();
    ours.module.addPeer(foreign.nodeAddress);
    const error = await assertRejects(() => ours.module.router.connect(key.address), P2pError);
    assertEquals(error.code, "handshake_unsupported");
    // Staked, so it is wanted for ever.
    network.nodes.push(foreign);
    await network.stake();
    const start = systemClock.now();
    await until("further attempts", () => ours.module.explain(key.address)!.endpoints[0].failures >= 4);
    // Waits from 250 ms on that double, half of each by chance.
    assert(systemClock.now() - start > 250, "dialled again without waiting");
    assert(connections.count <= 5, `${connections.count} connections`);
    const { lastError } = ours.module.explain(key.address)!.endpoints[0];
    assert(lastError?.includes("speaks neither"), lastError);
    // It dials us: refused just so.
    foreign.meet(ours.key, ours.module.nodeAddress);
    const connection = await foreign.dial(ours.address);
    await until("hung up", () => connection.status !== "open");
    assertEquals(ours.connected, []);
    network.nodes.pop();
  },
);
