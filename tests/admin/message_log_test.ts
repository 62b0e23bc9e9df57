import { assertEquals } from "@std/assert";
import { MessageLog } from "../../src/admin/message_log.ts";
import { seededRandom } from "../../src/base/random.ts";
import { addressToBytes } from "../../src/identity/address.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { keysOf } from "../module/live_network.ts";

const addresses = keysOf(5).map(({ address }) => address);
const [self, second, third, fourth] = addresses;
const ring = Ring.of(addresses.slice(0, 4));
const data = new Uint8Array(100);

Deno.test("MessageLog tells how a message came and went, and keeps no view of what it was given", async () => {
  const clock = new VirtualClock();
  const log = new MessageLog({ clock });
  const until = addressToBytes(self);
  log.onArrival(7n, third, { level: 0, until, data });
  until.fill(0xff);
  await clock.advance(5);
  log.onArrival(7n, fourth, { level: 3, data });
  log.onArrival(7n, fourth, { level: 0, copy: true, data });
  log.onHandover(7n, second, { level: 0, until: addressToBytes(fourth) });
  log.onHandover(7n, addresses[4], { level: 0, until: addressToBytes(self) });
  const first = { at: "1970-01-01T00:00:00.000Z", atMs: 0 };
  const later = { at: "1970-01-01T00:00:00.005Z", atMs: 5 };
  assertEquals(log.view(7n, self, ring), {
    nonce: "7",
    origin: false,
    bytes: 100,
    firstAt: first.at,
    arrivals: [
      { ...first, kind: "segment", until: self, segment: 4, from: third },
      { ...later, kind: "level", level: 3, from: fourth },
      { ...later, kind: "copy", from: fourth },
    ],
    handovers: [
      { ...later, kind: "segment", until: fourth, segment: 2, to: second },
      { ...later, kind: "segment", until: self, segment: undefined, to: addresses[4] }, // not in the view
    ],
    omitted: 0,
  });
  assertEquals(log.view(8n, self, ring), undefined);
});

Deno.test("MessageLog knows what began here, and what was only sent", () => {
  const log = new MessageLog({ clock: new VirtualClock() });
  log.onArrival(1n, undefined, { level: 0, data });
  log.onHandover(2n, second, { level: 0 });
  const [began, sent] = [log.view(1n, self, ring)!, log.view(2n, self, ring)!];
  assertEquals([began.origin, began.arrivals[0].kind, began.arrivals[0].segment], [true, "origin", 4]);
  assertEquals([sent.origin, sent.bytes, sent.handovers[0].kind], [false, undefined, "direct"]);
});

Deno.test("MessageLog is bounded in messages and in hops of one message", () => {
  const log = new MessageLog({ clock: new VirtualClock(), messagesMax: 3, hopsMax: 2 });
  for (let nonce = 1n; nonce <= 5n; nonce++) {
    for (let i = 0; i < 5; i++) log.onArrival(nonce, second, { level: 1, data });
    for (let i = 0; i < 3; i++) log.onHandover(nonce, third, { level: 1 });
  }
  assertEquals(log.size, 3);
  assertEquals(log.view(2n, self, ring), undefined);
  const { arrivals, handovers, omitted } = log.view(3n, self, ring)!;
  assertEquals([arrivals.length, handovers.length, omitted], [2, 2, 4]);
});

Deno.test("MessageLog.page() tells each message that came once, in order, and goes on where it was", async () => {
  const clock = new VirtualClock();
  const log = new MessageLog({ clock });
  const since = "1970-01-01T00:00:00.000Z";
  assertEquals(log.page(0, 10), { since, next: 0, forgotten: 0, messages: [] });
  // A node hands its segment over before it notes the arrival; what only went out did not come.
  log.onHandover(1n, second, { level: 0 });
  log.onHandover(9n, second, { level: 0 });
  await clock.advance(3);
  log.onArrival(1n, third, { level: 0, data });
  log.onArrival(2n, undefined, { level: 0, data });
  log.onArrival(1n, fourth, { level: 0, copy: true, data });
  const [first, own] = [{ nonce: "1", atMs: 3, origin: false }, { nonce: "2", atMs: 3, origin: true }];
  assertEquals(log.page(0, 10), { since, next: 2, forgotten: 0, messages: [first, own] });
  assertEquals(log.page(0, 1), { since, next: 1, forgotten: 0, messages: [first] });
  assertEquals(log.page(1, 1), { since, next: 2, forgotten: 0, messages: [own] });
  log.onArrival(9n, third, { level: 0, data });
  assertEquals(log.page(2, 10).messages.map(({ nonce }) => nonce), ["9"]);
  // A place of another run.
  assertEquals(log.page(500, 10), { since, next: 3, forgotten: 0, messages: [] });
});

