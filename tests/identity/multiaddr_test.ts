import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { multiaddr } from "@multiformats/multiaddr";
import fc from "fast-check";
import { P2pError, ProtocolError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import {
  formatMultiaddr,
  type Multiaddr,
  MULTIADDR_LENGTH_MAX,
  multiaddrFromBytes,
  multiaddrToBytes,
  parseMultiaddr,
} from "../../src/identity/multiaddr.ts";
import { peerIdOf } from "../../src/identity/peer_id.ts";
import { dnsNames, hostile, ip4s, ip6s, ports } from "./generators.ts";
import vectors from "../vectors/multiaddr.json" with { type: "json" };

const peerIds = fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 }).map(peerIdOf), { nil: undefined });
const multiaddrs: fc.Arbitrary<Multiaddr> = fc.tuple(
  fc.oneof(
    fc.tuple(fc.constantFrom("dns", "dns4", "dns6"), dnsNames),
    fc.tuple(fc.constant("ip4"), ip4s),
    fc.tuple(fc.constant("ip6"), ip6s),
  ),
  ports,
  peerIds,
).map(([[kind, host], port, peer]) => parseMultiaddr(`/${kind}/${host}/tcp/${port}${peer ? `/p2p/${peer}` : ""}`));

Deno.test("multiaddrToBytes() and multiaddrFromBytes() agree with the published vectors", () => {
  for (const { text, hex } of vectors.bytes) {
    assertEquals(multiaddrToBytes(parseMultiaddr(text)).toHex(), hex);
    assertEquals(formatMultiaddr(multiaddrFromBytes(Uint8Array.fromHex(hex))), text);
  }
});

Deno.test("parseMultiaddr() brings text to its one form", () => {
  for (const { input, output } of vectors.normal) assertEquals(formatMultiaddr(parseMultiaddr(input)), output);
});

Deno.test("parseMultiaddr() refuses what is no multiaddr", () => {
  const texts = [
    ...vectors.refused,
    "ip4/1.2.3.4/tcp/1",
    "//",
    "/ip4/1.2.3.4/tcp/01",
    "/ip4/a/tcp/1",
    "/dns4/1.2.3.4/tcp/1",
  ];
  texts.push(
    "/ip4/1.2.3.4/tcp/1//",
    "/dns/a b/tcp/1",
    "/ip4/1.2.3.4/tcp/1/p2p/Qm",
    `/dns/${"a".repeat(MULTIADDR_LENGTH_MAX)}`,
  );
  texts.push("/constructor/a/tcp/1", "/__proto__/a/tcp/1");
  for (const text of texts) assertThrows(() => parseMultiaddr(text), P2pError, "", text);
});

Deno.test("parseMultiaddr() and multiaddrFromBytes() name what they do not support", () => {
  for (const { text, hex } of vectors.unsupported) {
    assertEquals(assertThrows(() => parseMultiaddr(text), P2pError).code, "multiaddr_unsupported", text);
    const read = () => multiaddrFromBytes(Uint8Array.fromHex(hex));
    assertEquals(assertThrows(read, ProtocolError).code, "multiaddr_unsupported", text);
  }
  const relayed = "/ip4/1.2.3.4/tcp/1/p2p/12D3KooWCryG7Mon9orvQxcS1rYZjotPgpwoJNHHKcLLfE4Hf5mV/p2p-circuit";
  for (const text of [relayed, "/ip4/1.2.3.4/tcp/1/ws", "/dnsaddr/a/tcp/1", "/unix/a"]) {
    assertEquals(assertThrows(() => parseMultiaddr(text), P2pError).code, "multiaddr_unsupported", text);
    const bytes = multiaddr(text).bytes;
    assertEquals(assertThrows(() => multiaddrFromBytes(bytes), ProtocolError).code, "multiaddr_unsupported", text);
  }
});

Deno.test("multiaddrFromBytes() reads what multiaddrToBytes() wrote, as parseMultiaddr() does formatMultiaddr()", () => {
  fc.assert(
    fc.property(multiaddrs, (address) => {
      assertEquals(multiaddrFromBytes(multiaddrToBytes(address)), address);
      assertEquals(parseMultiaddr(formatMultiaddr(address)), address);
    }),
    { seed: 1 },
  );
});

Deno.test("multiaddrToBytes() writes what @multiformats/multiaddr writes", () => {
  fc.assert(
    fc.property(multiaddrs, (address) => {
      const bytes = multiaddrToBytes(address);
      const other = multiaddr(formatMultiaddr(address));
      assertEquals(bytes.toHex(), new Uint8Array(other.bytes).toHex());
      assertEquals(multiaddr(bytes).toString(), formatMultiaddr(address));
    }),
    { seed: 2 },
  );
});

Deno.test("multiaddrToBytes() refuses hand-made addresses that no one could read", () => {
  const refused: Multiaddr[] = [
    { kind: "ip4", host: "a", port: 1 },
    { kind: "dns", host: "a/tcp/2", port: 1 },
    { kind: "dns", host: "a", port: 65536 },
    { kind: "ip6", host: "::1", port: 1, peerId: "Qm" },
  ];
  for (const address of refused) assertThrows(() => multiaddrToBytes(address), P2pError);
});

Deno.test("multiaddrFromBytes() returns or throws ProtocolError on random and mutated bytes", () => {
  const random = seededRandom(23);
  const whole = multiaddrToBytes(parseMultiaddr(vectors.normal[7].input));
  let read = 0;
  for (let i = 0; i < 3000; i++) {
    const bytes = i % 2 === 0
      ? random.fill(new Uint8Array(1 + i % 40))
      : whole.slice(0, 1 + Math.floor(random.next() * whole.length));
    bytes[Math.floor(random.next() * bytes.length)] ^= 1 << (i % 8);
    try {
      const address = multiaddrFromBytes(bytes);
      assertEquals(parseMultiaddr(formatMultiaddr(address)), address);
      read++;
    } catch (error) {
      assertInstanceOf(error, ProtocolError, `seed 23, round ${i}`);
    }
  }
  assert(read > 0);
  assertThrows(() => multiaddrFromBytes(new Uint8Array(MULTIADDR_LENGTH_MAX + 1)), ProtocolError);
  assertThrows(() => multiaddrFromBytes(new Uint8Array()), ProtocolError);
});

Deno.test("parseMultiaddr() returns or throws P2pError on hostile text", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      try {
        parseMultiaddr(text);
      } catch (error) {
        assertInstanceOf(error, P2pError);
      }
    }),
    { seed: 3, numRuns: 1000 },
  );
});
