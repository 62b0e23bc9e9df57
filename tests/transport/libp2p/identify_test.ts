import { assert, assertEquals, assertThrows } from "@std/assert";
import { P2pError } from "../../../src/base/errors.ts";
import { below, seededRandom } from "../../../src/base/random.ts";
import { NodeKey } from "../../../src/identity/node_key.ts";
import { publicKeyToProto } from "../../../src/identity/peer_id.ts";
import { decodeIdentify, encodeIdentify, type IdentifyInfo } from "../../../src/transport/libp2p/identify.ts";

const key = NodeKey.fromSeed(new Uint8Array(32).fill(5));
const publicKey = publicKeyToProto(key.publicKey);
const info: IdentifyInfo = {
  protocols: ["/ipfs/id/1.0.0", "pokt/raintree/v1.0.0"],
  listen: [`/ip4/10.0.0.7/tcp/42069/p2p/${key.peerId}`, "/dns4/node.example/tcp/1"],
  observed: "/ip6/::1/tcp/5000",
  agentVersion: "raintree/0.1.0",
  protocolVersion: "ipfs/0.1.0",
};

Deno.test("decodeIdentify() reads what encodeIdentify() writes, in one part or several", () => {
  const bytes = encodeIdentify(info, publicKey);
  assertEquals(decodeIdentify(bytes), info);
  const more = encodeIdentify({ ...info, protocols: ["/more"], listen: [] }, new Uint8Array(0));
  const both = decodeIdentify(new Uint8Array([...bytes, ...more]));
  assertEquals(both, { ...info, protocols: [...info.protocols, "/more"] });
});

Deno.test("decodeIdentify() leaves out addresses of a kind that it does not know", () => {
  const quic = [4, 1, 2, 3, 4, 0x91, 2, 0, 80, 0xcd, 3];
  const message = [0x12, quic.length, ...quic, 0x1a, 2, 0x2f, 0x61];
  const decoded = decodeIdentify(new Uint8Array([message.length, ...message]));
  assertEquals([decoded.listen, decoded.protocols], [[], ["/a"]]);
});

Deno.test("decodeIdentify() refuses a message cut off", () => {
  const bytes = encodeIdentify(info, publicKey);
  const error = assertThrows(() => decodeIdentify(bytes.subarray(0, bytes.length - 1)), P2pError);
  assertEquals(error.code, "identify_truncated");
});

Deno.test("decodeIdentify() returns or throws a P2pError for mutated input", () => {
  const honest = encodeIdentify(info, publicKey);
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = seededRandom(seed);
    const bytes = honest.slice(0, below(random, 4) === 0 ? below(random, honest.length) : honest.length);
    for (let i = 1 + below(random, 5); i > 0 && bytes.length > 0; i--) {
      bytes[below(random, bytes.length)] = below(random, 256);
    }
    try {
      decodeIdentify(bytes);
    } catch (error) {
      assert(error instanceof P2pError, `replay with seed ${seed}: ${error}`);
    }
  }
});

Deno.test("decodeIdentify() looks at a hundred addresses, whether they can be read or not", () => {
  const bad = Array(99).fill([0x12, 1, 0x99]).flat();
  const good = [...encodeIdentify({ ...info, protocols: [] }, publicKey)];
  const decode = (message: number[]) =>
    decodeIdentify(new Uint8Array([0x80 | message.length & 127, message.length >> 7, ...message]));
  const decoded = decode([...bad, ...good.slice(good.length > 129 ? 2 : 1)]);
  assertEquals([decoded.listen, decoded.observed], [[info.listen[0]], undefined]);
  assertEquals(decoded.agentVersion, info.agentVersion);
});
