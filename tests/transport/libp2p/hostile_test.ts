import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { P2pError, ProtocolError } from "../../../src/base/errors.ts";
import { below, seededRandom } from "../../../src/base/random.ts";
import { ByteWriter } from "../../../src/codec/byte_writer.ts";
import { NodeKey } from "../../../src/identity/node_key.ts";
import { Libp2pHandshake, NoiseKeys } from "../../../src/security/libp2p_noise.ts";
import type { SecuredChannel } from "../../../src/security/libp2p_noise.ts";
import { VirtualClock } from "../../../src/sim/virtual_clock.ts";
import type { Libp2pHost } from "../../../src/transport/libp2p/host.ts";
import { encodeIdentify, IDENTIFY_PUSH } from "../../../src/transport/libp2p/identify.ts";
import { MULTISTREAM, multistreamLines } from "../../../src/transport/libp2p/multistream.ts";
import { dialTcp, listenTcp, type TcpSocket } from "../../../src/transport/libp2p/tcp_socket.ts";
import { echo, host, listen, nextEvent, pattern, same, serveEcho } from "./_hosts.ts";

/** A yamux frame that opens stream 1. */
const openStream = new Uint8Array([0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);

function sealed(channel: SecuredChannel, plaintext: Uint8Array): Uint8Array {
  const out = new ByteWriter();
  channel.sealer.seal(plaintext, out);
  return out.bytes().slice();
}

/** Reads until the other end closes, or resets, the connection. */
async function untilClosed(socket: TcpSocket): Promise<void> {
  const buffer = new Uint8Array(4096);
  try {
    while (await socket.read(buffer) !== null);
  } catch (error) {
    assertEquals((error as P2pError).code, "connection_lost");
  }
  socket.close();
}

/** The node serves others as if nothing had happened. */
async function unharmed(node: Libp2pHost, multiaddr: string): Promise<void> {
  await using other = host(99);
  const connection = await other.dial(multiaddr);
  assert(same(await echo(connection, pattern(1000)), pattern(1000)));
  assertEquals(node.connections().length, 1);
}

/** A node that serves echo, and a raw socket to it. */
async function attacked(
  options: { clock?: VirtualClock; pendingInboundMax?: number; pendingInboundPerIpMax?: number } = {},
) {
  const node = host(1, options);
  serveEcho(node);
  const multiaddr = listen(node);
  const port = node.listeners()[0].endpoint.port!;
  return { node, multiaddr, port, socket: await dialTcp("127.0.0.1", port) };
}

/** What the node says of a handshake in which it is sent `bytes`. */
async function sent(bytes: Uint8Array): Promise<string> {
  const { node, multiaddr, socket } = await attacked();
  await using _node = node;
  const failed = nextEvent(node, "handshake_failed");
  await socket.write(bytes);
  await socket.closeWrite();
  const { error } = await failed;
  await untilClosed(socket);
  await unharmed(node, multiaddr);
  return error.code;
}

/** A raw dialer's handshake, byte by byte under the test's control. */
async function handshaken(socket: TcpSocket, keys: NoiseKeys): Promise<SecuredChannel> {
  const handshake = new Libp2pHandshake({ role: "initiator", keys, muxers: ["/yamux/1.0.0"] });
  const opening = new ByteWriter();
  opening.push(multistreamLines(MULTISTREAM, "/noise"));
  opening.push(handshake.write());
  await socket.write(opening.bytes());
  const skip = multistreamLines(MULTISTREAM, "/noise").length;
  const buffer = new Uint8Array(4096);
  let length = 0;
  const wanted = () => length < skip + 2 ? Infinity : skip + 2 + ((buffer[skip] << 8) | buffer[skip + 1]);
  while (length < wanted()) length += (await socket.read(buffer.subarray(length)))!;
  handshake.read(buffer.subarray(skip + 2, length));
  await socket.write(handshake.write());
  return handshake.finish();
}

Deno.test("Libp2pHost closes a connection that speaks plaintext, noise or nothing that it knows", async () => {
  const text = new TextEncoder();
  assertEquals(
    await sent(text.encode("GET / HTTP/1.1\r\nHost: validator.example\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n")),
    "multistream_no_newline",
  );
  assertEquals(await sent(multistreamLines("/multistream/9.9.9")), "multistream_bad_header");
  assertEquals(await sent(multistreamLines(MULTISTREAM, "/plaintext/2.0.0")), "handshake_cut_off");
  assertEquals(await sent(new Uint8Array(0)), "handshake_cut_off");
  const noise = multistreamLines(MULTISTREAM, "/noise");
  assertEquals(await sent(new Uint8Array([...noise, 0, 3, 1, 2, 3])), "noise_bad_message");
  assertEquals(await sent(new Uint8Array([...noise, 0xff, 0xff])), "handshake_too_long");
  assertEquals(await sent(new Uint8Array([...noise, 0, 32, ...new Uint8Array(16)])), "handshake_cut_off");
});

Deno.test("Libp2pHost closes a connection for random bytes in its handshake, with a typed error", async () => {
  await using node = host(1);
  serveEcho(node);
  const multiaddr = listen(node);
  const honest = [...multistreamLines(MULTISTREAM, "/noise"), 0, 32, ...pattern(32)];
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const bytes = new Uint8Array([...honest, ...random.fill(new Uint8Array(below(random, 300)))]);
    for (let i = below(random, 3); i > 0; i--) bytes[below(random, bytes.length)] = below(random, 256);
    const failed = nextEvent(node, "handshake_failed");
    const socket = await dialTcp("127.0.0.1", node.listeners()[0].endpoint.port!);
    await socket.write(bytes);
    await socket.closeWrite();
    assert((await failed).error instanceof P2pError, `replay with seed ${seed}`);
    await untilClosed(socket);
  }
  await unharmed(node, multiaddr);
});

