import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { P2pError, ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { Routines } from "../../src/base/routines.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { MORE, writeFrame } from "../../src/codec/frame.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import type { LinkHandler } from "../../src/transport/frame_link.ts";
import { FramedConnection } from "../../src/transport/framed_connection.ts";
import { MemoryLink } from "../../src/transport/memory/memory_link.ts";
import { CHANNEL_PROTOCOL_VERSION, encodeNodeInfo, type NodeInfo } from "../../src/transport/node_info.ts";
import { FrameTester, within } from "./_nodes.ts";

const { signal } = new AbortController();

function infoOf({ address }: NodeKey): NodeInfo {
  return { version: CHANNEL_PROTOCOL_VERSION, network: "test", address, listen: [], channels: [] };
}

/** Bytes that a peer sends, whatever they are. */
class RawPeer implements LinkHandler {
  toSend = new Uint8Array();
  over = false;
  data(): boolean {
    return false;
  }
  take(out: ByteWriter): void {
    out.push(this.toSend);
    this.toSend = new Uint8Array();
  }
  ended(): void {
    this.over = true;
  }
}

/** A connection whose other end sends the bytes it is given. */
async function withRawPeer() {
  const [own, other] = [1, 2].map((seed) => NodeKey.fromSeed(seededRandom(seed).fill(new Uint8Array(32))));
  const routines = new Routines();
  const end = (key: NodeKey) => ({ endpoint: { protocol: "memory", path: key.address }, identity: key, routines });
  const [outbound, inbound] = MemoryLink.pair(end(other), end(own));
  const connection = new FramedConnection(inbound);
  const peer = new RawPeer();
  await outbound.secure(peer, infoOf(other), { signal });
  return {
    connection,
    info: infoOf(own),
    hello: infoOf(other),
    peer,
    routines,
    send(bytes: Uint8Array): Promise<void> {
      peer.toSend = new Uint8Array(bytes);
      outbound.wake();
      return settle();
    },
    async close() {
      await within("close", Promise.all([outbound.close(), connection.close()]));
      assertEquals(routines.count, 0);
    },
  };
}

function frames(...list: [channel: number, flags: number, body: Uint8Array][]): Uint8Array {
  const out = new ByteWriter();
  for (const [channel, flags, body] of list) writeFrame(out, channel, flags, body);
  return out.bytes().slice();
}

Deno.test("FramedConnection.handshake() refuses whatever is no node info, with a typed error", async () => {
  const valid = encodeNodeInfo(infoOf(NodeKey.fromSeed(new Uint8Array(32)))).slice();
  const table: [what: string, bytes: Uint8Array, code: string][] = [
    ["another channel", frames([1, 0, valid]), "handshake_malformed"],
    ["flags", frames([0, MORE, valid]), "handshake_malformed"],
    ["an empty body", frames([0, 0, new Uint8Array()]), "handshake_malformed"],
    ["half an info", frames([0, 0, valid.subarray(0, 10)]), "proto_truncated"],
    ["no frame", new Uint8Array(64).fill(0xff), "frame_too_long"],
    ["another key's address", frames([0, 0, valid]), "handshake_wrong_identity"],
  ];
  for (const [what, bytes, code] of table) {
    const { connection, info, send, peer, close } = await withRawPeer();
    const shaking = assertRejects(() => connection.handshake(info, { signal }), ProtocolError);
    await send(bytes);
    assertEquals((await within(what, shaking)).code, code, what);
    assert(peer.over, what);
    await close();
  }
});

Deno.test("FramedConnection.handshake() survives random bytes: it waits for more or fails with a typed error", async () => {
  const random = seededRandom(131);
  for (let round = 0; round < 200; round++) {
    const { connection, info, hello, send, close } = await withRawPeer();
    const shaking = connection.handshake(info, { signal }).then(() => undefined, (error) => error);
    const bytes = round % 2 === 0
      ? random.fill(new Uint8Array(below(random, 200)))
      : frames([0, 0, encodeNodeInfo(hello)], [1, 0, new Uint8Array(50)]);
    for (let flips = below(random, 4); flips > 0 && bytes.length > 0; flips--) {
      bytes[below(random, bytes.length)] = below(random, 256);
    }
    await send(bytes);
    await close();
    const error = await within(`seed 131, round ${round}`, shaking);
    if (error !== undefined) assertInstanceOf(error, P2pError, `seed 131, round ${round}`);
  }
});

Deno.test("FramedConnection bounds what comes early by count too: empty frames are not free", async () => {
  const { connection, info, hello, send, close } = await withRawPeer();
  const shaking = connection.handshake(info, { signal });
  await send(frames([0, 0, encodeNodeInfo(hello)]));
  await within("handshake", shaking);
  const empty = frames(...Array.from({ length: 20_000 }, (): [number, number, Uint8Array] => [1, 0, new Uint8Array()]));
  await send(empty);
  const handler = new FrameTester();
  connection.open(handler);
  assertEquals((await handler.ended())?.code, "handshake_flood");
  assert(handler.received.length < 16_400);
  await close();
});

Deno.test("FramedConnection closes when a frame breaks the format after the handshake", async () => {
  const { connection, info, hello, send, close } = await withRawPeer();
  const shaking = connection.handshake(info, { signal });
  await send(frames([0, 0, encodeNodeInfo(hello)]));
  await within("handshake", shaking);
  const handler = new FrameTester();
  connection.open(handler);
  await send(new Uint8Array([...frames([1, 0, Uint8Array.of(7)]), 0]));
  assertEquals((await handler.ended())?.code, "frame_too_short");
  assertEquals(handler.received.map(({ channel }) => channel), [1]);
  await close();
});

Deno.test("FramedConnection.open() closes when an early frame is refused by the handler", async () => {
  const { connection, info, hello, send, close } = await withRawPeer();
  const shaking = connection.handshake(info, { signal });
  await send(frames([0, 0, encodeNodeInfo(hello)], [1, 0, new Uint8Array()], [2, 0, new Uint8Array()]));
  await within("handshake", shaking);
  const handler = new FrameTester();
  handler.receive = () => {
    throw new ProtocolError("odd_frame", "Not what was agreed");
  };
  connection.open(handler);
  assertEquals((await handler.ended())?.code, "odd_frame");
  await close();
});
