import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Address } from "../../src/identity/address.ts";
import {
  CONTROL_ACKED_MAX,
  CONTROL_ENTRIES_MAX,
  type ControlMessage,
  decodeControlMessage,
  type Receipt,
} from "../../src/raintree/control_message.ts";
import { BUSY_MS, ControlOutbox, FLUSH_MS, LAZY_MS } from "../../src/raintree/control_outbox.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { addresses } from "./networks.ts";
import { NONCE_BYTES, packNonces } from "../../src/raintree/packed_nonces.ts";
import { SILENT } from "./silent_message.ts";

const [anna, bert, carl] = addresses(3, 5);

interface Sent {
  atMs: number;
  to: Address;
  message: ControlMessage;
  bytes: number;
  dials: boolean;
}

/** An outbox, and what it sent when. */
class Bench {
  readonly clock = new VirtualClock(500);
  readonly sent: Sent[] = [];
  readonly outbox = new ControlOutbox({
    clock: this.clock,
    send: (to, bytes, dials) => {
      const message = decodeControlMessage(bytes);
      this.sent.push({ atMs: this.clock.now(), to, message, bytes: bytes.length, dials });
      this.onSend?.();
    },
  });
  onSend: (() => void) | undefined;

  to(peer: Address): Sent[] {
    return this.sent.filter(({ to }) => to === peer);
  }
}

const receiptOf = (nonce: bigint, signatures = 0): Receipt => {
  return { nonce, missing: [], signatures: new Array<Uint8Array>(signatures).fill(new Uint8Array(96).fill(1)) };
};

Deno.test("ControlOutbox says in one message per peer what was said within a few milliseconds", async () => {
  const { clock, outbox, sent } = new Bench();
  outbox.offer(anna, 1n);
  await clock.advance(FLUSH_MS - 1);
  outbox.ack(anna, 7);
  outbox.ask(anna, 2n);
  outbox.want(anna, 3n);
  outbox.deny(anna, 4n);
  outbox.receipt(anna, receiptOf(5n, 2));
  outbox.ack(bert, 9);
  assertEquals(sent, []);
  await clock.advance(FLUSH_MS);
  assertEquals(sent.map(({ atMs, to, message }) => ({ atMs, to, message })), [
    {
      atMs: 520,
      to: anna,
      message: {
        acks: [{ first: 7, count: 1 }],
        offers: packNonces([1n]),
        asks: [2n],
        wants: [3n],
        denials: [4n],
        receipts: [receiptOf(5n, 2)],
        duties: [],
        probe: false,
        alive: false,
      },
    },
    { atMs: 539, to: bert, message: { ...SILENT, acks: [{ first: 9, count: 1 }] } },
  ]);
  assertEquals(outbox.counts, {
    acks: 2,
    offers: 1,
    asks: 1,
    wants: 1,
    denials: 1,
    receipts: 1,
    duties: 0,
    probes: 0,
    messages: 2,
    bytes: sent[0].bytes + sent[1].bytes,
  });
  assertEquals(clock.pending, 0, "nothing to say and still a timer");
  await clock.advance(1000);
  assertEquals(sent.length, 2);
});

Deno.test("ControlOutbox asks who is there, and answers, at once and with all that waits", async () => {
  const { clock, outbox, sent } = new Bench();
  outbox.ack(anna, 7);
  outbox.ack(bert, 8);
  outbox.probe(anna);
  outbox.alive(bert);
  outbox.alive(bert);
  await clock.advance(1000);
  assertEquals(sent.map(({ atMs, to, message }) => ({ atMs, to, message })), [
    { atMs: 500, to: anna, message: { ...SILENT, acks: [{ first: 7, count: 1 }], probe: true } },
    { atMs: 500, to: bert, message: { ...SILENT, acks: [{ first: 8, count: 1 }], alive: true } },
    { atMs: 500, to: bert, message: { ...SILENT, alive: true } },
  ]);
  assertEquals([outbox.counts.probes, outbox.counts.messages, clock.pending], [1, 3, 0]);
});

Deno.test("ControlOutbox.ack() says no more in one message than may be read from one", () => {
  const { outbox, sent } = new Bench();
  for (let seq = 0; seq < CONTROL_ACKED_MAX + 5; seq++) outbox.ack(anna, seq);
  outbox.flush();
  assertEquals(sent.map(({ message }) => message.acks), [
    [{ first: 0, count: CONTROL_ACKED_MAX }],
    [{ first: CONTROL_ACKED_MAX, count: 5 }],
  ]);
});

Deno.test("ControlOutbox.offerAll() says one row to several, whatever each is told after it", () => {
  const { outbox, sent } = new Bench();
  const row = packNonces([1n, 2n]);
  for (const peer of [anna, bert]) outbox.offerAll(peer, row);
  outbox.offer(anna, 3n);
  outbox.offerAll(bert, packNonces([4n]));
  outbox.flush();
  assertEquals(row, packNonces([1n, 2n]));
  assertEquals(sent.map(({ to, message }) => [to, message.offers]), [
    [anna, packNonces([1n, 2n, 3n])],
    [bert, packNonces([1n, 2n, 4n])],
  ]);
});

