import { assert, assertEquals, assertThrows } from "@std/assert";
import protobuf from "protobufjs";
import { ProtocolError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { ProtoWriter } from "../../src/codec/proto.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { publicKeyToProto } from "../../src/identity/peer_id.ts";
import {
  Libp2pHandshake,
  type Libp2pHandshakeOptions,
  NoiseKeys,
  noiseMessageLength,
  type SecuredChannel,
} from "../../src/security/libp2p_noise.ts";
import { NoiseHandshake, type NoiseRole } from "../../src/security/noise_handshake.ts";
import { X25519Key } from "../../src/security/x25519.ts";
import vectors from "../vectors/identity.json" with { type: "json" };

type Changed = (message: Uint8Array, index: number) => Uint8Array;

const same: Changed = (message) => message;
const nodes = [NodeKey.generate(), NodeKey.generate()];
const keys = nodes.map((node) => NoiseKeys.generate(node));

function side(role: NoiseRole, options: Partial<Libp2pHandshakeOptions> = {}): Libp2pHandshake {
  return new Libp2pHandshake({ role, keys: keys[role === "initiator" ? 0 : 1], ...options });
}

/** Runs both sides against each other; `change` sees every message without its length. */
function run(initiator: Libp2pHandshake, responder: Libp2pHandshake, change = same): [SecuredChannel, SecuredChannel] {
  for (let i = 0; initiator.next !== "done" || responder.next !== "done"; i++) {
    const [from, to] = i % 2 === 0 ? [initiator, responder] : [responder, initiator];
    assertEquals([from.next, to.next], ["write", "read"]);
    const message = from.write();
    assertEquals(noiseMessageLength(message), message.length - 2);
    to.read(change(message.slice(2), i));
  }
  return [initiator.finish(), responder.finish()];
}

function codeOf(work: () => unknown): string {
  return assertThrows(work, ProtocolError).code;
}

/** A responder with a payload of its own making; returns the code the initiator refuses it with, if it does. */
function answerWith(payload: (staticKey: X25519Key) => Uint8Array, options: Partial<Libp2pHandshakeOptions> = {}) {
  const staticKey = X25519Key.generate();
  const responder = new NoiseHandshake({ role: "responder", staticKey });
  const initiator = side("initiator", options);
  responder.read(initiator.write().slice(2));
  initiator.read(responder.write(payload(staticKey)));
}

const prefix = new TextEncoder().encode("noise-libp2p-static-key:");
const signatureOver = (node: NodeKey, staticKey: Uint8Array) => node.sign(Uint8Array.of(...prefix, ...staticKey));

Deno.test("Libp2pHandshake proves both identities and secures both directions", () => {
  const [left, right] = run(
    side("initiator", { expected: nodes[1].address }),
    side("responder", { expected: nodes[0].address }),
  );
  const { publicKey, address, peerId } = left.remote;
  assertEquals({ publicKey, address, peerId }, {
    publicKey: nodes[1].publicKey,
    address: nodes[1].address,
    peerId: nodes[1].peerId,
  });
  assertEquals(right.remote.peerId, nodes[0].peerId);
  for (const [from, to] of [[left, right], [right, left]]) {
    const out = new ByteWriter();
    const read: Uint8Array[] = [];
    from.sealer.seal(Uint8Array.of(1, 2, 3), out);
    to.opener.push(out.bytes(), (plaintext) => read.push(plaintext));
    assertEquals(read, [Uint8Array.of(1, 2, 3)]);
  }
});

Deno.test("Libp2pHandshake chooses the muxer that the initiator prefers among the common ones", () => {
  const table: [string[], string[], string | undefined][] = [
    [["/a", "/b"], ["/b", "/a"], "/a"],
    [["/a", "/b"], ["/b"], "/b"],
    [["/a"], ["/b"], undefined],
    [["/a"], [], undefined],
    [[], ["/a"], undefined],
    [[], [], undefined],
  ];
  for (const [ours, theirs, muxer] of table) {
    const [left, right] = run(side("initiator", { muxers: ours }), side("responder", { muxers: theirs }));
    assertEquals([left.muxer, right.muxer], [muxer, muxer]);
  }
});

Deno.test("Libp2pHandshake refuses another identity than expected, on either side", () => {
  const other = NodeKey.generate().address;
  assertEquals(codeOf(() => run(side("initiator", { expected: other }), side("responder"))), "noise_wrong_identity");
  assertEquals(codeOf(() => run(side("initiator"), side("responder", { expected: other }))), "noise_wrong_identity");
});

Deno.test("Libp2pHandshake refuses an identity without its owner's signature over this Noise key", () => {
  const [victim, attacker] = nodes;
  const proof = (key: NodeKey, signature: Uint8Array) =>
    new ProtoWriter().bytes(1, publicKeyToProto(key.publicKey)).bytes(2, signature).finish();
  const payloads: ((staticKey: X25519Key) => Uint8Array)[] = [
    (staticKey) => proof(victim, signatureOver(attacker, staticKey.publicKey)),
    (staticKey) => proof(victim, victim.sign(staticKey.publicKey)), // signed without the fixed text
    () => proof(victim, signatureOver(victim, X25519Key.generate().publicKey)), // stolen from another session
    () => keys[0].identity,
    () => proof(victim, new Uint8Array(64)),
    () => proof(victim, new Uint8Array()),
  ];
  for (const payload of payloads) assertEquals(codeOf(() => answerWith(payload)), "noise_bad_signature");
  answerWith((staticKey) => proof(victim, signatureOver(victim, staticKey.publicKey)), { expected: victim.address });
});

Deno.test("Libp2pHandshake refuses payloads that are malformed or of foreign keys", () => {
  assertEquals(codeOf(() => answerWith(() => new Uint8Array())), "key_malformed");
  assertEquals(codeOf(() => answerWith(() => Uint8Array.of(0x0a, 5, 1))), "noise_bad_message");
  assertEquals(codeOf(() => answerWith(() => Uint8Array.of(0x22, 2, 0x12, 9))), "noise_bad_message");
  const foreign = Uint8Array.fromHex(vectors.foreignProtos.secp256k1);
  assertEquals(codeOf(() => answerWith(() => new ProtoWriter().bytes(1, foreign).finish())), "key_not_ed25519");
});

Deno.test("Libp2pHandshake ignores unknown extensions and looks at no more muxers than it must", () => {
  const extensions = new ProtoWriter().bytes(1, Uint8Array.of(1, 2)).bytes(1027, Uint8Array.of(3));
  for (let i = 0; i < 4000; i++) extensions.string(2, `/m${i}`);
  answerWith((staticKey) =>
    new ProtoWriter()
      .bytes(1, publicKeyToProto(nodes[1].publicKey))
      .bytes(2, signatureOver(nodes[1], staticKey.publicKey))
      .bytes(4, extensions.finish())
      .bytes(9, Uint8Array.of(1))
      .finish(), { muxers: ["/m7"] });
});

Deno.test("Libp2pHandshake writes the payload that libp2p's protobuf describes", () => {
  const { root } = protobuf.parse(
    `
    syntax = "proto2";
    message NoiseExtensions { repeated bytes webtransport_certhashes = 1; repeated string stream_muxers = 2; }
    message NoiseHandshakePayload {
      optional bytes identity_key = 1; optional bytes identity_sig = 2; optional NoiseExtensions extensions = 4;
    }`,
    { keepCase: true },
  );
  const initiator = new NoiseHandshake({ role: "initiator", staticKey: X25519Key.generate() });
  const responder = side("responder", { muxers: ["/yamux/1.0.0", "/mplex/6.7.0"] });
  responder.read(initiator.write(new Uint8Array()));
  const payload = root.lookupType("NoiseHandshakePayload").toObject(
    root.lookupType("NoiseHandshakePayload").decode(initiator.read(responder.write().slice(2))),
  );
  assertEquals(new Uint8Array(payload.identity_key), publicKeyToProto(nodes[1].publicKey));
  const signed = Uint8Array.of(...prefix, ...initiator.remoteStatic);
  assert(NodeKey.verify(nodes[1].publicKey, signed, new Uint8Array(payload.identity_sig)));
  assertEquals(payload.extensions.stream_muxers, ["/yamux/1.0.0", "/mplex/6.7.0"]);
});

Deno.test("Libp2pHandshake sends nothing but a key in its first message", () => {
  const first = side("initiator", { muxers: ["/yamux/1.0.0"] }).write();
  assertEquals([...first.subarray(0, 2)], [0, 32]);
  assertEquals(first.length, 34);
});

Deno.test("Libp2pHandshake refuses messages that are changed, cut, replayed or swapped", () => {
  const random = seededRandom(17);
  for (let i = 0; i < 90; i++) {
    const target = i % 3;
    const code = codeOf(() =>
      run(side("initiator"), side("responder"), (message, index) => {
        if (index !== target) return message;
        if (i % 2 === 0) return message.subarray(0, Math.floor(random.next() * message.length));
        message[Math.floor(random.next() * message.length)] ^= 1 << Math.floor(random.next() * 8);
        return message;
      })
    );
    assertEquals(code, "noise_bad_message", `seed 17, round ${i}`);
  }
  const seen: Uint8Array[] = [];
  run(side("initiator"), side("responder"), (message) => {
    seen.push(message);
    return message;
  });
  for (const [at, instead] of [[1, 0], [1, 1], [1, 2], [2, 0], [2, 1], [2, 2]]) {
    const replay: Changed = (message, index) => index === at ? seen[instead] : message;
    const code = codeOf(() => run(side("initiator"), side("responder"), replay));
    assertEquals(code, "noise_bad_message", `message ${instead} as ${at}`);
  }
});

Deno.test("Libp2pHandshake stays failed after an error", () => {
  const responder = side("responder");
  assertEquals(codeOf(() => responder.read(new Uint8Array(3))), "noise_bad_message");
  assertThrows(() => responder.read(new Uint8Array(32)), TypeError);
  assertThrows(() => responder.finish(), TypeError);
});

Deno.test("Libp2pHandshake gives its keys away once, since two uses would repeat nonces", () => {
  const initiator = side("initiator");
  run(initiator, side("responder"));
  assertEquals(initiator.next, "done");
  assertThrows(() => initiator.finish(), TypeError);
});
