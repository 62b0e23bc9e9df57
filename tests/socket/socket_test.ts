import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { FrameDecoder, MORE } from "../../src/codec/frame.ts";
import { settle, VirtualClock } from "../../src/sim/virtual_clock.ts";
import type { QueueKind } from "../../src/socket/scheduler.ts";
import { Socket, type SocketOptions } from "../../src/socket/socket.ts";
import { type ControlFrame, readControlFrame, writeControlFrame } from "../../src/transport/control_frame.ts";
import { FrameTester, memoryKit, TestNode, until, within } from "../transport/_nodes.ts";
import { lane, type SocketPair, socketPair, SocketTester } from "./_socket_pair.ts";

const { signal } = new AbortController();

function test(what: string, body: (dialler: TestNode, listener: TestNode) => Promise<void>): void {
  Deno.test(what, async () => {
    const kit = memoryKit();
    await using dialler = new TestNode(kit, 1);
    await using listener = new TestNode(kit, 2);
    await body(dialler, listener);
    assertEquals(dialler.routines.count, 0, "no routine outlives its socket");
  });
}

function pairTest(what: string, body: (pair: SocketPair) => Promise<void>, options: Partial<SocketOptions> = {}): void {
  test(what, async (dialler, listener) => {
    await using pair = await socketPair(dialler, listener, options);
    await body(pair);
  });
}

/** A socket whose peer sends whatever frames the test wants. */
function withHostile(
  what: string,
  body: (peer: FrameTester, socket: SocketTester, send: () => Promise<void>) => Promise<void>,
): void {
  test(what, async (dialler, listener) => {
    const clock = new VirtualClock();
    const connection = await dialler.dial(await listener.listen());
    const socket = new SocketTester(listener, clock, {});
    socket.socket.accept(await listener.accepted());
    const channels = [{ id: 1, capacity: 1 << 20 }];
    await Promise.all([connection.handshake(dialler.info({ channels }), { signal }), socket.authenticate(signal)]);
    const peer = new FrameTester();
    connection.open(peer);
    socket.open();
    await body(peer, socket, async () => {
      connection.wake();
      await settle();
    });
    await Promise.all([connection.close(), socket.socket.close()]);
    assertEquals([clock.pending, socket.closedCalls], [0, 1]);
  });
}

function control(frame: ControlFrame): Uint8Array {
  const out = new ByteWriter();
  writeControlFrame(out, frame);
  let body = new Uint8Array();
  new FrameDecoder((_channel, _flags, bytes) => body = new Uint8Array(bytes)).push(out.bytes());
  return body;
}

function ordered(count: number, size = 100): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const message = new Uint8Array(size);
    new DataView(message.buffer).setUint32(0, i);
    return message;
  });
}

pairTest("Socket goes through its states in order, told to monitors, on both ends", async ({ a, b }) => {
  const opened = ["opening", "connecting", "authenticating", "authenticated", "connected", "open"];
  assertEquals([a.states, b.states], [opened, opened]);
  assertEquals([a.socket.direction, b.socket.direction], ["outbound", "inbound"]);
  assertEquals([a.socket.address, b.socket.address], [b.node.address, a.node.address]);
  await a.socket.close();
  await until("the other end", () => b.closed);
  assertEquals(a.states, [...opened, "closing", "closed"]);
  assertEquals(b.states, [...opened, "closing", "closed"]);
  assertEquals([a.closedCalls, b.closedCalls, a.socket.illegalTransitions], [1, 1, 0]);
});

pairTest("Socket that fails goes through errored, and tells its reason", async ({ a, b }) => {
  const reason = new P2pError("evicted", "A better peer came");
  await a.socket.close(reason);
  await until("the other end", () => b.closed);
  assertEquals(a.states.slice(-3), ["errored", "closing", "closed"]);
  assertStrictEquals(a.reason, reason);
});

