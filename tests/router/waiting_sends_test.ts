import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { ACCEPTED, type SendOptions } from "../../src/router/channel.ts";
import { bytesCodec } from "../../src/router/codec.ts";
import type { Socket } from "../../src/socket/socket.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import { MESSAGE_COST } from "../../src/transport/control_frame.ts";
import { until, within } from "../transport/_nodes.ts";
import { ChannelNetwork, textCodec } from "./_channel_network.ts";
import { World } from "./_node.ts";

/** How each send ended and when, as `code at ms`. */
function outcomes(sends: Promise<void>[], now: () => number): string[] {
  const ended: string[] = [];
  for (const sent of sends) {
    sent.then(() => ended.push(`sent at ${now()}`), ({ code }) => ended.push(`${code} at ${now()}`));
  }
  return ended;
}

Deno.test("Channel.send() to a peer that refuses: all sends that wait share one dial and fail with it at once", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = world.node(1);
  a.meet([b], { wanted: false });
  const channel = a.texts();
  const ended = outcomes(Array.from({ length: 12 }, (_, i) => channel.send(b, `${i}`)), () => world.clock.now());
  await settle();
  assertEquals(ended, Array(12).fill("dial_refused at 0"));
  assertEquals(a.dials, [0]);
});

Deno.test("Channel.send() to a listener that says nothing: all sends fail when the one handshake does", async () => {
  await using world = new World();
  const a = await world.started(0, { router: { dialTimeoutMs: 1_000, handshakeTimeoutMs: 2_000 } });
  const b = world.node(1);
  await b.transport.listen({ protocol: "memory" }, () => {});
  a.meet([b], { wanted: false });
  const channel = a.texts();
  const now = () => world.clock.now();
  const early = outcomes(Array.from({ length: 12 }, (_, i) => channel.send(b, `${i}`)), now);
  await world.clock.advance(1_500);
  const late = outcomes([channel.send(b, "late")], now);
  await world.clock.advance(499);
  assertEquals([early, late], [[], []]);
  await world.clock.advance(1);
  assertEquals([early, late], [Array(12).fill("deadline at 2000"), ["deadline at 2000"]]);
  assertEquals(a.dials, [0]);
});

Deno.test("Channel.send() keeps at most sendCapacity bytes for a peer that is not connected, and counts what it refuses", async () => {
  await using world = new World();
  const a = await world.started(0);
  const b = world.node(1);
  await b.transport.listen({ protocol: "memory" }, () => {});
  a.meet([b], { wanted: false });
  const { channel } = a.texts();
  const now = () => world.clock.now();
  const large = new Uint8Array(1 << 20);
  const ended = outcomes(Array.from({ length: 1_000 }, () => channel.send(b.address, large)), now);
  await settle();
  // One always may wait, however large: nothing smaller than a message would ever be sent otherwise.
  assertEquals(ended, Array(999).fill("channel_full at 0"));
  assertEquals(a.router.drops(), [{ channel: 1, peer: b.address, reason: "full", count: 999 }]);
  await world.clock.advance(20_000);
  assertEquals(ended.length, 1_000);
  // What was given up is no longer counted against the peer.
  const { channel: small } = a.texts({ id: 2, sendCapacity: 10 * (100 + MESSAGE_COST) });
  for (let round = 0; round < 2; round++) {
    const start = world.clock.now();
    const more = outcomes(Array.from({ length: 15 }, () => small.send(b.address, new Uint8Array(100))), now);
    await settle();
    assertEquals(more, Array(5).fill(`channel_full at ${start}`));
    await world.clock.advance(20_000);
    assertEquals(more.length, 15);
  }
});

Deno.test("Channel.send() refuses at once what is too large, before a connection is waited for", async () => {
  await using network = await ChannelNetwork.of(2, { messageBytesMax: 1_000 }, false);
  const [from] = await network.open(bytesCodec);
  const { address } = network.nodes[1];
  const error = await assertRejects(() => from.send(address, new Uint8Array(1_001)), P2pError);
  const { host } = network.nodes[0];
  assertEquals([error.code, host.drops, host.connects], ["message_too_large", [[7, address, "too_large"]], 0]);
});