Deno.test("ControlOutbox.offerAll() says what as many offers would", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(5), fc.integer({ min: 8185, max: 20_000 })), { maxLength: 4 }), (lengths) => {
      const one = new Bench();
      const many = new Bench();
      let nonce = 1n;
      for (const length of lengths) {
        const nonces = Array.from({ length }, () => nonce++);
        for (const each of nonces) one.outbox.offer(anna, each);
        many.outbox.offerAll(anna, packNonces(nonces));
      }
      assertEquals(many.sent, one.sent);
      one.outbox.flush();
      many.outbox.flush();
      assertEquals(many.sent, one.sent);
      assertEquals(many.outbox.counts, one.outbox.counts);
    }),
    { seed: 8, numRuns: 20 },
  );
});

Deno.test("ControlOutbox begins a new wait after each flush", async () => {
  const { clock, outbox, sent } = new Bench();
  for (let i = 0; i < 10; i++) {
    outbox.ack(anna, i);
    await clock.advance(8);
  }
  await clock.advance(1000);
  assertEquals(sent.map(({ atMs }) => atMs), [520, 520 + 4 + LAZY_MS]);
  assertEquals(sent.flatMap(({ message }) => message.acks), [{ first: 0, count: 3 }, { first: 3, count: 7 }]);
});

Deno.test("ControlOutbox lets acknowledgements and digests wait longer while traffic goes on, and nothing else", async () => {
  const { clock, outbox, sent } = new Bench();
  const at = async (say: () => void) => {
    const before = sent.length;
    const startMs = clock.now();
    say();
    await clock.advance(LAZY_MS);
    return sent.slice(before).map(({ atMs }) => atMs - startMs);
  };
  assertEquals(await at(() => outbox.ack(anna, 1)), [FLUSH_MS], "after a quiet time");
  assertEquals(await at(() => outbox.ack(anna, 2)), [LAZY_MS]);
  assertEquals(await at(() => outbox.offerAll(anna, packNonces([1n]))), [LAZY_MS]);
  for (const say of [outbox.offer, outbox.ask, outbox.want, outbox.deny]) {
    assertEquals(await at(() => say.call(outbox, anna, 1n)), [FLUSH_MS], say.name);
  }
  assertEquals(await at(() => outbox.receipt(anna, receiptOf(1n))), [FLUSH_MS]);
  await clock.advance(BUSY_MS);
  assertEquals(await at(() => outbox.ack(anna, 3)), [FLUSH_MS], "quiet again");
  assertEquals(clock.pending, 0);
});

Deno.test("ControlOutbox takes along what waits for the same peer, and leaves the others", async () => {
  const { clock, outbox, sent } = new Bench();
  outbox.ack(carl, 0);
  await clock.advance(FLUSH_MS);
  outbox.ack(anna, 1);
  outbox.ack(bert, 2);
  await clock.advance(1);
  outbox.want(anna, 3n);
  await clock.advance(LAZY_MS);
  assertEquals(sent.slice(1).map(({ atMs, to, message }) => ({ atMs, to, message })), [
    { atMs: 541, to: anna, message: { ...SILENT, acks: [{ first: 1, count: 1 }], wants: [3n] } },
    { atMs: 520 + LAZY_MS, to: bert, message: { ...SILENT, acks: [{ first: 2, count: 1 }] } },
  ]);
  assertEquals(clock.pending, 0);
});

Deno.test("ControlOutbox.ack() lengthens one run as long as the numbers follow each other, past 2^32 too", () => {
  const { outbox, sent } = new Bench();
  for (const seq of [2 ** 32 - 2, 2 ** 32 - 1, 0, 1, 5, 6, 6, 4, 5]) outbox.ack(anna, seq);
  outbox.ack(bert, 2);
  outbox.ack(anna, 6);
  outbox.flush();
  assertEquals(sent[0].message.acks, [
    { first: 2 ** 32 - 2, count: 4 },
    { first: 5, count: 2 },
    { first: 6, count: 1 },
    { first: 4, count: 3 },
  ]);
  assertEquals(sent[1].message.acks, [{ first: 2, count: 1 }]);
});

Deno.test("ControlOutbox.ack() acknowledges each number as often as it was said, whatever the order", () => {
  const seqs = fc.array(fc.nat(30).map((n) => (n + 2 ** 32 - 15) >>> 0), { maxLength: 200 });
  fc.assert(
    fc.property(seqs, (said) => {
      const { outbox, sent } = new Bench();
      for (const seq of said) outbox.ack(anna, seq);
      outbox.flush();
      const runs = sent.flatMap(({ message }) => message.acks);
      const told = runs.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => (first + i) >>> 0));
      assertEquals(told, said);
      outbox.close();
    }),
    { seed: 12 },
  );
});