pairTest("Socket runs a read and a write routine, and none after close", async ({ a, b }) => {
  assertEquals(a.node.routines.names(), [`read ${b.node.address}`, `write ${b.node.address}`]);
  await Promise.all([a.socket.close(), b.socket.close()]);
  assertEquals([a.node.routines.count, b.node.routines.names()], [0, ["listen"]]);
});

pairTest("Socket carries several channels at once, each in order and whole", async ({ a, b }) => {
  const random = seededRandom(91);
  const sent: Record<number, Uint8Array[]> = { 1: [], 2: [], 16383: [] };
  for (let i = 0; i < 600; i++) {
    const channel = [1, 2, 16383][below(random, 3)];
    const message = random.fill(new Uint8Array(below(random, random.next() < 0.05 ? 300_000 : 2000)));
    while (a.socket.offer(channel, message) === "full") await within("room", a.socket.room(channel));
    sent[channel].push(message);
  }
  await until("all messages", () => b.received.length === 600);
  for (const channel of [1, 2, 16383]) assertEquals(b.on(channel), sent[channel]);
}, { lanes: [lane(1), lane(2), lane(16383)] });

for (const queue of ["fifo", "priority", "wdrr"] satisfies QueueKind[]) {
  pairTest(
    `Socket with queue ${queue}: a consumer that stands still stops no other channel and no ping`,
    async (pair) => {
      const { a, b, clock } = pair;
      b.consume = (channel) => channel !== 1;
      const stuck = new Uint8Array(50_000);
      while (a.socket.offer(1, stuck) === "accepted") await settle();
      for (const message of ordered(500)) assertEquals(a.socket.offer(2, message), "accepted");
      await until("the other channel", () => b.on(2).length === 500);
      assertEquals(b.on(2), ordered(500));
      const ping = a.socket.ping();
      assertEquals(await within("ping", ping), 0);
      await clock.advance(120_000);
      assertEquals([a.socket.state, b.socket.state], ["open", "open"]);
      assertEquals(a.socket.offer(1, stuck), "full");
    },
    { queue },
  );
}

pairTest("Socket lets an urgent channel pass a flood of another", async ({ a, b }) => {
  let flooded = 0;
  while (a.socket.offer(1, new Uint8Array(1000)) === "accepted") flooded++;
  a.socket.offer(2, Uint8Array.of(1));
  await until("everything", () => b.received.length === flooded + 1);
  const place = b.received.findIndex(({ channel }) => channel === 2);
  assert(place <= 1, `urgent message came behind ${place} others`);
}, { queue: "priority", lanes: [lane(1, { priority: 1 }), lane(2, { priority: 9 })] });

pairTest("Socket.offer() tells what became of a message", async ({ a, b }) => {
  assertEquals(a.socket.offer(1, new Uint8Array(1001)), "too_large");
  assertEquals(a.socket.offer(9, new Uint8Array(1)), "unsupported");
  b.consume = () => false;
  let accepted = 0;
  for (; a.socket.offer(1, new Uint8Array(936)) === "accepted"; accepted++) await settle();
  // 2,000 bytes of credit are used up by the second message, 3,000 of queue by three more.
  assertEquals(accepted, 5);
  assertEquals(a.socket.offer(1, new Uint8Array(936)), "full");
  const closing = a.socket.close(new P2pError("stopped", "Enough"));
  assertEquals(a.socket.offer(1, new Uint8Array(1)), "closed");
  await closing;
  assertEquals(a.socket.offer(1, new Uint8Array(1)), "closed");
  assertEquals(a.socket.sendLanes[0].droppedClosed, 3);
}, { lanes: [lane(1, { messageBytesMax: 1000, sendCapacity: 3000, receiveCapacity: 2000 })] });

