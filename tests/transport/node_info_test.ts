import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import protobuf from "protobufjs";
import { ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { ProtoWriter } from "../../src/codec/proto.ts";
import { decodeNodeInfo, encodeNodeInfo, type NodeInfo } from "../../src/transport/node_info.ts";

const infos: fc.Arbitrary<NodeInfo> = fc.record({
  version: fc.nat(),
  network: fc.string({ maxLength: 256 }),
  address: fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => bytes.toHex()),
  listen: fc.array(fc.string({ minLength: 1, maxLength: 256 }), { maxLength: 64 }),
  channels: fc.array(
    fc.record({ id: fc.integer({ min: 1, max: 16_383 }), capacity: fc.maxSafeNat() }, { noNullPrototype: true }),
    { maxLength: 64 },
  ),
}, { noNullPrototype: true });

Deno.test("decodeNodeInfo() reads what encodeNodeInfo() wrote", () => {
  fc.assert(fc.property(infos, (info) => assertEquals(decodeNodeInfo(encodeNodeInfo(info)), info)), { seed: 84 });
});

Deno.test("encodeNodeInfo() writes what protobufjs reads", () => {
  const { root } = protobuf.parse(`
    syntax = "proto3";
    message Channel { uint32 id = 1; uint64 capacity = 2; }
    message NodeInfo {
      uint32 version = 1; string network = 2; bytes address = 3; repeated string listen = 4; repeated Channel channels = 5;
    }`);
  const NodeInfo = root.lookupType("NodeInfo");
  const info: NodeInfo = {
    version: 1,
    network: "main",
    address: "01".repeat(20),
    listen: ["tcp://a@h:1", "tcp://b@h:2"],
    channels: [{ id: 7, capacity: 1 << 20 }],
  };
  const read = NodeInfo.toObject(NodeInfo.decode(encodeNodeInfo(info)), { longs: Number });
  assertEquals(new Uint8Array(read.address), new Uint8Array(20).fill(1));
  assertEquals({ ...read, address: info.address }, { ...info });
});

Deno.test("decodeNodeInfo() refuses lists, texts, addresses and channels out of bounds", () => {
  const base = () => new ProtoWriter().uint(1, 1).bytes(3, new Uint8Array(20));
  const channel = (id: number) => new ProtoWriter().uint(1, id).uint(2, 1).finish().slice();
  const many = base();
  for (let i = 0; i < 65; i++) many.string(4, "x");
  const channels = base();
  for (let i = 0; i < 65; i++) channels.message(5, channel(1));
  const table: [what: string, bytes: Uint8Array][] = [
    ["65 entries of a kind", many.finish()],
    ["65 entries of a kind", channels.finish()],
    ["no address", new ProtoWriter().uint(1, 1).finish()],
    ["a short address", new ProtoWriter().bytes(3, new Uint8Array(19)).finish()],
    ["a long text", base().string(2, "x".repeat(257)).finish()],
    ["a long URL", base().string(4, "x".repeat(257)).finish()],
    ["channel 0, which is the connection's own", base().message(5, channel(0)).finish()],
    ["channel 16384", base().message(5, channel(16_384)).finish()],
  ];
  for (const [what, bytes] of table) {
    assertEquals(assertThrows(() => decodeNodeInfo(bytes), ProtocolError).code, "handshake_malformed", what);
  }
});

Deno.test("decodeNodeInfo() skips fields of later releases", () => {
  const bytes = new ProtoWriter().uint(1, 1).bytes(3, new Uint8Array(20)).string(99, "later").uint(98, 5).finish();
  assertEquals(decodeNodeInfo(bytes).version, 1);
});

Deno.test("decodeNodeInfo() reads or refuses mutated bytes with a typed error", () => {
  const random = seededRandom(85);
  const [base] = fc.sample(infos, { seed: 85, numRuns: 1 });
  const encoded = encodeNodeInfo({ ...base, listen: ["tcp://x@h:1"], channels: [{ id: 3, capacity: 9 }] }).slice();
  for (let round = 0; round < 5000; round++) {
    const bytes = encoded.slice(0, below(random, 2) === 0 ? encoded.length : below(random, encoded.length));
    for (let flips = below(random, 5); flips > 0 && bytes.length > 0; flips--) {
      bytes[below(random, bytes.length)] = below(random, 256);
    }
    try {
      assertEquals(decodeNodeInfo(bytes).address.length, 40);
    } catch (error) {
      assert(
        error instanceof ProtocolError && /^(handshake_malformed|proto_\w+)$/.test(error.code),
        `seed 85, ${round}`,
      );
    }
  }
});