Deno.test("Channel.send() whose signal aborts leaves the others waiting for the connection, in order", async () => {
  await using network = await ChannelNetwork.of(2, {}, false);
  const [from, to] = await network.open(textCodec);
  const got: string[] = [];
  to.handle((message) => void got.push(message));
  const { address } = network.nodes[1];
  const stop = new AbortController();
  const sends = ["a", "b", "c", "d"].map((text) => {
    return from.send(address, text, text === "a" || text === "c" ? { signal: stop.signal } : {});
  });
  const reason = new P2pError("enough", "Enough");
  stop.abort(reason);
  const settled = await within("all sends", Promise.allSettled(sends));
  assertEquals(settled.map((result) => result.status === "rejected" ? result.reason : "sent"), [
    reason,
    "sent",
    reason,
    "sent",
  ]);
  await until("both", () => got.length === 2);
  assertEquals([got, network.nodes[0].host.connects], [["b", "d"], 1]);
  // Aborted before it is asked: nothing is sent, and nobody connects.
  await network.disconnect(network.nodes[0], network.nodes[1]);
  assertStrictEquals(await from.send(address, "e", { signal: stop.signal }).catch((caught) => caught), reason);
  assertEquals(network.nodes[0].host.connects, 1);
});

Deno.test("Channel.send() ends its connect when the last send that waits for it gives up, and the next begins a new one", async () => {
  await using network = await ChannelNetwork.of(2, {}, false);
  const [from] = await network.open(textCodec);
  const { host } = network.nodes[0];
  const signals: AbortSignal[] = [];
  host.connect = (_peer: string, signal?: AbortSignal) => {
    signals.push(signal!);
    return new Promise<never>(() => {});
  };
  const stops = [new AbortController(), new AbortController()];
  const { address } = network.nodes[1];
  const ended = outcomes(stops.map(({ signal }) => from.send(address, "x", { signal })), () => 0);
  const reason = new P2pError("enough", "Enough");
  stops[1].abort(reason);
  await settle();
  assertEquals([ended, signals.map(({ aborted }) => aborted)], [["enough at 0"], [false]]);
  stops[0].abort(reason);
  await settle();
  assertEquals([ended, signals.map(({ aborted }) => aborted)], [["enough at 0", "enough at 0"], [true]]);
  const next = outcomes([from.send(address, "y")], () => 0);
  await settle();
  assertEquals([next, signals.map(({ aborted }) => aborted)], [[], [true, false]]);
  from.close();
  await settle();
  assertEquals([next, signals.map(({ aborted }) => aborted)], [["channel_closed at 0"], [true, true]]);
  assertEquals(host.drops, [[7, address, "channel_closed"]]);
});

Deno.test("Channel.send() that has waited once is back on the fast path when it hears of it", async () => {
  await using network = await ChannelNetwork.of(2, {}, false);
  const [from, to] = await network.open(textCodec);
  to.handle(() => {});
  const { address } = network.nodes[1];
  const first = from.send(address, "first");
  assert(first !== ACCEPTED);
  await within("the first", first);
  assertStrictEquals(from.send(address, "second"), ACCEPTED);
});

Deno.test("Channel.send() rejects with what its codec throws, and sends the next", async () => {
  await using network = await ChannelNetwork.of(2);
  const [from, to] = await network.open<string>({
    encode: (text) => {
      if (text === "typed") throw new P2pError("too_odd", "Odd");
      if (text === "untyped") throw new TypeError("Not a text");
      return textCodec.encode(text);
    },
    decode: textCodec.decode,
  });
  const got: string[] = [];
  to.handle((message) => void got.push(message));
  const { address } = network.nodes[1];
  const codes: string[] = [];
  for (const text of ["typed", "untyped"]) {
    const sent = from.send(address, text); // not thrown here
    codes.push((await assertRejects(() => sent, P2pError)).code);
  }
  assertEquals(codes, ["too_odd", "encode_failed"]);
  assertStrictEquals(from.send(address, "fine"), ACCEPTED);
  await until("the good one", () => got.length === 1);
});