pairTest("Socket drops the oldest messages where the channel says so, and counts them", async ({ a, b }) => {
  b.consume = () => false;
  for (const message of ordered(100, 936)) {
    assertEquals(a.socket.offer(1, message), "accepted");
    await settle();
  }
  const [sends] = a.socket.sendLanes;
  assertEquals([sends.sent, sends.length, sends.droppedOldest], [2, 3, 95]);
  b.consume = () => true;
  for (const message of b.on(1)) b.socket.consumed(1, message.length);
  await until("the newest", () => b.received.length === 5);
  assertEquals(b.on(1).map((message) => new DataView(message.buffer, message.byteOffset).getUint32(0)), [
    0,
    1,
    97,
    98,
    99,
  ]);
}, { lanes: [lane(1, { whenFull: "drop-oldest", sendCapacity: 3000, receiveCapacity: 2000 })] });

pairTest("Socket.room() wakes the sender when the queue has fallen to half", async ({ a, b }) => {
  b.consume = () => false;
  while (a.socket.offer(1, new Uint8Array(1000)) === "accepted") await settle();
  let woken = false;
  const room = a.socket.room(1).then(() => woken = true);
  await settle();
  assertEquals(woken, false);
  b.consume = () => true;
  for (const message of b.on(1)) b.socket.consumed(1, message.length);
  await within("room", room);
  await a.socket.room(99);
}, { lanes: [lane(1, { sendCapacity: 5000, receiveCapacity: 5000 })] });

pairTest("Socket keeps a slow channel's memory within what its lane allows", async ({ a, b }) => {
  b.consume = () => false;
  let accepted = 0;
  const message = new Uint8Array(4000);
  for (let round = 0; round < 200; round++) {
    while (a.socket.offer(1, message) === "accepted") accepted++;
    await settle();
  }
  const cost = 4064;
  assert(b.received.length * cost < 100_000 + cost, `${b.received.length} unread`);
  assert(a.socket.sendLanes[0].bytes <= 50_000, `${a.socket.sendLanes[0].bytes} queued`);
  assertEquals(accepted, b.received.length + a.socket.sendLanes[0].length);
}, { lanes: [lane(1, { sendCapacity: 50_000, receiveCapacity: 100_000 })] });

pairTest("Socket.close() drains what was accepted, waiting for credit too", async ({ a, b }) => {
  let held = 0;
  b.consume = () => false;
  const messages = ordered(40, 1000);
  for (const message of messages) assertEquals(a.socket.offer(1, message), "accepted");
  await settle();
  assert(b.received.length < 10, "credit stops the sender");
  const closing = a.socket.close();
  assertEquals(a.socket.state, "closing");
  while (!a.closed) {
    await settle();
    for (; held < b.received.length; held++) b.socket.consumed(1, 1000);
  }
  await closing;
  assertEquals(b.on(1), messages);
  assertEquals([a.reason, a.socket.sendLanes[0].droppedClosed], [undefined, 0]);
}, { lanes: [lane(1, { receiveCapacity: 5000 })] });

pairTest("Socket.close() gives up draining after drainMs, and counts what was lost", async ({ a, b, clock }) => {
  b.consume = () => false;
  for (const message of ordered(40, 1000)) a.socket.offer(1, message);
  await settle();
  const closing = a.socket.close();
  await clock.advance(299);
  assertEquals(a.socket.state, "closing");
  await clock.advance(1);
  await within("close", closing);
  assertEquals(a.socket.sendLanes[0].droppedClosed, 40 - b.received.length);
  assertEquals(a.states.slice(-2), ["closing", "closed"]);
}, { lanes: [lane(1, { receiveCapacity: 5000 })], drainMs: 300 });

pairTest("Socket.close() with a reason does not drain", async ({ a, b }) => {
  for (const message of ordered(40, 1000)) a.socket.offer(1, message);
  await within("close", a.socket.close(new P2pError("evicted", "Gone")));
  assert(b.received.length + a.socket.sendLanes[0].droppedClosed <= 40);
  assert(a.socket.sendLanes[0].droppedClosed > 0);
}, { lanes: [lane(1, { receiveCapacity: 5000 })] });

