import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import type { Address } from "../../src/identity/address.ts";
import { NonceDeduper } from "../../src/raintree/dedup.ts";
import { encodeEnvelope, type PocketEnvelope } from "../../src/raintree/envelope.ts";
import { decodeRainTreeMessage, encodeRainTreeMessage } from "../../src/raintree/message.ts";
import { RainTreeRouter } from "../../src/raintree/raintree_router.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { maxLevels, type TreeMode } from "../../src/raintree/tree.ts";
import { ACCEPTED, type Channel } from "../../src/router/channel.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import { addresses } from "./networks.ts";

interface Message {
  from: Address;
  to: Address;
  bytes: Uint8Array;
}

/** RainTree routers without sockets: what they send waits here until delivered. */
class Post {
  readonly waiting: Message[] = [];
  readonly routers = new Map<Address, RainTreeRouter>();
  readonly received = new Map<Address, PocketEnvelope[]>();
  readonly blamed: [of: Address, code: string][] = [];
  readonly unsent: string[] = [];
  /** Peers that fail to be sent to. */
  readonly gone = new Set<Address>();
  readonly v1 = new Set<Address>();
  /** Peers that turn out to be V1 when they are dialled, which is when something is sent to them. */
  readonly lateV1 = new Set<Address>();

  join(self: Address, ring: Ring, mode?: TreeMode): RainTreeRouter {
    const received: PocketEnvelope[] = [];
    this.received.set(self, received);
    const nonces = new NonceDeduper({ random: seededRandom(1) });
    const channel = {
      handle: () => {},
      close: () => {},
      send: (to: Address, bytes: Uint8Array) => {
        if (this.gone.has(to)) return Promise.reject(new P2pError("peer_unknown", "Gone"));
        const message = { from: self, to, bytes: bytes.slice() };
        if (this.lateV1.has(to)) return this.#dialV1(message);
        this.waiting.push(message);
        return ACCEPTED;
      },
    } as unknown as Channel<Uint8Array>;
    const router = new RainTreeRouter({
      self,
      ring,
      channel,
      mode,
      nonces,
      isV1: (peer) => this.v1.has(peer),
      onPayload: (envelope) => {
        if (nonces.seen(envelope.nonce)) return false;
        received.push(envelope);
        return true;
      },
      onMisbehaviour: (from, error) => this.blamed.push([from, (error as P2pError).code]),
      onUnsent: (to) => this.unsent.push(to),
    });
    this.routers.set(self, router);
    return router;
  }

  async #dialV1(message: Message): Promise<void> {
    await Promise.resolve();
    this.v1.add(message.to);
    this.waiting.push(message);
  }

  /** Delivers everything, and what follows from it; a V1 node takes it and passes only levels on. Returns how many messages that were. */
  deliver(): number {
    let count = 0;
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      count++;
      const { from, to, bytes } = next;
      const { level, data } = decodeRainTreeMessage(bytes);
      this.routers.get(to)!.receive(this.v1.has(to) ? encodeRainTreeMessage({ level, data }) : bytes, from);
    }
    return count;
  }
}

function envelope(nonce: bigint, text = "x"): Uint8Array {
  return encodeEnvelope({ typeUrl: "test", value: new TextEncoder().encode(text), nonce });
}

function network(n: number, mode?: TreeMode): { post: Post; ring: Ring; at: (index: number) => RainTreeRouter } {
  const post = new Post();
  const ring = Ring.of(addresses(n, n));
  for (const address of ring) post.join(address, ring, mode);
  return { post, ring, at: (index) => post.routers.get(ring.at(index))! };
}

Deno.test("RainTreeRouter serves V1 peers as leaves, and the next node answers for the rest of their segment", () => {
  const random = seededRandom(5);
  for (let n = 2; n <= 40; n++) {
    for (const share of [0.1, 0.5, 0.9, 1]) {
      const { post, ring, at } = network(n);
      const originator = below(random, n);
      for (const address of ring) {
        if (address !== ring.at(originator) && random.next() < share) post.v1.add(address);
      }
      at(originator).broadcast(envelope(BigInt(n)));
      assertEquals(post.deliver(), n - 1, `messages at ${n} with ${post.v1.size} V1 peers`);
      for (const [address, received] of post.received) {
        assertEquals(received.length, address === ring.at(originator) ? 0 : 1, `at ${n}`);
      }
    }
  }
});

