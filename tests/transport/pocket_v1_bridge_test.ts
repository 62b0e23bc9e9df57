import { assert, assertEquals } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { Routines } from "../../src/base/routines.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { Socket } from "../../src/socket/socket.ts";
import { CHANNEL_PROTOCOL } from "../../src/transport/channel_link.ts";
import { MESSAGE_COST } from "../../src/transport/control_frame.ts";
import type { HostConnection } from "../../src/transport/libp2p/host_connection.ts";
import { Libp2pHost } from "../../src/transport/libp2p/host.ts";
import { handleMessages, sendMessage } from "../../src/transport/libp2p/one_message_stream.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { TcpTransport } from "../../src/transport/tcp_transport.ts";
import { StoppableProxy } from "./_stoppable_proxy.ts";
import { FrameTester, handshaken, TestNode, type TransportKit, until, within } from "./_nodes.ts";

const RAINTREE = "pokt/raintree/v1.0.0";
const CHANNEL = 1;

const kit: TransportKit = {
  create: (key, routines) => new TcpTransport({ key, routines, messageProtocols: new Map([[CHANNEL, RAINTREE]]) }),
  endpoint: { protocol: "tcp", host: "127.0.0.1", port: 0 },
};

/** A V1 peer of a node, which it dials: a libp2p host that takes messages and knows no channels. */
async function v1Peer(node: TestNode, serve = (host: Libp2pHost) => handleMessages(host, RAINTREE, {}, () => {})) {
  const { port } = await node.listen();
  const host = new Libp2pHost({ key: NodeKey.generate(), routines: new Routines() });
  serve(host);
  const connection = host.dial(`/ip4/127.0.0.1/tcp/${port}`);
  /** Resolves when the node has ended the stream. */
  const message = async (bytes: number[]) =>
    await sendMessage(host, await connection, RAINTREE, new Uint8Array(bytes), { untilGone: true });
  return { host, connection, message };
}

const { signal } = new AbortController();

/** The node's end of an inbound connection as a socket, which gives credit only when told that a message was consumed. */
async function openSocket(node: TestNode, receiveCapacity: number) {
  const messages: Uint8Array[] = [];
  const lane = {
    id: CHANNEL,
    priority: 1,
    sendCapacity: 1 << 20,
    receiveCapacity,
    messageBytesMax: 1 << 20,
    whenFull: "block" as const,
  };
  const socket = new Socket({ strict: true, lanes: [lane], onMessage: (_, __, message) => messages.push(message) });
  socket.accept(await node.accepted());
  await within("handshake", socket.authenticate(node.info({ channels: [{ id: CHANNEL, capacity: 0 }] }), signal));
  socket.admit();
  socket.open();
  return { socket, messages };
}

Deno.test("a V1 peer that sends behind its handshake, before anybody knows what it speaks, is heard", async () => {
  await using node = new TestNode(kit, 1);
  const peer = await v1Peer(node);
  await using _ = peer.host;
  const sent = [0, 1, 2, 3].map((byte) => peer.message([byte]));
  const connection = await node.accepted();
  const { info } = await within(
    "handshake",
    connection.handshake(node.info({ channels: [{ id: CHANNEL, capacity: 1 << 16 }] }), { signal }),
  );
  assertEquals([info.version, info.network, info.address], [0, "test", peer.host.address]);
  assertEquals(info.channels, [{ id: CHANNEL, capacity: Number.MAX_SAFE_INTEGER }]);
  const tester = new FrameTester();
  connection.open(tester);
  await within("messages", Promise.all(sent));
  assertEquals(tester.received.map(({ channel, flags, body }) => [channel, flags, ...body]), [
    [CHANNEL, 0, 0],
    [CHANNEL, 0, 1],
    [CHANNEL, 0, 2],
    [CHANNEL, 0, 3],
  ]);
});

Deno.test("a V1 peer is held to its credit as any peer is, and loses only what there is no room for", async () => {
  await using node = new TestNode(kit, 1);
  const peer = await v1Peer(node);
  await using _ = peer.host;
  const credited = 100;
  const { socket, messages } = await openSocket(node, credited * MESSAGE_COST);
  for (let i = 0; i < credited; i++) await peer.message([]);
  assertEquals(messages.length, credited);
  const held = Array.from({ length: 256 }, (_, i) => peer.message([i]));
  // The streams are accepted, and those behind them told in the same order: when these are refused, those before wait.
  await (await peer.connection).ping();
  for (let i = 0; i < 50; i++) await peer.message([0]);
  assertEquals([messages.length, socket.state], [credited, "open"]);
  for (let consumed = 0; consumed < credited + 256; consumed++) {
    await until("a message", () => messages.length > consumed);
    socket.consumed(CHANNEL, messages[consumed].length);
  }
  await within("held messages", Promise.all(held));
  assertEquals(messages.slice(credited).map(([byte]) => byte), Array.from({ length: 256 }, (_, i) => i));
  assertEquals(socket.state, "open");
  await socket.close();
});