pairTest("Socket ends in order when the peer closes, also while it drains itself", async ({ a, b }) => {
  b.consume = () => false;
  for (const message of ordered(40, 1000)) a.socket.offer(1, message);
  await settle();
  const closing = a.socket.close();
  await b.socket.close();
  await within("close", closing);
  assertEquals([a.reason, b.reason, a.closedCalls, b.closedCalls], [undefined, undefined, 1, 1]);
}, { lanes: [lane(1, { receiveCapacity: 5000 })] });

pairTest("Socket.close() wakes who waits for room and rejects who waits for a round trip", async ({ a, b }) => {
  b.consume = () => false;
  while (a.socket.offer(1, new Uint8Array(1000)) === "accepted") await settle();
  const room = a.socket.room(1);
  const reason = new P2pError("evicted", "Gone");
  const ping = a.socket.ping();
  const rejected = assertRejects(() => ping);
  const closing = a.socket.close(reason);
  await within("room", room);
  assertStrictEquals(await rejected, reason);
  await closing;
  assertEquals((await assertRejects(() => a.socket.ping(), P2pError)).code, "socket_closed");
}, { lanes: [lane(1, { receiveCapacity: 5000, sendCapacity: 5000 })] });

test("Socket closes once when a monitor closes it from within onState", async (dialler, listener) => {
  let closed = 0;
  const monitored: Partial<SocketOptions> = {
    onState: (socket, state) => void (state === "errored" && socket.close()),
    onClosed: () => void closed++,
  };
  await using pair = await socketPair(dialler, listener, monitored, {});
  await within("close", pair.a.socket.close(new P2pError("evicted", "Gone")));
  assertEquals([closed, pair.a.socket.state, pair.a.socket.illegalTransitions], [1, "closed", 0]);
});

pairTest("Socket pings at its interval, measures the round trip and stays open", async ({ a, b, clock }) => {
  await clock.advance(1000);
  assertEquals([a.socket.rttMs, b.socket.rttMs], [0, 0]);
  await clock.advance(100_000);
  assertEquals([a.socket.state, b.socket.state], ["open", "open"]);
}, { keepAlive: { intervalMs: 1000, timeoutMs: 500 } });

withHostile("Socket closes with ping_timeout when the peer stays silent", async (_peer, socket) => {
  await socket.clock.advance(10_000);
  assertEquals(socket.socket.state, "open");
  await socket.clock.advance(20_000);
  assertEquals([socket.socket.state, socket.reason?.code], ["closed", "ping_timeout"]);
  assertEquals(socket.states.slice(-3), ["errored", "closing", "closed"]);
});

withHostile(
  "Socket answers pings with their numbers and ignores pongs it did not ask for",
  async (peer, socket, send) => {
    for (const nonce of [1, 2 ** 40, 7]) {
      peer.queue.push({
        channel: 0,
        flags: 0,
        body: control({ type: "ping", nonce }),
      });
    }
    peer.queue.push({ channel: 0, flags: 0, body: control({ type: "pong", nonce: 1 }) });
    peer.queue.push({ channel: 0, flags: 0, body: Uint8Array.of(99, 1, 2) });
    await send();
    const pongs = peer.received.map(({ body }) => readControlFrame(body)).filter((frame) => frame?.type === "pong");
    assertEquals(pongs.map((pong) => "nonce" in pong! && pong.nonce), [1, 2 ** 40, 7]);
    assertEquals([socket.socket.state, socket.socket.rttMs], ["open", undefined]);
  },
);