Deno.test("RainTreeRouter serves the rest of a segment when its head turns out to be V1", async () => {
  const random = seededRandom(6);
  for (let n = 2; n <= 40; n++) {
    const { post, ring, at } = network(n);
    const originator = below(random, n);
    for (const address of ring) {
      if (address !== ring.at(originator) && random.next() < 0.5) post.lateV1.add(address);
    }
    at(originator).broadcast(envelope(BigInt(n)));
    let messages = post.deliver();
    for (let quiet = 0; quiet < 2; quiet++) {
      await settle();
      const more = post.deliver();
      if (more > 0) quiet = -1;
      messages += more;
    }
    assertEquals(messages, n - 1, `messages at ${n} with ${post.lateV1.size} V1 peers`);
    for (const [address, received] of post.received) {
      assertEquals(received.length, address === ring.at(originator) ? 0 : 1, `at ${n}`);
    }
  }
});

Deno.test("RainTreeRouter passes a replayed hand-over on once", () => {
  const { post, ring, at } = network(27);
  at(0).broadcast(envelope(7n));
  const [first] = post.waiting;
  post.deliver();
  const head = post.routers.get(first.to)!;
  const { writes } = head.stats;
  for (let i = 0; i < 10_000; i++) head.receive(first.bytes, first.from);
  assertEquals(post.waiting, []);
  assertEquals({ ...head.stats }, { reads: 10_001, writes, redundant: 10_000, rejected: 0, suppressed: 10_000 });
  assertEquals(post.received.get(ring.at(9))!.length, 1);
});

Deno.test("RainTreeRouter serves the rest of a segment when a liar handed it a smaller part first", () => {
  for (const size of [9, 27, 60]) {
    const { post, ring } = network(size);
    const [origin, liar] = [ring.at(0), ring.at(size - 1)];
    const data = envelope(9n);
    // Everybody but the origin is told first that it answers for itself alone.
    for (const address of ring) {
      if (address === origin) continue;
      const until = ring.bytesAt(ring.indexAt(ring.indexOf(address), 1));
      post.routers.get(address)!.receive(encodeRainTreeMessage({ level: 0, data, until }), liar);
    }
    post.routers.get(origin)!.broadcast(data);
    assertEquals(post.deliver(), size - 1, "as many messages as without the liar");
    const reads = [...ring].filter((address) => address !== origin).map((address) =>
      post.received.get(address)!.length
    );
    assertEquals(reads, new Array(size - 1).fill(1));
    for (const router of post.routers.values()) assertEquals(router.stats.reads <= 2, true);
  }
});

Deno.test("RainTreeRouter bounds what replayed levels make it send", () => {
  for (const n of [9, 18, 27, 81]) {
    const { post, ring, at } = network(n, "classic");
    const levels = maxLevels(n);
    const message = encodeRainTreeMessage({ level: levels, data: envelope(7n) });
    for (let i = 0; i < 10_000; i++) at(1).receive(message, ring.at(0));
    assertEquals(post.waiting.length <= (levels + 1) * 2 * levels, true, `${post.waiting.length} messages at ${n}`);
    assertEquals(at(1).stats.suppressed, 10_000 - (levels + 1));
    // Other broadcasts are served all the same.
    const before = post.waiting.length;
    at(1).receive(encodeRainTreeMessage({ level: levels, data: envelope(8n) }), ring.at(0));
    assertEquals(post.waiting.length > before, true);
  }
});

Deno.test("RainTreeRouter refuses what is malformed, blames the sender, and passes nothing on", () => {
  const { post, ring, at } = network(9);
  const sender = ring.at(0);
  const victim = at(3);
  const bytes = (...numbers: number[]) => Uint8Array.from(numbers);
  const noNonce = bytes(0x0a, 0x03, 0x0a, 0x01, 0x61);
  const cases: [bytes: Uint8Array, code: string][] = [
    [bytes(0xff, 0xff), "proto_truncated"],
    [encodeRainTreeMessage({ level: 1, data: bytes(0xff) }), "proto_truncated"],
    [encodeRainTreeMessage({ level: 0, data: noNonce }), "envelope_zero_nonce"],
    [encodeRainTreeMessage({ level: 0, data: new Uint8Array() }), "envelope_zero_nonce"],
    [encodeRainTreeMessage({ level: 0, data: bytes(0x10, 0x07) }), "envelope_no_content"],
    [encodeRainTreeMessage({ level: 3, data: envelope(1n) }), "raintree_bad_level"],
    [encodeRainTreeMessage({ level: 0xffffffff, data: envelope(1n) }), "raintree_bad_level"],
    // The whole ring, and everybody but the sender's successor: both hold the sender.
    [encodeRainTreeMessage({ level: 0, data: envelope(1n), until: ring.bytesAt(3) }), "raintree_bad_until"],
    [encodeRainTreeMessage({ level: 0, data: envelope(1n), until: ring.bytesAt(1) }), "raintree_bad_until"],
    [bytes(0x1a, 0x01, 0x00, ...encodeRainTreeMessage({ level: 0, data: envelope(1n) })), "raintree_bad_until"],
    [encodeRainTreeMessage({ level: 0, data: envelope(1n, "x".repeat(4 << 20)) }), "raintree_too_large"],
  ];
  for (const [message, code] of cases) {
    victim.receive(message, sender);
    assertEquals(post.blamed.pop(), [sender, code]);
  }
  assertEquals([post.waiting, post.received.get(ring.at(3))], [[], []]);
  assertEquals({ ...victim.stats }, {
    reads: cases.length,
    writes: 0,
    redundant: 0,
    rejected: cases.length,
    suppressed: 0,
  });
  // It goes on as before.
  at(0).broadcast(envelope(2n));
  assertEquals(post.deliver(), 8);
});

