import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { ACCEPTED, Channel } from "../../src/router/channel.ts";
import { bytesCodec } from "../../src/router/codec.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import { until, within } from "../transport/_nodes.ts";
import { ChannelNetwork, textCodec } from "./_channel_network.ts";

/** Room for few messages: what is not consumed fills it at once. */
const SMALL = { sendCapacity: 2000, receiveCapacity: 2000 };

/** Room for 54 of what {@link numbered} makes in the queue, and for as many sends that wait. */
const HALF = { sendCapacity: 9000, receiveCapacity: 2000 };

/** Likewise for 33. */
const THIRD = { sendCapacity: 5500, receiveCapacity: 2000 };

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i}`.padEnd(100, "."));
}

Deno.test("Channel.send() resolves at once while there is room, and messages arrive in order with their sender", async () => {
  await using network = await ChannelNetwork.of(2);
  const [from, to] = await network.open(textCodec);
  const got: [string, string][] = [];
  to.handle((message, sender) => void got.push([message, sender]));
  for (const message of numbered(50)) assertStrictEquals(from.send(network.nodes[1].address, message), ACCEPTED);
  await until("all messages", () => got.length === 50);
  assertEquals(got, numbered(50).map((message): [string, string] => [message, network.nodes[0].address]));
});

for (const awaiting of [true, false]) {
  Deno.test(`Channel.send() keeps the order through full queues, ${awaiting ? "" : "not "}awaiting each`, async () => {
    await using network = await ChannelNetwork.of(2, HALF);
    const [from, to] = await network.open(textCodec);
    const got: string[] = [];
    to.handle(async (message) => {
      await settle();
      got.push(message);
    });
    const messages = numbered(100);
    const sends: Promise<void>[] = [];
    for (const message of messages) {
      const sent = from.send(network.nodes[1].address, message);
      if (awaiting) await within("send", sent);
      sends.push(sent);
    }
    assert(sends.some((sent) => sent !== ACCEPTED), "some had to wait");
    await within("all sends", Promise.all(sends));
    await until("all messages", () => got.length === 100);
    assertEquals(got, messages);
  });
}

Deno.test("Channel.send() pends while the peer's handler lags, and an aborted wait leaves the others in order", async () => {
  await using network = await ChannelNetwork.of(2, THIRD);
  const [from, to] = await network.open(textCodec);
  const { address } = network.nodes[1];
  const got: string[] = [];
  const gate = Promise.withResolvers<void>();
  to.handle((message) => {
    got.push(message);
    return gate.promise;
  });
  const messages = numbered(60);
  const controller = new AbortController();
  const sends = messages.map((message, i) => {
    return from.send(address, message, i === 45 ? { signal: controller.signal } : {});
  });
  const states = sends.map(() => "pending");
  sends.forEach((sent, i) => sent.then(() => states[i] = "sent", () => states[i] = "aborted"));
  await settle();
  assertEquals([states[0], states[44], states[45], states[46]], ["sent", "pending", "pending", "pending"]);
  controller.abort(new P2pError("stopped", "Enough"));
  await settle();
  // It waited behind others for its turn, and still gave up at once.
  assertEquals([states[44], states[45], states[46]], ["pending", "aborted", "pending"]);
  const late = from.send(address, "late");
  gate.resolve();
  await within("late", late);
  await until("the rest", () => got.length === 60);
  assertEquals(got, [...messages.filter((_, i) => i !== 45), "late"]);
});

Deno.test("Channel.send() connects first where there is no socket, and fails with what that fails with", async () => {
  await using network = await ChannelNetwork.of(2, {}, false);
  const [from, to] = await network.open(textCodec);
  const got: string[] = [];
  to.handle((message) => void got.push(message));
  const { address } = network.nodes[1];
  await within("send", Promise.all(numbered(20).map((message) => from.send(address, message))));
  await until("all messages", () => got.length === 20);
  assertEquals([got, network.nodes[0].host.connects], [numbered(20), 1]);
  const error = await assertRejects(() => from.send("00".repeat(20), "x"), P2pError);
  assertEquals(error.code, "peer_unknown");
});

Deno.test("Channel.send() refuses what is too large and what the peer does not carry, counting both", async () => {
  await using network = await ChannelNetwork.of(2, { messageBytesMax: 1000 });
  const [from] = await network.open(bytesCodec);
  const [lonely] = await network.open(bytesCodec, { id: 8, only: [0] });
  const { address } = network.nodes[1];
  await settle();
  const large = await assertRejects(() => from.send(address, new Uint8Array(1001)), P2pError);
  const unsupported = await assertRejects(() => lonely.send(address, new Uint8Array(1)), P2pError);
  assertEquals([large.code, unsupported.code], ["message_too_large", "channel_unsupported"]);
  assertEquals(network.nodes[0].host.drops, [[7, address, "too_large"], [8, address, "unsupported"]]);
});

Deno.test("Channel.send() rejects with channel_full beyond 4,096 waiting sends, and with the queue where it drops the newest", async () => {
  await using network = await ChannelNetwork.of(2, { ...SMALL, sendCapacity: 700_000 });
  const [from, to] = await network.open(textCodec);
  const [dropping] = await network.open(textCodec, { ...SMALL, id: 8, whenFull: "drop-newest" });
  const { address } = network.nodes[1];
  const sends: Promise<void>[] = [];
  let refused: P2pError | undefined;
  for (let i = 0; refused === undefined && i < 10_000; i++) {
    const sent = from.send(address, "x".repeat(100));
    sent.catch((error) => refused = error);
    sends.push(sent);
    if (i % 100 === 0) await settle();
  }
  assertEquals(refused?.code, "channel_full");
  const waiting = sends.filter((sent) => sent !== ACCEPTED).length;
  assert(waiting >= 4096 && waiting < 4096 + 300, `${waiting}`);
  let error: P2pError | undefined;
  for (let i = 0; error === undefined && i < 100; i++) {
    await dropping.send(address, "x".repeat(100)).catch((caught) => error = caught);
    await settle();
  }
  assertEquals(error?.code, "channel_full");
  assertEquals(network.nodes[0].host.drops.at(-1), [8, address, "full"]);
  // Nothing that was taken is lost: the handler that comes late gets it all.
  let got = 0;
  to.handle(() => void got++);
  const settled = await within("all sends", Promise.allSettled(sends));
  const taken = settled.filter(({ status }) => status === "fulfilled").length;
  await until("all that was taken", () => got === taken);
});

Deno.test("Channel.trySend() never waits: false and a counted drop where there is no room or no peer", async () => {
  await using network = await ChannelNetwork.of(2, SMALL);
  const [from] = await network.open(textCodec);
  const { address } = network.nodes[1];
  const stranger = "00".repeat(20);
  let accepted = 0;
  for (; from.trySend(address, "x".repeat(100)); accepted++) await settle();
  assert(accepted >= 20 && accepted <= 27, `${accepted}`);
  assertEquals(from.trySend(stranger, "x"), false);
  assertEquals(network.nodes[0].host.drops, [[7, address, "full"], [7, stranger, "not_connected"]]);
});

Deno.test("Channel.trySend() and broadcast() do not overtake sends that wait", async () => {
  await using network = await ChannelNetwork.of(2, { ...SMALL, sendCapacity: 20_000 });
  const [from, to] = await network.open(textCodec);
  const { address } = network.nodes[1];
  const waiting: Promise<void>[] = [];
  for (let i = 0; i < 40; i++) waiting.push(from.send(address, `${i}`.padEnd(900, ".")));
  await settle();
  // A small one would fit where a large one waits.
  assertEquals(from.trySend(address, ""), false);
  from.broadcast("");
  assertEquals(network.nodes[0].host.drops, [[7, address, "full"], [7, address, "full"]]);
  const got: string[] = [];
  to.handle((message) => void got.push(message));
  await within("all sends", Promise.all(waiting));
  await until("all messages", () => got.length === 40);
  assertEquals(got.map((message) => parseInt(message)), [...Array(40).keys()]);
});

Deno.test("Channel.broadcast() reaches every connected peer, encoding once, and counts drops", async () => {
  await using network = await ChannelNetwork.of(4);
  let encoded = 0;
  const counting = {
    encode: (text: string) => {
      encoded++;
      return textCodec.encode(text);
    },
    decode: textCodec.decode,
  };
  const [from, ...others] = await network.open(counting);
  const got: string[] = [];
  others.forEach((channel, i) => channel.handle((message) => void got.push(`${i}: ${message}`)));
  from.broadcast("hello");
  await until("all", () => got.length === 3);
  assertEquals([got.sort(), encoded], [["0: hello", "1: hello", "2: hello"], 1]);
  from.broadcast("x".repeat(5 << 20));
  assertEquals(network.nodes[0].host.drops.map(([, , reason]) => reason), ["too_large", "too_large", "too_large"]);
});

Deno.test("Channel: the slow handler of one peer's message delays that peer and no other", async () => {
  await using network = await ChannelNetwork.of(3, HALF, [[0, 2], [1, 2]]);
  const [slow, fast, to] = await network.open(textCodec);
  const [slowAddress, fastAddress] = network.nodes.map(({ address }) => address);
  const { address } = network.nodes[2];
  const gate = Promise.withResolvers<void>();
  const got: Record<string, string[]> = { [slowAddress]: [], [fastAddress]: [] };
  to.handle((message, from) => {
    got[from].push(message);
    return from === slowAddress ? gate.promise : undefined;
  });
  const messages = numbered(100);
  const stuck = messages.map((message) => slow.send(address, message));
  await within(
    "the fast peer",
    (async () => {
      for (const message of messages) await fast.send(address, message);
    })(),
  );
  await until("the fast peer's messages", () => got[fastAddress].length === 100);
  assertEquals([got[slowAddress], got[fastAddress]], [messages.slice(0, 1), messages]);
  gate.resolve();
  await within("the slow peer", Promise.all(stuck));
  await until("the slow peer's messages", () => got[slowAddress].length === 100);
  assertEquals(got[slowAddress], messages);
});

Deno.test("Channel hands one peer's messages over one after the other", async () => {
  await using network = await ChannelNetwork.of(2);
  const [from, to] = await network.open(textCodec);
  let running = 0;
  let most = 0;
  const got: string[] = [];
  to.handle(async (message) => {
    most = Math.max(most, ++running);
    // Some answer at once, some later.
    if (got.length % 3 !== 0) await settle();
    got.push(message);
    running--;
  });
  for (const message of numbered(50)) await from.send(network.nodes[1].address, message);
  await until("all messages", () => got.length === 50);
  assertEquals([most, got], [1, numbered(50)]);
});

Deno.test("Channel keeps what comes before its handler, and has one handler only", async () => {
  await using network = await ChannelNetwork.of(2);
  const [from, to] = await network.open(textCodec);
  for (const message of numbered(20)) await from.send(network.nodes[1].address, message);
  await settle();
  const got: string[] = [];
  to.handle((message) => void got.push(message));
  assertEquals(got, numbered(20));
  assertEquals(assertThrows(() => to.handle(() => {}), P2pError).code, "channel_handled");
});

Deno.test("Channel survives handlers that throw or reject, tells each, and goes on", async () => {
  await using network = await ChannelNetwork.of(2);
  const [from, to] = await network.open(textCodec);
  const got: string[] = [];
  to.handle((message) => {
    got.push(message);
    if (message === "throw") throw new Error("thrown");
    return message === "reject" ? Promise.reject(new Error("rejected")) : undefined;
  });
  const messages = ["a", "throw", "b", "reject", "c"];
  for (const message of messages) await from.send(network.nodes[1].address, message);
  await until("all messages", () => got.length === 5);
  assertEquals(got, messages);
  assertEquals(network.nodes[1].host.failures, [["texts", "thrown"], ["texts", "rejected"]]);
  assertEquals(network.sockets(0).map(({ state }) => state), ["open"]);
});

Deno.test("Channel reports and counts what its codec refuses, gives the credit back, and goes on", async () => {
  await using network = await ChannelNetwork.of(2, SMALL);
  const [from] = await network.open(bytesCodec, { only: [0] });
  const [, to] = await network.open(textCodec, { only: [1] });
  const got: string[] = [];
  to.handle((message) => void got.push(message));
  await settle();
  const { address } = network.nodes[1];
  for (let i = 0; i < 100; i++) await within("send", from.send(address, new Uint8Array(100).fill(0xff)));
  await from.send(address, new TextEncoder().encode("fine"));
  await until("the good one", () => got.length === 1);
  const { drops, misbehaviour } = network.nodes[1].host;
  assertEquals([drops.length, misbehaviour.length], [100, 100]);
  assertEquals([drops[0], misbehaviour[0]], [[7, network.nodes[0].address, "malformed"], network.nodes[0].address]);
});

Deno.test("Channel is an async iterable whose loop holds senders back", async () => {
  await using network = await ChannelNetwork.of(2, THIRD);
  const [from, to] = await network.open(textCodec);
  const messages = numbered(60);
  const sending = Promise.all(messages.map((message) => from.send(network.nodes[1].address, message)));
  let done = false;
  void sending.then(() => done = true);
  await settle();
  const got: string[] = [];
  for await (const { message, from: sender } of to) {
    assertEquals(sender, network.nodes[0].address);
    if (got.length === 0) {
      await settle();
      assertEquals(done, false);
    }
    if (got.push(message) === 60) break;
  }
  await within("all sends", sending);
  assertEquals(got, messages);
});

Deno.test("Channel's loop that is left keeps the rest for the next handler", async () => {
  await using network = await ChannelNetwork.of(2);
  const [from, to] = await network.open(textCodec);
  const messages = numbered(10);
  for (const message of messages) await from.send(network.nodes[1].address, message);
  await settle();
  const got: string[] = [];
  for await (const { message } of to) if (got.push(message) === 3) break;
  await settle();
  assertEquals(network.nodes[1].host.failures, []);
  to.handle((message) => void got.push(message));
  await until("the rest", () => got.length >= 9);
  // The loop takes one message ahead; that one is gone with it.
  assertEquals(got.slice(0, 3), messages.slice(0, 3));
  assertEquals(got.slice(-6), messages.slice(4));
});

Deno.test("Channel.close() ends the loop after what has arrived, and a second loop is refused", async () => {
  await using network = await ChannelNetwork.of(2);
  const [, to] = await network.open(textCodec);
  const loop = (async () => {
    let count = 0;
    for await (const _ of to) count++;
    return count;
  })();
  await settle();
  const second = await assertRejects(async () => {
    for await (const _ of to);
  }, P2pError);
  assertEquals(second.code, "channel_handled");
  to.close();
  assertEquals(await within("the loop", loop), 0);
});

Deno.test("Channel.close() rejects sends, also those that wait, and drops what arrives, counted and credited", async () => {
  await using network = await ChannelNetwork.of(2, THIRD);
  const [from, to] = await network.open(textCodec);
  const { address } = network.nodes[1];
  const sends = numbered(60).map((message) => from.send(address, message));
  await settle();
  from.close();
  from.close();
  const settled = await within("the sends that wait", Promise.allSettled(sends));
  const rejected = settled.flatMap((result) => result.status === "rejected" ? [result.reason.code] : []);
  assert(rejected.length > 20);
  assertEquals(new Set(rejected), new Set(["channel_closed"]));
  assertEquals((await assertRejects(() => from.send(address, "x"), P2pError)).code, "channel_closed");
  assertEquals(from.trySend(address, "x"), false);
  from.broadcast("x");
  assertEquals(network.nodes[0].host.drops.slice(-2).map(([, , reason]) => reason), [
    "channel_closed",
    "channel_closed",
  ]);
  // The other end had no handler: what it held and what still comes is dropped and its credit given back.
  to.close();
  await until("an empty queue", () => network.sockets(0)[0].sendLanes.every(({ length }) => length === 0));
  const taken = settled.length - rejected.length;
  await until("all dropped", () => network.nodes[1].host.drops.length === taken);
  assertEquals(network.nodes[1].host.drops[0], [7, network.nodes[0].address, "channel_closed"]);
});

Deno.test("Channel.close() ends a send that waits for a connection", async () => {
  await using network = await ChannelNetwork.of(2, {}, false);
  const [from] = await network.open(textCodec);
  const connecting = Promise.withResolvers<never>();
  network.nodes[0].host.connect = () => connecting.promise;
  const sent = from.send(network.nodes[1].address, "x");
  const rejected = assertRejects(() => sent, P2pError);
  await settle();
  from.close();
  assertEquals((await within("send", rejected)).code, "channel_closed");
});

Deno.test("Channel drops the messages of the oldest closed sockets when too many wait for the handler", async () => {
  await using network = await ChannelNetwork.of(2);
  const [from, to] = await network.open(textCodec);
  const [a, b] = network.nodes;
  for (let round = 0; round < 40; round++) {
    await from.send(b.address, `${round}`);
    await settle();
    await network.disconnect(a, b);
    await network.connect(a, b);
  }
  assertEquals(b.host.drops.map(([, , reason]) => reason), Array(8).fill("peer_disconnected"));
  const got: string[] = [];
  to.handle((message) => void got.push(message));
  assertEquals(got, Array.from({ length: 32 }, (_, i) => `${i + 8}`));
});

Deno.test("Channel refuses descriptors out of range", async () => {
  await using network = await ChannelNetwork.of(1);
  const { host } = network.nodes[0];
  const wrong = [
    { id: 0 },
    { id: 1.5 },
    { id: 16_384 },
    { priority: 0 },
    { sendCapacity: 0 },
    { receiveCapacity: -1 },
    {
      messageBytesMax: NaN,
    },
  ];
  for (const fields of wrong) {
    const make = () => new Channel({ id: 7, name: "texts", codec: textCodec, ...fields }, host);
    assertThrows(make, RangeError, `Channel ${Object.keys(fields)[0]} is `);
  }
});
