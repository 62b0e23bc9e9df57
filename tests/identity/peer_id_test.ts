import { assert, assertEquals, assertFalse, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError, ProtocolError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { addressOf } from "../../src/identity/address.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import {
  addressOfPeerId,
  isPeerId,
  parsePeerId,
  peerIdFromBytes,
  peerIdOf,
  peerIdToBytes,
  publicKeyFromProto,
  publicKeyOfPeerId,
  publicKeyToProto,
} from "../../src/identity/peer_id.ts";
import vectors from "../vectors/identity.json" with { type: "json" };

Deno.test("peerIdOf() agrees with the published vectors", () => {
  for (const { privateHex, peerId } of vectors.peerIds) {
    const key = NodeKey.fromPrivateHex(privateHex);
    assertEquals(peerIdOf(key.publicKey), peerId);
    assertEquals(publicKeyOfPeerId(peerId), key.publicKey);
    assertEquals(addressOfPeerId(peerId), key.address);
  }
});

Deno.test("publicKeyToProto() agrees with the published vector", () => {
  const { publicKey } = NodeKey.fromPrivateHex(vectors.ed25519.privateHex);
  assertEquals(publicKeyToProto(publicKey).toHex(), vectors.ed25519.publicProto);
  assertEquals(publicKeyFromProto(Uint8Array.fromHex(vectors.ed25519.publicProto)), publicKey);
});

Deno.test("publicKeyFromProto() refuses keys of other kinds and lengths", () => {
  const code = (bytes: Uint8Array) => assertThrows(() => publicKeyFromProto(bytes), ProtocolError).code;
  for (const proto of Object.values(vectors.foreignProtos)) {
    assertEquals(code(Uint8Array.fromHex(proto)), "key_not_ed25519");
  }
  assertEquals(code(Uint8Array.of(8, 1, 18, 1, 7)), "key_malformed");
  assertEquals(code(Uint8Array.of(8, 1)), "key_malformed");
  assertEquals(code(Uint8Array.of(8, 1, 18, 32, 7)), "proto_truncated");
});

Deno.test("parsePeerId() reads the CID form", () => {
  for (const { cid, peerId } of vectors.cids) assertEquals(parsePeerId(cid), peerId);
});

Deno.test("publicKeyOfPeerId() reads what peerIdOf() wrote", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (publicKey) => {
      const peerId = peerIdOf(publicKey);
      assert(isPeerId(peerId));
      assertEquals(peerId.slice(0, 8), "12D3KooW");
      assertEquals(publicKeyOfPeerId(peerId), publicKey);
      assertEquals(peerIdFromBytes(peerIdToBytes(peerId)), peerId);
      assertEquals(addressOfPeerId(peerId), addressOf(publicKey));
    }),
    { seed: 1 },
  );
});

Deno.test("addressOfPeerId() refuses peers without an Ed25519 key", () => {
  const secp256k1 = Uint8Array.fromHex(vectors.foreignProtos.secp256k1);
  const foreign = peerIdFromBytes(Uint8Array.of(0, secp256k1.length, ...secp256k1));
  assertEquals(foreign.slice(0, 6), "16Uiu2");
  for (const peerId of [foreign, vectors.cids[0].peerId]) {
    assert(isPeerId(peerId));
    assertEquals(assertThrows(() => addressOfPeerId(peerId), P2pError).code, "peer_id_not_ed25519");
  }
});

Deno.test("parsePeerId() refuses what is no peer ID", () => {
  const texts = [
    "",
    "1",
    "12D3KooW",
    "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5",
    "QmxoHT6iViN5xAjoz1VZ553cL31U9F94ht3QvWR1FrEbZY",
    "bafybeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe",
    "b",
    "b".repeat(100_000),
    "1".repeat(100_000),
    "127.0.0.1:80",
  ];
  for (const text of texts) {
    assertEquals(assertThrows(() => parsePeerId(text), P2pError).code, "peer_id_malformed", text.slice(0, 80));
    assertFalse(isPeerId(text));
  }
});

Deno.test("peerIdFromBytes() returns or throws ProtocolError on random bytes", () => {
  const random = seededRandom(7);
  for (let i = 0; i < 2000; i++) {
    const bytes = random.fill(new Uint8Array(i % 50));
    if (bytes.length > 1 && i % 2 === 0) bytes.set([i % 4 === 0 ? 0 : 0x12, bytes.length - 2]);
    try {
      assertEquals(peerIdToBytes(peerIdFromBytes(bytes)), bytes);
    } catch (error) {
      assertInstanceOf(error, ProtocolError, `seed 7, round ${i}`);
    }
  }
});