Deno.test("ControlOutbox sends at once when a list is full, so that none is refused", async () => {
  const says: [name: keyof ControlMessage, say: (outbox: ControlOutbox, i: number) => void][] = [
    ["acks", (outbox, i) => outbox.ack(anna, 2 * i)],
    ["offers", (outbox, i) => outbox.offer(anna, BigInt(i + 1))],
    ["asks", (outbox, i) => outbox.ask(anna, BigInt(i + 1))],
    ["wants", (outbox, i) => outbox.want(anna, BigInt(i + 1))],
    ["denials", (outbox, i) => outbox.deny(anna, BigInt(i + 1))],
  ];
  for (const [name, say] of says) {
    const { clock, outbox, sent } = new Bench();
    for (let i = 0; i < CONTROL_ENTRIES_MAX - 1; i++) say(outbox, i);
    assertEquals(sent.length, 0, name);
    say(outbox, CONTROL_ENTRIES_MAX);
    assertEquals([sent.length, clock.now()], [1, 500], name);
    say(outbox, 0);
    await clock.advance(FLUSH_MS);
    const entries = sent.map(({ message }) => {
      const { length } = message[name] as ArrayLike<unknown>;
      return name === "offers" ? length / NONCE_BYTES : length;
    });
    assertEquals(entries, [CONTROL_ENTRIES_MAX, 1], name);
    assertEquals(clock.pending, 0);
  }
});

Deno.test("ControlOutbox keeps messages with receipts well below what a channel takes", () => {
  const { outbox, sent } = new Bench();
  outbox.receipt(anna, receiptOf(1n, 4096));
  assertEquals(sent.length, 1, "a large one goes at once");
  for (let i = 0; i < 10_000; i++) outbox.receipt(anna, receiptOf(2n));
  for (let i = 0; i < 1000; i++) outbox.receipt(anna, receiptOf(3n, 100));
  outbox.receipt(anna, receiptOf(4n, 1000));
  outbox.receipt(anna, receiptOf(5n, 4096));
  outbox.flush();
  const receipts = sent.flatMap(({ message }) => message.receipts);
  assertEquals(receipts.length, 1 + 10_000 + 1000 + 2);
  assertEquals(outbox.counts.receipts, receipts.length);
  for (const { bytes, message } of sent) {
    assert(bytes < 512 * 1024, `message of ${bytes} bytes`);
    assert(message.receipts.length <= CONTROL_ENTRIES_MAX);
  }
});

Deno.test("ControlOutbox asks for a connection where what it says is worth one", async () => {
  const worth: [dials: boolean, say: (outbox: ControlOutbox) => void][] = [
    [true, (outbox) => outbox.offer(anna, 1n)],
    [true, (outbox) => outbox.ask(anna, 1n)],
    [true, (outbox) => outbox.receipt(anna, receiptOf(1n))],
    [true, (outbox) => outbox.probe(anna)],
    [false, (outbox) => outbox.ack(anna, 1)],
    [false, (outbox) => outbox.want(anna, 1n)],
    [false, (outbox) => outbox.deny(anna, 1n)],
    [false, (outbox) => outbox.alive(anna)],
  ];
  for (const [dials, say] of worth) {
    const bench = new Bench();
    bench.outbox.ack(anna, 0);
    say(bench.outbox);
    bench.outbox.ack(anna, 1);
    bench.outbox.want(bert, 1n);
    await bench.clock.advance(FLUSH_MS);
    assertEquals([bench.to(anna)[0].dials, bench.to(bert)[0].dials], [dials, false], `${say}`);
    // It is forgotten with the message.
    bench.outbox.ack(anna, 2);
    bench.outbox.flush();
    assertEquals(bench.to(anna)[1].dials, false);
  }
});

Deno.test("ControlOutbox.forget() drops what was to be said to one peer", async () => {
  const bench = new Bench();
  bench.outbox.ack(anna, 1);
  bench.outbox.ack(bert, 2);
  bench.outbox.forget(anna);
  bench.outbox.forget(carl);
  bench.outbox.ack(anna, 8);
  await bench.clock.advance(FLUSH_MS);
  assertEquals(bench.to(anna).map(({ message }) => message.acks), [[{ first: 8, count: 1 }]]);
  assertEquals(bench.to(bert).length, 1);
});

Deno.test("ControlOutbox says later what is said while it sends", async () => {
  const bench = new Bench();
  let again = 3;
  bench.onSend = () => {
    if (again-- > 0) bench.outbox.want(anna, 2n);
  };
  bench.outbox.want(anna, 1n);
  await bench.clock.advance(1000);
  assertEquals(bench.sent.map(({ atMs }) => atMs), [520, 540, 560, 580]);
  assertEquals(bench.clock.pending, 0);
});

Deno.test("ControlOutbox.close() says nothing any more and leaves no timer", async () => {
  const { clock, outbox, sent } = new Bench();
  outbox.offer(anna, 1n);
  outbox.close();
  outbox.close();
  outbox.ack(anna, 1);
  outbox.probe(bert);
  outbox.offerAll(bert, packNonces(Array.from({ length: 20_000 }, () => 1n)));
  outbox.receipt(bert, receiptOf(1n, 4096));
  outbox.flush();
  assertEquals(clock.pending, 0);
  await clock.advance(1000);
  assertEquals([sent, outbox.counts.messages], [[], 0]);
});
