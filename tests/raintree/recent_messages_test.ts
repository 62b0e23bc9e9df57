import { assert, assertEquals, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { randomNonce } from "../../src/raintree/envelope.ts";
import { packNonces } from "../../src/raintree/packed_nonces.ts";
import { RecentMessages } from "../../src/raintree/recent_messages.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

const seed = 0x4ece;

Deno.test("RecentMessages.add() keeps a copy, with its time and number", async () => {
  const clock = new VirtualClock(5);
  const recent = new RecentMessages({ clock });
  const data = new Uint8Array([1, 2, 3]);
  const added = recent.add(7n, data);
  data.fill(0);
  await clock.advance(1);
  for (const message of [added, recent.get(7n)!, recent.at(0)!]) {
    assertEquals([message.nonce, message.atMs, message.sequence], [7n, 5, 0]);
    assertEquals(message.data, new Uint8Array([1, 2, 3]));
  }
  assertEquals([recent.size, recent.bytes, recent.oldest, recent.next], [1, 67, 0, 1]);
  assertEquals(recent.get(8n), undefined);
  assertEquals(recent.at(1), undefined);
});

Deno.test("RecentMessages.add() finds the message that is kept already", () => {
  const recent = new RecentMessages({ clock: new VirtualClock() });
  recent.add(1n, new Uint8Array([1]));
  recent.add(2n, new Uint8Array([2]));
  assertEquals(recent.add(1n, new Uint8Array([9])).data, new Uint8Array([1]));
  assertEquals([recent.size, recent.next], [2, 2]);
});

Deno.test("RecentMessages holds what the last bytesMax bytes hold, messages of any size", () => {
  const random = seededRandom(seed);
  const bytesMax = 300_000;
  // What is young is kept beyond the limit; here all is.
  const recent = new RecentMessages({ clock: new VirtualClock(), bytesMax: bytesMax / 4 });
  const held: { nonce: bigint; data: Uint8Array }[] = [];
  let bytes = 0;
  for (let i = 0; i < 20_000; i++) {
    const size = below(random, 200) === 0 ? below(random, 100_000) : below(random, 300);
    const message = { nonce: randomNonce(random), data: random.fill(new Uint8Array(size)) };
    recent.add(message.nonce, message.data);
    held.push(message);
    bytes += size + 64;
    while (bytes > bytesMax) bytes -= held.shift()!.data.length + 64;
    assertEquals([recent.bytes, recent.size], [bytes, held.length], `seed ${seed}, step ${i}`);
    assertEquals(recent.get(held[0].nonce)?.data, held[0].data);
  }
  const found = held.map((_, i) => recent.at(recent.oldest + i)!);
  assertEquals(found.map(({ nonce, data }) => ({ nonce, data })), held);
  assert(recent.bytes <= bytesMax);
});

Deno.test("RecentMessages does not find what is too old, and lets it go when the next comes", async () => {
  const clock = new VirtualClock();
  const recent = new RecentMessages({ clock, ageMsMax: 100 });
  const first = recent.add(1n, new Uint8Array([1]));
  await clock.advance(60);
  recent.add(2n, new Uint8Array([2]));
  await clock.advance(60);
  assertEquals(recent.get(1n), undefined);
  assertEquals(recent.at(0), undefined);
  assertEquals(recent.at(1)?.nonce, 2n);
  recent.add(3n, new Uint8Array());
  assertEquals([recent.size, recent.oldest, recent.bytes], [2, 1, 129]);
  // Its memory is another's by now.
  assertEquals(assertThrows(() => first.data, P2pError).code, "recent_forgotten");
  assertEquals(clock.pending, 0);
});

Deno.test("RecentMessages keeps one message larger than its limit until the next", () => {
  const recent = new RecentMessages({ clock: new VirtualClock(), bytesMax: 250 });
  recent.add(1n, new Uint8Array(10));
  recent.add(2n, new Uint8Array(5000));
  assertEquals([recent.get(1n), recent.get(2n)?.data.length], [undefined, 5000]);
  recent.add(3n, new Uint8Array(10));
  assertEquals([recent.get(2n), recent.size], [undefined, 1]);
});

Deno.test("RecentMessages keeps what is younger than a second until there is four times too much", async () => {
  const clock = new VirtualClock(10_000);
  const recent = new RecentMessages({ clock, bytesMax: 1000 });
  recent.add(1n, new Uint8Array(10));
  for (let nonce = 2n; nonce <= 4n; nonce++) recent.add(nonce, new Uint8Array(1000));
  assertEquals([recent.size, recent.bytes], [4, 3266]);
  recent.add(5n, new Uint8Array(900));
  assertEquals([recent.get(1n), recent.get(2n), recent.size], [undefined, undefined, 3]);
  await clock.advance(1000);
  recent.add(6n, new Uint8Array(10));
  assertEquals([recent.size, recent.bytes], [1, 74]);
});

Deno.test("RecentMessages keeps what is younger than two seconds likewise for five seconds after somebody lacked something", async () => {
  const clock = new VirtualClock(10_000);
  const recent = new RecentMessages({ clock, bytesMax: 1000 });
  const sizeAfter = async (ms: number) => {
    recent.add(BigInt(recent.next + 1), new Uint8Array(1000));
    await clock.advance(ms);
    recent.add(BigInt(recent.next + 1), new Uint8Array(10));
    return recent.size;
  };
  recent.needed();
  assertEquals(await sizeAfter(1999), 2);
  assertEquals(await sizeAfter(2000), 1);
  recent.needed();
  await clock.advance(4000);
  assertEquals(await sizeAfter(999), 2);
  assertEquals(await sizeAfter(1000), 1);
});

Deno.test("RecentMessages.endUpTo() and .nonces() tell a run that goes round the end of its places", () => {
  const clock = new VirtualClock();
  // 256 places, of which an evicted message leaves one: a run of 200 from number 200 on goes round.
  const recent = new RecentMessages({ clock, bytesMax: 50 * (64 + 10) });
  for (let nonce = 1n; nonce <= 400n; nonce++) recent.add(nonce, new Uint8Array(10));
  assertEquals([recent.oldest, recent.next], [200, 400]);
  const packed = (from: number) => packNonces(Array.from({ length: 400 - from }, (_, i) => BigInt(from + i + 1)));
  assertEquals(recent.endUpTo(0, clock.now()), 400);
  assertEquals(recent.nonces(200, 400), packed(200));
  assertEquals(recent.nonces(250, 400), packed(250));
  assertEquals([recent.endUpTo(0, clock.now() - 1), recent.endUpTo(300, clock.now() - 1)], [200, 300]);
});