const violations: [what: string, code: string, frames: { channel: number; flags: number; body: Uint8Array }[]][] = [
  [
    "more messages than its credit",
    "credit_exceeded",
    repeat(30, { channel: 1, flags: 0, body: new Uint8Array(50_000) }),
  ],
  [
    "more empty messages than its credit",
    "credit_exceeded",
    repeat(20_000, { channel: 1, flags: 0, body: new Uint8Array() }),
  ],
  ["a channel nobody offered", "channel_unknown", [{ channel: 77, flags: 0, body: new Uint8Array(1) }]],
  [
    "a message above the limit",
    "message_too_large",
    repeat(65, { channel: 2, flags: MORE, body: new Uint8Array(65_536) }),
  ],
  ["empty fragments for ever", "fragment_too_short", repeat(5, { channel: 2, flags: MORE, body: new Uint8Array() })],
  [
    "a flood of pings",
    "ping_flood",
    repeat(200, { channel: 0, flags: 0, body: control({ type: "ping", nonce: 1 }) }),
  ],
  ["an empty control frame", "control_malformed", [{ channel: 0, flags: 0, body: new Uint8Array() }]],
  ["a truncated control frame", "control_malformed", [{ channel: 0, flags: 0, body: Uint8Array.of(3, 1) }]],
];
for (const [what, code, frames] of violations) {
  withHostile(`Socket closes with ${code} when the peer sends ${what}`, async (peer, socket, send) => {
    socket.consume = () => false;
    peer.queue.push(...frames);
    await send();
    await until("the end", () => socket.closed && peer.ends.length > 0);
    assertEquals(socket.reason?.code, code);
    assertEquals(socket.reason?.name, "ProtocolError");
    assert(socket.received.reduce((sum, { bytes }) => sum + bytes.length + 64, 0) <= (1 << 20) + 50_064);
  });
}

withHostile("Socket takes any credit a peer names without harm", async (peer, socket, send) => {
  for (const bytes of [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 0]) {
    for (const channel of [1, 0, 500]) {
      peer.queue.push({ channel: 0, flags: 0, body: control({ type: "credit", channel, bytes }) });
    }
  }
  for (let channel = 1000; channel < 3000; channel++) {
    peer.queue.push({ channel: 0, flags: 0, body: control({ type: "credit", channel, bytes: 1 }) });
  }
  await send();
  assertEquals(socket.socket.offer(1, new Uint8Array(100)), "accepted");
  await send();
  assertEquals(peer.received.filter(({ channel }) => channel === 1).length, 1);
  assert(Number.isSafeInteger(socket.socket.sendLanes[0].credit));
});

withHostile("Socket sends no byte beyond the credit a peer gave", async (peer, socket, send) => {
  // The peer announced channel 1 with 1 MiB and never gives any back; channel 2 not at all.
  while (socket.socket.offer(1, new Uint8Array(10_000)) === "accepted") await send();
  const bytes = peer.received.filter(({ channel }) => channel === 1).reduce(
    (sum, { body }) => sum + body.length + 64,
    0,
  );
  assert(bytes >= 1 << 20 && bytes < (1 << 20) + 10_064, `${bytes}`);
  assertEquals(socket.socket.offer(2, new Uint8Array(1)), "unsupported");
});

test("Socket survives random frames: it stays open or closes with a typed error", async (dialler, listener) => {
  const address = await listener.listen();
  const random = seededRandom(92);
  const codes = new Set<string | undefined>();
  for (let round = 0; round < 150; round++) {
    const clock = new VirtualClock();
    const connection = await dialler.dial(address);
    const socket = new SocketTester(listener, clock, {});
    socket.socket.accept(await listener.accepted());
    await Promise.all([connection.handshake(dialler.info(), { signal }), socket.authenticate(signal)]);
    const peer = new FrameTester();
    for (let i = 0; i < 30; i++) {
      const body = random.fill(new Uint8Array(below(random, 1500)));
      if (body.length > 0 && random.next() < 0.7) body[0] = below(random, 4);
      peer.queue.push({
        channel: below(random, 3),
        flags: below(random, 4),
        body: body.subarray(0, below(random, 1500)),
      });
    }
    connection.open(peer);
    socket.open();
    await settle();
    codes.add(socket.reason?.code);
    await Promise.all([connection.close(), socket.socket.close()]);
    assertEquals([clock.pending, socket.closedCalls, socket.socket.state], [0, 1, "closed"], `seed 92, round ${round}`);
  }
  codes.delete(undefined);
  for (const code of codes) assert(/^(control_malformed|varint_\w+|fragment_too_short)$/.test(code!), code);
  assert(codes.size >= 2, [...codes].join());
});

