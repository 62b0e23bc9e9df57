import { assert, assertEquals } from "@std/assert";
import { ByteWriter } from "../../../src/codec/byte_writer.ts";
import { NodeKey } from "../../../src/identity/node_key.ts";
import { Libp2pHandshake, NoiseKeys } from "../../../src/security/libp2p_noise.ts";
import { MULTISTREAM, MultistreamDialer, multistreamLines } from "../../../src/transport/libp2p/multistream.ts";
import { secureSocket } from "../../../src/transport/libp2p/secure_socket.ts";
import { dialTcp, listenTcp, type TcpSocket } from "../../../src/transport/libp2p/tcp_socket.ts";

async function socketPair(): Promise<[TcpSocket, TcpSocket]> {
  const listener = listenTcp("127.0.0.1", 0);
  const [near, far] = await Promise.all([dialTcp("127.0.0.1", listener.endpoint.port!), listener.accept()]);
  listener.close();
  return [near, far!];
}

/** Reads exactly `length` bytes. */
async function take(socket: TcpSocket, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) at += (await socket.read(bytes.subarray(at)))!;
  return bytes;
}

async function takeMessage(socket: TcpSocket): Promise<Uint8Array> {
  const [high, low] = await take(socket, 2);
  return await take(socket, (high << 8) | low);
}

const muxerLines = multistreamLines(MULTISTREAM, "/yamux/1.0.0");
const noiseLines = multistreamLines(MULTISTREAM, "/noise");

Deno.test("secureSocket() proves both ends and keeps what comes right behind the handshake", async () => {
  const [near, far] = await socketPair();
  const [a, b] = [NodeKey.generate(), NodeKey.generate()];
  const [ours, theirs] = await Promise.all([
    secureSocket(near, { direction: "outbound", keys: NoiseKeys.generate(a), expected: b.address }),
    secureSocket(far, { direction: "inbound", keys: NoiseKeys.generate(b) }),
  ]);
  assertEquals([ours.remote.address, theirs.remote.address], [b.address, a.address]);
  const sealed = new ByteWriter();
  ours.sealer.seal(new Uint8Array([1, 2, 3]), sealed);
  await near.write(sealed.bytes());
  const got: number[] = [];
  theirs.opener.push(await take(far, sealed.length), (plaintext) => got.push(...plaintext));
  assertEquals(got, [1, 2, 3]);
  near.close();
  far.close();
});

Deno.test("secureSocket() negotiates the muxer by multistream-select with a dialer that knows no early negotiation", async () => {
  const [near, far] = await socketPair();
  const securing = secureSocket(far, { direction: "inbound", keys: NoiseKeys.generate(NodeKey.generate()) });
  // By the book: each step waits for the answer to the last.
  await near.write(multistreamLines(MULTISTREAM));
  await take(near, multistreamLines(MULTISTREAM).length);
  await near.write(multistreamLines("/noise"));
  await take(near, multistreamLines("/noise").length);
  const handshake = new Libp2pHandshake({ role: "initiator", keys: NoiseKeys.generate(NodeKey.generate()) });
  await near.write(handshake.write());
  handshake.read(await takeMessage(near));
  await near.write(handshake.write());
  const { sealer, opener, muxer } = handshake.finish();
  assertEquals(muxer, undefined);
  const out = new ByteWriter();
  sealer.seal(new Uint8Array([...muxerLines, 42]), out);
  await near.write(out.bytes());
  const secured = await securing;
  assertEquals([...secured.session], [42]);
  const answer: number[] = [];
  opener.push(await take(near, muxerLines.length + 18), (plaintext) => answer.push(...plaintext));
  assertEquals(answer, [...muxerLines]);
  near.close();
  far.close();
});

Deno.test("secureSocket() negotiates the muxer by multistream-select with a listener that knows no early negotiation", async () => {
  const [near, far] = await socketPair();
  const securing = secureSocket(near, { direction: "outbound", keys: NoiseKeys.generate(NodeKey.generate()) });
  assertEquals(await take(far, noiseLines.length), noiseLines);
  const handshake = new Libp2pHandshake({ role: "responder", keys: NoiseKeys.generate(NodeKey.generate()) });
  handshake.read(await takeMessage(far));
  await far.write(noiseLines);
  await far.write(handshake.write());
  handshake.read(await takeMessage(far));
  const { sealer, opener } = handshake.finish();
  const asked: number[] = [];
  opener.push(await take(far, muxerLines.length + 18), (plaintext) => asked.push(...plaintext));
  assertEquals(new Uint8Array(asked), new MultistreamDialer(["/yamux/1.0.0"]).first());
  const out = new ByteWriter();
  sealer.seal(new Uint8Array([...muxerLines, 7]), out);
  await far.write(out.bytes());
  const secured = await securing;
  assertEquals([...secured.session], [7]);
  assert(secured.received.length === 0);
  near.close();
  far.close();
});