Deno.test("Channel.send() that waits for one peer takes no other peer's place", async () => {
  await using network = await ChannelNetwork.of(3, { sendCapacity: 1 << 20 }, false);
  const [from, , to] = await network.open(bytesCodec);
  const { host } = network.nodes[0];
  const connect = host.connect.bind(host);
  const [, silent, other] = network.nodes.map(({ address }) => address);
  host.connect = (peer) => peer === silent ? new Promise<never>(() => {}) : connect(peer);
  const waiting = outcomes(Array.from({ length: 5_000 }, () => from.send(silent, new Uint8Array(1))), () => 0);
  await settle();
  assertEquals(waiting, Array(904).fill("channel_full at 0"));
  let got = 0;
  to.handle(() => void got++);
  await within("the other peer's", from.send(other, new Uint8Array(1)));
  await until("it", () => got === 1);
});

Deno.test("Channel.send() keeps at most 128 MiB for all peers together, and makes room again", async () => {
  await using network = await ChannelNetwork.of(1, { sendCapacity: 100 << 20 }, false);
  const [from] = await network.open(bytesCodec);
  network.nodes[0].host.connect = () => new Promise<never>(() => {});
  const four = new Uint8Array(4 << 20);
  const stop = new AbortController();
  const sends = (peer: string, count: number) =>
    outcomes(Array.from({ length: count }, () => from.send(peer, four, { signal: stop.signal })), () => 0);
  const ended = [sends("first", 20), sends("second", 20)];
  await settle();
  assertEquals(ended, [[], Array(9).fill("channel_full at 0")], "31 of them and what they cost");
  stop.abort(new P2pError("enough", "Enough"));
  await settle();
  const again = outcomes([from.send("second", four)], () => 0);
  await settle();
  assertEquals(again, []);
});

Deno.test("Channel.send() without connect dials nobody, not even when the peer goes while it waits for room", async () => {
  await using network = await ChannelNetwork.of(
    2,
    { receiveCapacity: 1, sendCapacity: 2 * (50 + MESSAGE_COST) },
    false,
  );
  const [from] = await network.open(bytesCodec);
  const [{ host }, { address }] = network.nodes;
  const send = (options?: SendOptions) => outcomes([from.send(address, new Uint8Array(50), options)], () => 0);
  const connected = Promise.withResolvers<Socket>();
  let connects = 0;
  host.connect = () => {
    connects++;
    return connected.promise;
  };
  const alone = send({ connect: false });
  await settle();
  assertEquals([alone, connects], [["peer_disconnected at 0"], 0]);
  // Nor does it wait for the connection of another.
  const ended = [send(), send({ connect: false })];
  await settle();
  assertEquals([ended, connects], [[[], ["peer_disconnected at 0"]], 1]);
  connected.resolve(await network.connect(network.nodes[0], network.nodes[1]));
  await settle();
  // The first is on its way, the next two are in the queue, the others wait for room.
  const queued = [ended[0], send(), send()];
  const more = [send({ connect: false }), send()];
  await settle();
  assertEquals([...queued, ...more], [["sent at 0"], ["sent at 0"], ["sent at 0"], [], []]);
  host.connect = () => {
    connects++;
    return Promise.reject(new P2pError("test_gone", "Gone"));
  };
  await network.disconnect(network.nodes[0], network.nodes[1]);
  await settle();
  assertEquals([...more, connects], [["peer_disconnected at 0"], ["test_gone at 0"], 2]);
  assertEquals(host.drops.filter(([, , reason]) => reason === "not_connected").length, 3);
});