Deno.test("MessageLog.page() says how much it has forgotten", () => {
  const log = new MessageLog({ clock: new VirtualClock(), messagesMax: 3 });
  for (let nonce = 1n; nonce <= 5n; nonce++) log.onArrival(nonce, second, { level: 1, data });
  const { next, forgotten, messages } = log.page(1, 10);
  assertEquals([next, forgotten, messages.map(({ nonce }) => nonce)], [5, 1, ["3", "4", "5"]]);
  // One that only goes out pushes out the oldest that came.
  log.onHandover(6n, second, { level: 1 });
  const later = log.page(2, 10);
  assertEquals([later.forgotten, later.messages.map(({ nonce }) => nonce)], [1, ["4", "5"]]);
});

Deno.test("MessageLog is bounded in hops of all messages: what is old goes first, and the newest stays whole", () => {
  // 64 hops for four messages.
  const log = new MessageLog({ clock: new VirtualClock(), messagesMax: 4, hopsMax: 32 });
  log.onHandover(1n, third, { level: 1 });
  for (let nonce = 2n; nonce <= 4n; nonce++) {
    for (let i = 0; i < 40; i++) log.onArrival(nonce, second, { level: 1, data });
  }
  assertEquals([log.size, log.view(1n, self, ring), log.view(2n, self, ring)], [2, undefined, undefined]);
  const { arrivals, omitted } = log.view(4n, self, ring)!;
  assertEquals([arrivals.length, omitted], [32, 8]);
  assertEquals(log.page(0, 10), { ...log.page(1, 10), forgotten: 1 });
  assertEquals(log.page(0, 10).messages.map(({ nonce }) => nonce), ["3", "4"]);
});

Deno.test("MessageLog.page() tells what came once, also where there was no room for how", async () => {
  const clock = new VirtualClock();
  const log = new MessageLog({ clock, messagesMax: 4, hopsMax: 60 });
  for (let i = 0; i < 60; i++) log.onHandover(1n, third, { level: 1 });
  for (let nonce = 2n; nonce <= 3n; nonce++) {
    for (let i = 0; i < 30; i++) log.onArrival(nonce, second, { level: 1, data });
  }
  await clock.advance(5);
  // The oldest does not push out itself.
  for (let i = 0; i < 3; i++) log.onArrival(1n, second, { level: 1, data });
  assertEquals(log.page(0, 10).messages, [
    { nonce: "2", atMs: 0, origin: false },
    { nonce: "3", atMs: 0, origin: false },
    { nonce: "1", atMs: 0, origin: false },
  ]);
  assertEquals(log.counts.reached, 3);
  assertEquals(log.view(1n, self, ring)!.omitted, 3);
});

Deno.test("MessageLog tells the same as a list of all that happened, whatever it was told", () => {
  const random = seededRandom(5);
  const log = new MessageLog({ clock: new VirtualClock(), messagesMax: 7, hopsMax: 3 });
  const noted: { nonce: bigint; came: (string | undefined)[]; went: string[]; omitted: number }[] = [];
  for (let step = 0; step < 5_000; step++) {
    const nonce = BigInt(1 + Math.floor(random.next() * 12));
    let entry = noted.find((each) => each.nonce === nonce);
    if (entry === undefined) {
      noted.push(entry = { nonce, came: [], went: [], omitted: 0 });
      if (noted.length > 7) noted.shift();
    }
    const peer = addresses[Math.floor(random.next() * 5)];
    const isArrival = random.next() < 0.5;
    if (isArrival) log.onArrival(nonce, peer, { level: 1, data });
    else log.onHandover(nonce, peer, { level: 1 });
    const hops: (string | undefined)[] = isArrival ? entry.came : entry.went;
    if (hops.length < 3) hops.push(peer);
    else entry.omitted++;
    const all = Array.from({ length: 12 }, (_, i) => log.view(BigInt(i + 1), self, ring));
    const wanted = new Map(noted.map((each) => [String(each.nonce), each]));
    for (const view of all) {
      if (view === undefined) continue;
      const { came, went, omitted } = wanted.get(view.nonce)!;
      assertEquals([view.arrivals.map(({ from }) => from), view.handovers.map(({ to }) => to), view.omitted], [
        came,
        went,
        omitted,
      ]);
    }
    assertEquals(all.filter((view) => view !== undefined).length, noted.length);
    assertEquals(log.size, noted.length);
  }
});