Deno.test("a V1 peer that resets a message loses that one, one that serves the protocol no more is closed", async () => {
  await using node = new TestNode(kit, 1);
  const got: number[] = [];
  const peer = await v1Peer(
    node,
    (host) => handleMessages(host, RAINTREE, { maxBytes: 1_000 }, (_, [first]) => void got.push(first)),
  );
  await using _ = peer.host;
  const { socket } = await openSocket(node, 1 << 16);
  socket.offer(CHANNEL, new Uint8Array([1]));
  socket.offer(CHANNEL, new Uint8Array(1 << 19)); // more than a window: it is reset while it is being sent
  socket.offer(CHANNEL, new Uint8Array([2]));
  await until("both small messages", () => got.length === 2);
  await socket.ping();
  assertEquals([got.toSorted(), socket.state], [[1, 2], "open"]);
  peer.host.unhandle(RAINTREE);
  socket.offer(CHANNEL, new Uint8Array([3]));
  await until("closed", () => socket.state === "closed");
});

Deno.test("an orderly close sends to a V1 peer what it has accepted, and does not wait for ever for one that does not take it", async () => {
  await using node = new TestNode(kit, 1);
  let taken = 0;
  const peer = await v1Peer(node, (host) => handleMessages(host, RAINTREE, {}, () => void taken++));
  await using _ = peer.host;
  const { socket } = await openSocket(node, 1 << 16);
  for (let i = 0; i < 500; i++) assertEquals(socket.offer(CHANNEL, new Uint8Array(100)), "accepted");
  await within("close", socket.close());
  assertEquals(taken, 500);

  const deaf = await v1Peer(node, (host) => host.handle(RAINTREE, () => {}));
  await using __ = deaf.host;
  const { socket: stuck } = await openSocket(node, 1 << 16);
  stuck.offer(CHANNEL, new Uint8Array(100));
  await within("close", stuck.close());
  assertEquals(stuck.state, "closed");
});

Deno.test("an orderly close of a V1 peer that has stopped takes a second in all", async () => {
  const clock = new VirtualClock();
  await using node = new TestNode({
    ...kit,
    create: (key, routines) =>
      new TcpTransport({ key, routines, clock, messageProtocols: new Map([[CHANNEL, RAINTREE]]) }),
  }, 1);
  const { port } = await node.listen();
  await using proxy = new StoppableProxy(port!);
  await using host = new Libp2pHost({ key: NodeKey.generate() });
  handleMessages(host, RAINTREE, {}, () => {});
  const dialling = host.dial(`/ip4/127.0.0.1/tcp/${proxy.port}`);
  const { socket } = await openSocket(node, 1 << 16);
  const connection = await dialling;
  proxy.stop();
  assertEquals(socket.offer(CHANNEL, new Uint8Array(100)), "accepted");
  const closed = socket.close();
  await clock.advance(999);
  assertEquals(socket.state, "closing");
  await clock.advance(1);
  await within("close", closed);
  assertEquals([socket.state, clock.pending], ["closed", 0]);
  await connection.close(new P2pError("test", "enough"));
});

Deno.test("a peer that speaks our protocol sends no V1 messages, and a V1 peer opens no channel stream", async () => {
  await using node = new TestNode(kit, 1);
  await using other = new TestNode(kit, 2);
  const [outbound, inbound] = await handshaken(other, node);
  const testers = [outbound, inbound].map((connection) => {
    const tester = new FrameTester();
    connection.open(tester);
    return tester;
  });
  const { host } = other.transport as TcpTransport;
  const [connection] = host.connections();
  await within("refusal", sendMessage(host, connection, RAINTREE, new Uint8Array([1]), { untilGone: true }));
  await connection.ping();
  assertEquals(testers.map(({ received, ends }) => [received.length, ends.length]), [[0, 0], [0, 0]]);

  const peer = await v1Peer(node);
  await using _ = peer.host;
  const { socket, messages } = await openSocket(node, 1 << 16);
  const stream = await (await peer.connection).openStream(CHANNEL_PROTOCOL);
  await stream.write(new Uint8Array([2, 9, 0]));
  assertEquals(await refusal(stream), "stream_reset");
  await peer.message([7]);
  assertEquals([messages.map((message) => [...message]), socket.state], [[[7]], "open"]);
  await socket.close();
});

Deno.test("a V1 peer's listen addresses become node addresses", async () => {
  await using node = new TestNode(kit, 1);
  const { port } = await node.listen();
  const announce = ["/ip4/10.1.2.3/tcp/4001", "/dns4/v1.example/tcp/9"];
  await using host = new Libp2pHost({ key: NodeKey.generate(), announce });
  handleMessages(host, RAINTREE, {}, () => {});
  const dialling = host.dial(`/ip4/127.0.0.1/tcp/${port}`);
  const connection = await node.accepted();
  const { info } = await within("handshake", connection.handshake(node.info(), { signal }));
  await dialling;
  assertEquals(info.listen, [`tcp://${host.address}@10.1.2.3:4001`, `tcp://${host.address}@v1.example:9`]);
});

async function refusal(stream: Awaited<ReturnType<HostConnection["openStream"]>>): Promise<string> {
  try {
    while (await stream.read() !== null);
    return "ended";
  } catch (error) {
    assert(error instanceof P2pError);
    return error.code;
  }
}
