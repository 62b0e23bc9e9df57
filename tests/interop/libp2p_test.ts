import { assert, assertEquals } from "@std/assert";
import { type Identify, identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { type Ping, ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p, type Libp2p } from "libp2p";
import { NodeKey } from "../../src/identity/node_key.ts";
import { handleMessages, Libp2pHost, sendMessage } from "../../src/transport/mod.ts";

const ECHO = "/echo/1.0.0";
const RAINTREE = "pokt/raintree/v1.0.0";
const SIZES = [1, 2, 1_000, 65_536, 262_144, 1 << 20, 8 << 20, ...Array.from({ length: 40 }, (_, i) => 1 + i * 2_500)];

/**
 * js-libp2p leaves timers and half-read sockets of its own behind after stop(), so the sanitizers of operations and resources
 * are off here, and only here; what our host leaves behind is asserted through its routines and connections.
 */
const JS_LEAKS = { sanitizeOps: false, sanitizeResources: false };

type JsNode = Libp2p<{ identify: Identify; ping: Ping }>;

function pattern(length: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >>> 8) + salt) & 0xff;
  return bytes;
}

/** A js-libp2p node as its documentation makes one, which echoes and notes the messages it gets. */
async function jsNode(messages: Uint8Array[] = []): Promise<JsNode> {
  const node = await createLibp2p({
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
  });
  const many = { maxInboundStreams: 1_000, maxOutboundStreams: 1_000 };
  await node.handle(ECHO, async (stream) => {
    for await (const chunk of stream) if (!stream.send(chunk)) await stream.onDrain();
    await stream.close();
  }, many);
  await node.handle(RAINTREE, async (stream) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(chunk.subarray().slice());
    messages.push(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])));
    await stream.close();
  }, many);
  return node;
}

function ourNode(): Libp2pHost {
  const host = new Libp2pHost({ key: NodeKey.generate(), agentVersion: "raintree-test/1" });
  host.handle(ECHO, async (stream) => {
    for await (const chunk of stream) await stream.write(chunk);
    stream.closeWrite();
  });
  return host;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("Libp2pHost dials js-libp2p: streams, ping, identify, one-message streams", JS_LEAKS, async () => {
  const messages: Uint8Array[] = [];
  const js = await jsNode(messages);
  const ours = ourNode();
  try {
    const connection = await ours.dial(js.getMultiaddrs()[0].toString());
    assertEquals(connection.remote.peerId, js.peerId.toString());
    // js-libp2p takes at most ten streams before its own side of the handshake is done; an answer tells that it is.
    const info = await connection.identify();
    assert(info.agentVersion.startsWith("js-libp2p/"), info.agentVersion);
    for (const protocol of [ECHO, RAINTREE, "/ipfs/id/1.0.0"]) assert(info.protocols.includes(protocol), protocol);

    await Promise.all(SIZES.map(async (size, i) => {
      const sent = pattern(size, i);
      const stream = await ours.openStream(connection, ECHO);
      const sending = stream.write(sent).then(() => stream.closeWrite());
      const answer = await stream.readAll(size + 1);
      await sending;
      assert(answer.length === size && answer.every((byte, at) => byte === sent[at]), `${size} bytes came back wrong`);
    }));

    assert(await ours.ping(connection) > 0);
    assert(await connection.ping() > 0);
    const sizes = [1, 1_000, 100_000];
    await Promise.all(sizes.map((size) => sendMessage(ours, connection, RAINTREE, pattern(size, 3))));
    await until(() => messages.length === sizes.length);
    for (const message of messages) assertEquals(message, pattern(message.length, 3));
    assertEquals(messages.map((message) => message.length).toSorted((a, b) => a - b), sizes);

    const refused = await ours.openStream(connection, "/nobody/1.0.0");
    const code = await refused.read().then(() => "", (error) => error.code);
    assertEquals(code, "protocol_unsupported");
    await connection.close();
    assertEquals(await connection.closed, undefined);
  } finally {
    await ours.close();
    await js.stop();
  }
  assertEquals([ours.routines.count, ours.connections().length], [0, 0]);
});

Deno.test("js-libp2p dials Libp2pHost: streams, ping, identify, one-message streams", JS_LEAKS, async () => {
  const js = await jsNode();
  const ours = ourNode();
  const messages: [string, Uint8Array][] = [];
  handleMessages(ours, RAINTREE, {}, (from, message) => void messages.push([from.remote.peerId, message]));
  try {
    const address = multiaddr(ours.listen("/ip4/127.0.0.1/tcp/0").multiaddr);
    const connection = await js.dial(address);
    assertEquals(connection.remotePeer.toString(), ours.peerId);

    await Promise.all(SIZES.map(async (size, i) => {
      const sent = pattern(size, i);
      const stream = await connection.newStream(ECHO, { maxOutboundStreams: 1_000 });
      const sending = (async () => {
        for (let at = 0; at < size; at += 65_536) {
          if (!stream.send(sent.subarray(at, at + 65_536))) await stream.onDrain();
        }
        await stream.close();
      })();
      let at = 0;
      for await (const chunk of stream) {
        for (const byte of chunk.subarray()) assert(byte === sent[at++], `${size} bytes`);
      }
      assertEquals(at, size);
      await sending;
    }));

    assert(await js.services.ping.ping(address) >= 0);
    const told = await js.services.identify.identify(connection);
    assertEquals([told.agentVersion, told.peerId.toString()], ["raintree-test/1", ours.peerId]);
    for (const protocol of [ECHO, RAINTREE, "/ipfs/ping/1.0.0"]) assert(told.protocols.includes(protocol), protocol);

    for (const size of [1, 1_000, 100_000]) {
      const stream = await connection.newStream(RAINTREE);
      if (!stream.send(pattern(size, 9))) await stream.onDrain();
      await stream.close();
    }
    await until(() => messages.length === 3);
    for (const [from, message] of messages) {
      assertEquals(from, js.peerId.toString());
      assertEquals(message, pattern(message.length, 9));
    }

    // The same connection serves streams the other way.
    const back = await ours.openStream(js.peerId.toString(), ECHO);
    await back.write(pattern(1_000, 1));
    back.closeWrite();
    assertEquals(await back.readAll(1_000), pattern(1_000, 1));
  } finally {
    await ours.close();
    await js.stop();
  }
  assertEquals([ours.routines.count, ours.connections().length], [0, 0]);
});