Deno.test("Libp2pHost closes a stalled handshake at its deadline, whether nothing came or half of it", async () => {
  for (const bytes of [new Uint8Array(0), multistreamLines(MULTISTREAM, "/noise")]) {
    const clock = new VirtualClock();
    const { node, socket } = await attacked({ clock });
    const failed = nextEvent(node, "handshake_failed");
    if (bytes.length > 0) await socket.write(bytes);
    while (clock.pending === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    await clock.advance(9_999);
    assertStrictEquals(clock.pending, 1);
    await clock.advance(1);
    assertEquals((await failed).error.code, "handshake_timeout");
    await untilClosed(socket);
    await node.close();
    assertEquals([clock.pending, node.routines.count], [0, 0]);
  }
});

Deno.test("Libp2pHost.secure() gives up on a silent listener at its deadline, or with its signal", async () => {
  const listener = listenTcp("127.0.0.1", 0);
  const clock = new VirtualClock();
  await using node = host(1, { clock });
  const where = { host: "127.0.0.1", port: listener.endpoint.port! };
  const raw = await node.connect(where);
  const first = await listener.accept();
  const securing = assertRejects(() => node.secure(raw), P2pError);
  await clock.advance(10_000);
  assertEquals((await securing).code, "handshake_timeout");
  await untilClosed(first!);

  const stop = new AbortController();
  const given = assertRejects(async () => node.secure(await node.connect(where), { signal: stop.signal }), P2pError);
  const second = await listener.accept();
  stop.abort(new P2pError("test", "enough"));
  assertEquals((await given).code, "test");
  await untilClosed(second!);
  listener.close();
});

Deno.test("Libp2pHost.dial() refuses another identity than the expected one, and the listener hears of it", async () => {
  await using node = host(1);
  await using dialer = host(2);
  const wrong = listen(node).replace(node.peerId, host(3).peerId);
  const failed = nextEvent(node, "handshake_failed");
  const error = await assertRejects(() => dialer.dial(wrong), ProtocolError);
  assertEquals(error.code, "noise_wrong_identity");
  assertEquals((await failed).error.code, "handshake_cut_off");
  assertEquals([dialer.connections(), node.connections()], [[], []]);
});

Deno.test("Libp2pHost refuses a key that did not sign the Noise key", async () => {
  const { node, multiaddr, socket } = await attacked();
  await using _node = node;
  const failed = nextEvent(node, "handshake_failed");
  // The identity of one key, the Noise key of another: what a man in the middle would have to send.
  const mine = NoiseKeys.generate(NodeKey.generate());
  const stolen = NoiseKeys.generate(NodeKey.generate());
  const keys = { staticKey: mine.staticKey, identity: stolen.identity } as NoiseKeys;
  await handshaken(socket, keys);
  assertEquals((await failed).error.code, "noise_bad_signature");
  await untilClosed(socket);
  await unharmed(node, multiaddr);
});

Deno.test("Libp2pHost closes a connection whose records are replayed, forged, cut off or break yamux", async () => {
  const cases: [string, (channel: SecuredChannel) => Uint8Array][] = [
    ["noise_bad_record", (channel) => {
      const record = sealed(channel, openStream);
      return new Uint8Array([...record, ...record]);
    }],
    ["noise_bad_record", (channel) => sealed(channel, openStream).with(20, 0).with(21, 255)],
    ["noise_bad_record", () => new Uint8Array(600)],
    ["connection_lost", (channel) => sealed(channel, openStream).subarray(0, 9)],
    ["yamux_bad_version", (channel) => sealed(channel, new Uint8Array(12).fill(1))],
    ["yamux_window_exceeded", (channel) => sealed(channel, new Uint8Array([0, 0, 0, 1, 0, 0, 0, 1, 0, 9, 0, 0]))],
  ];
  for (const [code, attack] of cases) {
    const { node, multiaddr, socket } = await attacked();
    await using _node = node;
    const closed = nextEvent(node, "closed");
    const channel = await handshaken(socket, NoiseKeys.generate(NodeKey.generate()));
    await socket.write(attack(channel));
    await socket.closeWrite();
    assertEquals((await closed).reason?.code, code);
    await untilClosed(socket);
    await unharmed(node, multiaddr);
  }
});

Deno.test("Libp2pHost closes connections beyond the limit of pending handshakes at once, and counts them", async () => {
  for (const limit of [{ pendingInboundMax: 3 }, { pendingInboundPerIpMax: 3 }]) {
    const { node, multiaddr, port, socket } = await attacked({ ...limit, clock: new VirtualClock() });
    await using _node = node;
    const waiting = [socket, await dialTcp("127.0.0.1", port), await dialTcp("127.0.0.1", port)];
    await untilClosed(await dialTcp("127.0.0.1", port));
    assertEquals(node.refused, 1);
    waiting.pop()!.close();
    await nextEvent(node, "handshake_failed");
    await unharmed(node, multiaddr);
    for (const held of waiting) held.close();
  }
});

Deno.test("Libp2pHost gives up a handshake that took its time when others wait", async () => {
  const clock = new VirtualClock();
  const { node, multiaddr, port, socket } = await attacked({ clock, pendingInboundMax: 2 });
  await using _node = node;
  const younger = await dialTcp("127.0.0.1", port);
  while (clock.pending < 2) await new Promise((resolve) => setTimeout(resolve, 0));
  await clock.advance(1_000);
  const failed = nextEvent(node, "handshake_failed");
  await unharmed(node, multiaddr);
  assertEquals([(await failed).error.code, node.refused], ["handshake_displaced", 0]);
  await untilClosed(socket);
  younger.close();
});

Deno.test("Libp2pHost resets streams beyond the limit of a connection", async () => {
  await using node = host(1, { streams: { inboundStreamsMax: 2 } });
  await using dialer = host(2);
  node.handle("/hold/1.0.0", () => {});
  const connection = await dialer.dial(listen(node));
  const streams = [1, 2, 3].map(() => connection.newStream("/hold/1.0.0"));
  await streams[0].negotiated();
  await streams[1].negotiated();
  assertEquals((await assertRejects(() => streams[2].negotiated(), P2pError)).code, "stream_reset");
  assertEquals(node.connections()[0].streamsRefused, 1);
  streams[0].reset();
  await connection.newStream("/hold/1.0.0").negotiated();
});

Deno.test("Libp2pHost resets a stream that agrees on no protocol in time", async () => {
  const clock = new VirtualClock();
  const { node, socket } = await attacked({ clock });
  const opened = nextEvent(node, "opened");
  const channel = await handshaken(socket, NoiseKeys.generate(NodeKey.generate()));
  const { connection } = await opened;
  await socket.write(sealed(channel, openStream));
  while (connection.streamCount === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  await clock.advance(9_999);
  assertEquals(connection.streamCount, 1);
  await clock.advance(1);
  assertEquals(connection.streamCount, 0);
  socket.close();
  assertEquals((await connection.closed)?.code, "connection_lost");
  await node.close();
  assertEquals(clock.pending, 0);
});

Deno.test("Libp2pHost closes a connection whose streams come to nothing again and again", async () => {
  const clock = new VirtualClock();
  const { node, socket } = await attacked({ clock });
  const opened = nextEvent(node, "opened");
  const channel = await handshaken(socket, NoiseKeys.generate(NodeKey.generate()));
  const { connection } = await opened;
  let id = -1;
  /** Opens `count` streams and resets them; resolves when that was read. */
  const open = async (count: number) => {
    const frames = new Uint8Array(12 * count);
    for (let at = 0; at < frames.length; at += 12) {
      frames.set([0, 1, 0, 9], at);
      new DataView(frames.buffer).setUint32(at + 4, id += 2);
    }
    const record = sealed(channel, frames);
    const read = connection.bytesRead + record.length;
    await socket.write(record);
    while (connection.bytesRead < read) await new Promise((resolve) => setTimeout(resolve, 0));
  };
  await open(1_000);
  await clock.advance(1_000);
  await open(100);
  assert(connection.open);
  await open(1);
  assertEquals((await connection.closed)?.code, "stream_flood");
  await untilClosed(socket);
  await node.close();
  assertEquals(clock.pending, 0);
});

Deno.test("Libp2pHost reads one identify push at a time, the newest, and no more than a few a second", async () => {
  const clock = new VirtualClock();
  await using node = host(1, { clock });
  await using dialer = host(2);
  const connection = await dialer.dial(listen(node));
  await dialer.ping(connection); // the listener is done with the handshake too
  const [known] = node.connections();
  const pushed = (agentVersion: string) =>
    encodeIdentify(
      { protocols: [], listen: [], observed: undefined, agentVersion, protocolVersion: "" },
      new Uint8Array(),
    );
  const push = async (agentVersion: string, whole = true) => {
    const stream = connection.newStream(IDENTIFY_PUSH);
    await stream.write(pushed(agentVersion));
    if (whole) stream.closeWrite();
    await stream.negotiated();
    return stream;
  };
  const first = await push("first", false);
  await push("second");
  assertEquals((await assertRejects(() => first.read(), P2pError)).code, "stream_reset");
  const until = async (agentVersion: string) => {
    while (known.info?.agentVersion !== agentVersion) await dialer.ping(connection);
  };
  await until("second");
  for (let i = 3; i <= 16; i++) await push(`${i}`);
  await until("16");
  const refused = await push("17");
  assertEquals((await assertRejects(() => refused.read(), P2pError)).code, "stream_reset");
  await clock.advance(1_000);
  await push("18");
  await until("18");
});