Deno.test("RainTreeRouter that is not staked hands over to the application and to nobody else", async () => {
  const { post, ring } = network(9);
  const outsider = "ff".repeat(20);
  const router = post.join(outsider, ring);
  assertEquals(router.targets(), []);
  router.receive(encodeRainTreeMessage({ level: 2, data: envelope(1n) }), ring.at(0));
  router.receive(encodeRainTreeMessage({ level: 9, data: envelope(2n) }), ring.at(0));
  router.receive(encodeRainTreeMessage({ level: 0, data: envelope(3n), until: ring.bytesAt(0) }), ring.at(0));
  assertEquals(post.received.get(outsider)!.map(({ nonce }) => nonce), [1n, 2n, 3n]);
  assertEquals([post.waiting, post.blamed], [[], []]);
  assertEquals((await assertRejects(() => router.broadcast(envelope(4n)), P2pError)).code, "raintree_not_staked");
});

Deno.test("RainTreeRouter follows the ring: joining opens it, leaving closes it", () => {
  const { post, ring, at } = network(9);
  const newcomer = "ff".repeat(20);
  const router = post.join(newcomer, ring);
  const larger = ring.with({ add: [newcomer], height: 1 });
  for (const each of post.routers.values()) each.setRing(larger);
  assertEquals(router.targets().length > 0, true);
  router.broadcast(envelope(1n));
  assertEquals(post.deliver(), 9);
  for (const each of post.routers.values()) each.setRing(ring);
  assertEquals(router.targets(), []);
  at(0).broadcast(envelope(2n));
  assertEquals(post.deliver(), 8);
  assertEquals(post.received.get(newcomer), []);
});

Deno.test("RainTreeRouter tells of targets that cannot be sent to, and serves the others", async () => {
  const { post, ring, at } = network(9);
  post.gone.add(ring.at(3));
  at(0).broadcast(envelope(1n));
  assertEquals(post.deliver(), 3 + 2);
  await Promise.resolve();
  assertEquals(post.unsent, [ring.at(3)]);
});

Deno.test("RainTreeRouter.send() goes to one peer and no further", async () => {
  const { post, ring, at } = network(9);
  await at(0).send(envelope(1n), ring.at(3));
  assertEquals(post.deliver(), 1);
  assertEquals(post.received.get(ring.at(3))!.length, 1);
  post.gone.add(ring.at(4));
  assertEquals((await assertRejects(() => at(0).send(envelope(1n), ring.at(4)), P2pError)).code, "peer_unknown");
});

Deno.test("RainTreeRouter refuses to send what is too large, malformed, or too late", async () => {
  const { post, ring, at } = network(9);
  const large = new Uint8Array((4 << 20) + 1);
  assertEquals((await assertRejects(() => at(0).broadcast(large), P2pError)).code, "raintree_too_large");
  await assertRejects(() => at(0).broadcast(Uint8Array.of(0xff)), P2pError);
  at(0).close();
  at(0).close();
  assertEquals((await assertRejects(() => at(0).broadcast(envelope(1n)), P2pError)).code, "raintree_closed");
  assertEquals((await assertRejects(() => at(0).send(envelope(1n), ring.at(1)), P2pError)).code, "raintree_closed");
  at(0).receive(encodeRainTreeMessage({ level: 0, data: envelope(1n) }), ring.at(1));
  assertEquals([post.waiting, post.received.get(ring.at(0)), at(0).stats.reads], [[], [], 0]);
});

Deno.test("RainTreeRouter lets what the application throws pass, without blaming the peer", () => {
  const ring = Ring.of(addresses(3, 3));
  const blamed: Address[] = [];
  const router = new RainTreeRouter({
    self: ring.at(0),
    ring,
    channel: { handle: () => {} } as unknown as Channel<Uint8Array>,
    nonces: new NonceDeduper(),
    onPayload: () => {
      throw new Error("Mine");
    },
    onMisbehaviour: (from) => blamed.push(from),
    onUnsent: () => {},
  });
  const message = encodeRainTreeMessage({ level: 0, data: envelope(1n) });
  assertThrows(() => router.receive(message, ring.at(1)), Error, "Mine");
  assertEquals(blamed, []);
});