test(
  "Socket announces a channel that opens after the handshake, and takes early credit for it",
  async (dialler, listener) => {
    await using pair = await socketPair(dialler, listener, { lanes: [lane(1)] });
    const { a, b } = pair;
    a.socket.addLane(lane(5));
    assertEquals(a.socket.offer(5, new Uint8Array(1)), "unsupported");
    await settle();
    b.socket.addLane(lane(5, { receiveCapacity: 5000 }));
    await settle();
    assertEquals([a.socket.offer(5, Uint8Array.of(1)), b.socket.offer(5, Uint8Array.of(2))], ["accepted", "accepted"]);
    await until("both", () => a.received.length === 1 && b.received.length === 1);
    assertEquals([a.received[0].bytes[0], b.received[0].bytes[0]], [2, 1]);
    // The credit that was announced late is the whole capacity, and comes back as it is consumed.
    for (const message of ordered(200, 1000)) {
      while (a.socket.offer(5, message) === "full") await a.socket.room(5);
    }
    await until("all", () => b.on(5).length === 201);
  },
);

test("Socket.dial() that fails closes the socket through errored and throws why", async (dialler, listener) => {
  const { id } = await listener.listen();
  const tester = new SocketTester(dialler, new VirtualClock(), {});
  const nowhere = { protocol: "memory", id, path: "nowhere" };
  const error = await assertRejects(() => tester.socket.dial(dialler.transport, nowhere, signal), P2pError);
  assertEquals([error.code, tester.reason], ["dial_refused", error]);
  assertEquals(tester.states, ["opening", "connecting", "errored", "closing", "closed"]);
});

test("Socket.close() during the handshake ends it on both ends", async (dialler, listener) => {
  const clock = new VirtualClock();
  const [a, b] = [new SocketTester(dialler, clock, {}), new SocketTester(listener, clock, {})];
  await a.socket.dial(dialler.transport, await listener.listen(), signal);
  b.socket.accept(await listener.accepted());
  const shaking = a.authenticate(signal);
  const failed = assertRejects(() => shaking, P2pError);
  await within("close", a.socket.close());
  await within("failure", failed);
  const late = b.authenticate(signal).then(() => b.open(), () => {});
  await within("late", late);
  await until("the other end", () => b.closed);
  assertEquals([a.socket.state, a.closedCalls, b.closedCalls], ["closed", 1, 1]);
  assertEquals(clock.pending, 0);
});

test("Socket.close() before the dial makes that fail and leaves nothing open", async (dialler, listener) => {
  const address = await listener.listen();
  const socket = new Socket({ onMessage: () => {} });
  await socket.close();
  assertEquals(socket.state, "closed");
  const error = await assertRejects(() => socket.dial(dialler.transport, address, signal), P2pError);
  assertEquals(error.code, "socket_closed");
  assertThrows(() => socket.remote, P2pError);
});

test(
  "Socket bursts right after its handshake do not overrun a peer that opens a little later",
  async (dialler, listener) => {
    const clock = new VirtualClock();
    const [a, b] = [new SocketTester(dialler, clock, {}), new SocketTester(listener, clock, {})];
    await a.socket.dial(dialler.transport, await listener.listen(), signal);
    b.socket.accept(await listener.accepted());
    const dialled = (async () => {
      await a.authenticate(signal);
      a.open();
      a.socket.offer(1, new Uint8Array(4 << 20));
      a.socket.offer(2, new Uint8Array(4 << 20));
    })();
    const accepted = (async () => {
      await b.authenticate(signal);
      // The router asks whom to admit, which takes a few turns of the microtask queue.
      for (let i = 0; i < 8; i++) await undefined;
      b.open();
    })();
    await within("both", Promise.all([dialled, accepted]));
    await until("both messages", () => b.received.length === 2 || b.closed);
    assertEquals([b.reason, b.received.length], [undefined, 2]);
    await Promise.all([a.socket.close(), b.socket.close()]);
  },
);

function repeat<T>(count: number, value: T): T[] {
  return Array(count).fill(value);
}
