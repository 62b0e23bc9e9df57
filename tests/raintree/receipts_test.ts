import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import { type Address, addressToBytes } from "../../src/identity/address.ts";
import type { Receipt } from "../../src/raintree/control_message.ts";
import { receiptText, signReceipt } from "../../src/raintree/receipt_signatures.ts";
import { type ReceiptOutcome, Receipts } from "../../src/raintree/receipts.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { addresses } from "./networks.ts";
import { type Behaviour, keys, NONCE, PAYLOAD, ReceiptNetwork, splinters } from "./receipt_network.ts";

const AMPLE_MS = 20_000;

Deno.test("Receipts confirm everybody with N-1 receipts when nothing goes wrong, for every N to 100", async () => {
  for (let n = 1; n <= 100; n++) {
    const peers = addresses(n, n);
    const network = new ReceiptNetwork(peers);
    const { reached, missing, elapsedMs } = await network.broadcast(peers[0], 2000);
    assertEquals([reached, missing], [n - 1, []], `N = ${n}`);
    assertEquals(network.receipts, n - 1);
    assert(elapsedMs <= 2 * 50 * Math.ceil(Math.log(n) / Math.log(3) + 1e-9), `${elapsedMs} ms for ${n}`);
    network.close();
    assertEquals([network.clock.pending, network.blamed], [0, []]);
  }
});

Deno.test("Receipts name exactly the dead, whoever they are", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 100 }),
      fc.nat(),
      fc.double({ min: 0, max: 1 }),
      async (n, seed, share) => {
        const random = seededRandom(seed);
        const peers = addresses(n, seed % 1000);
        const behaviours = new Map<Address, Behaviour>();
        for (const peer of peers.slice(1)) if (random.next() < share) behaviours.set(peer, { dead: true });
        const network = new ReceiptNetwork(peers, behaviours);
        // Up to 99 silences in a row, 250 ms each.
        const { reached, missing } = await network.broadcast(peers[0], 60_000);
        assertEquals([...missing].sort(), [...behaviours.keys()].sort());
        assertEquals(reached, n - 1 - behaviours.size);
        assertEquals(network.received.size, n - behaviours.size);
        network.close();
        assertEquals(network.blamed, []);
      },
    ),
    { seed: 42, numRuns: 60 },
  );
});

Deno.test("Receipts claim nobody who was not reached, miss nobody who answers in time, and keep the deadline", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 100 }),
      fc.nat(),
      fc.constantFrom(0, 30, 100, 400, 1000, 3000, AMPLE_MS),
      async (n, seed, deadlineMs) => {
        const random = seededRandom(seed);
        const peers = addresses(n, seed % 1000);
        const behaviours = new Map<Address, Behaviour>();
        for (const peer of peers.slice(1)) {
          const draw = random.next();
          if (draw < 0.2) behaviours.set(peer, { dead: true });
          else if (draw < 0.4) behaviours.set(peer, { lateMs: below(random, 1500) });
          else if (draw < 0.5) behaviours.set(peer, { lies: () => undefined });
        }
        const network = new ReceiptNetwork(peers, behaviours);
        const { reached, missing, elapsedMs } = await network.broadcast(peers[0], deadlineMs);
        assert(elapsedMs <= deadlineMs, `${elapsedMs} of ${deadlineMs} ms`);
        assertEquals(reached + missing.length, n - 1);
        assertEquals(new Set(missing).size, missing.length);
        const named = new Set(missing);
        for (const peer of peers.slice(1)) assert(named.has(peer) || network.received.has(peer), `${peer} was claimed`);
        for (const [peer, { dead }] of behaviours) if (dead) assert(named.has(peer));
        network.close();
        assertEquals(network.blamed, []);
      },
    ),
    { seed: 43, numRuns: 100 },
  );
});

Deno.test("Receipts name exactly the dead, however late the others are, where the deadline is ample", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = seededRandom(seed);
    const peers = addresses(2 + below(random, 99), seed);
    const behaviours = new Map<Address, Behaviour>();
    const dead: Address[] = [];
    for (const peer of peers.slice(1)) {
      const draw = random.next();
      if (draw < 0.2) {
        behaviours.set(peer, { dead: true });
        dead.push(peer);
      } else if (draw < 0.5) behaviours.set(peer, { lateMs: below(random, 1500) });
    }
    const network = new ReceiptNetwork(peers, behaviours);
    const { missing } = await network.broadcast(peers[0], 60_000);
    assertEquals([...missing].sort(), dead.sort(), `seed ${seed}`);
    network.close();
    assertEquals(network.blamed, []);
  }
});

Deno.test("Receipts answer both parents of a node that was handed over to twice", async () => {
  // The first child is late: its segment goes to the next, and both pass it on.
  const peers = Ring.of(addresses(27, 3));
  const behaviours = new Map([[peers.at(0, 9), { lateMs: 200 }]]);
  const network = new ReceiptNetwork([...peers], behaviours);
  const { missing } = await network.broadcast(peers.at(0), AMPLE_MS);
  assertEquals(missing, []);
  assert(network.receipts > 26);
  network.close();
  assertEquals(network.blamed, []);
});

Deno.test("Receipts let a liar speak for its own segment only", async () => {
  const ring = Ring.of(addresses(81, 5));
  const liar = ring.at(0, 27);
  const others = [...ring].filter((_, i) => i > 0 && (i < 27 || i >= 54));
  // Whoever lies is the head of 27: it hoards, and claims that all is well.
  const sweet = new ReceiptNetwork([...ring], new Map([[liar, { hoards: true, lies: claimAll }]]));
  assertEquals((await sweet.broadcast(ring.at(0), 2000)).missing, []);
  assertEquals(sweet.received.size, 81 - 26);
  sweet.close();
  // It names its whole segment, and gets away with it.
  const whole = (receipt: Receipt) => ({ ...receipt, missing: [{ from: ring.bytesAt(27), until: ring.bytesAt(54) }] });
  const bitter = new ReceiptNetwork([...ring], new Map([[liar, { lies: whole }]]));
  assertEquals((await bitter.broadcast(ring.at(0), 2000)).reached, others.length);
  bitter.close();
  // It names somebody else's: not counted, and the segment is missing at the deadline. Who stands before it was never its own; who stands behind may have been, by an earlier question.
  for (const [from, until, isLie] of [[26, 54, 1], [27, 55, 0], [60, 70, 0], [54, 27, 1], [30, 30, 1], [0, 81, 1]]) {
    const lies = (receipt: Receipt) => ({
      ...receipt,
      missing: [{ from: ring.bytesAt(from), until: ring.bytesAt(until % 81) }],
    });
    const network = new ReceiptNetwork([...ring], new Map([[liar, { lies }]]));
    const { reached, missing, elapsedMs } = await network.broadcast(ring.at(0), 2000);
    assertEquals([reached, missing.length, elapsedMs], [others.length, 27, 2000]);
    assertEquals(network.blamed, isLie ? [[ring.at(0), liar, "receipt_bad_range"]] : []);
    network.close();
  }
});

function claimAll(receipt: Receipt): Receipt {
  return { ...receipt, missing: [] };
}

/** One node, whose sink is a list. */
function single(options: Partial<ConstructorParameters<typeof Receipts>[0]> = {}) {
  const clock = new VirtualClock();
  const sent: [Address, Receipt][] = [];
  const blamed: [Address, string][] = [];
  const receipts = new Receipts({
    clock,
    sink: { receipt: (to, receipt) => sent.push([to, receipt]) },
    roundTripMs: () => 100,
    isDead: () => false,
    onMisbehaviour: (from, error) => blamed.push([from, (error as P2pError).code]),
    network: "test",
    ...options,
  });
  return { clock, sent, blamed, receipts };
}

const ring = Ring.of(addresses(9, 8));
const plain = (missing: Receipt["missing"] = []): Receipt => ({ nonce: NONCE, missing, signatures: [] });

Deno.test("Receipts ignore what is late or repeated, and refuse what nobody could have to say", async () => {
  const { clock, blamed, receipts } = single();
  const outcomes: ReceiptOutcome[] = [];
  receipts.confirmed(ring.at(3), plain());
  assertEquals(blamed, []);
  const onDone = (outcome: ReceiptOutcome) => outcomes.push(outcome);
  receipts.begin(NONCE, { parent: undefined, budgetMs: 1000, ring, index: 0, until: ring.bytesAt(0), onDone });
  receipts.handedOver(NONCE, ring.at(3), ring.bytesAt(6));
  receipts.handedOver(NONCE, ring.at(6), ring.bytesAt(0));
  receipts.handedOver(NONCE, ring.at(1), ring.bytesAt(2));
  receipts.handedOver(NONCE, ring.at(2), ring.bytesAt(3));
  receipts.served(NONCE);
  receipts.confirmed(ring.at(4), plain());
  receipts.confirmed(ring.at(3), plain(splinters(ring.bytesAt(3), 15)));
  assertEquals(blamed, []);
  const twice = Array.from({ length: 2 }, () => ({ from: ring.bytesAt(3), until: ring.bytesAt(4) }));
  receipts.confirmed(ring.at(3), plain(twice));
  assertEquals(blamed, [[ring.at(3), "receipt_bad_range"]]);
  receipts.confirmed(ring.at(3), plain([{ from: ring.bytesAt(4), until: ring.bytesAt(5) }]));
  receipts.confirmed(ring.at(3), plain());
  receipts.confirmed(ring.at(6), plain([{ from: ring.bytesAt(8), until: ring.bytesAt(0) }]));
  receipts.confirmed(ring.at(1), plain());
  assertEquals(outcomes, []);
  await clock.advance(1000);
  assertEquals(outcomes, [{ reached: 5, missing: [ring.at(2), ring.at(4), ring.at(8)], elapsedMs: 1000 }]);
  assertEquals([blamed.length, receipts.size, clock.pending], [1, 0, 0]);
});

Deno.test("Receipts give a child less time than there is, and none when nobody waits", async () => {
  const { clock, receipts } = single({ roundTripMs: (peer) => peer === ring.at(1) ? 400 : 20 });
  assertEquals(receipts.childBudgetMs(NONCE, ring.at(1), 1), 0);
  const duty = { parent: ring.at(8), budgetMs: 2000, ring, index: 0, until: ring.bytesAt(3) };
  receipts.begin(NONCE, duty);
  receipts.handedOver(NONCE, ring.at(1), ring.bytesAt(2));
  receipts.served(NONCE);
  assertEquals([1, 2].map((at) => receipts.childBudgetMs(NONCE, ring.at(at), 9)), [1360, 1800]);
  // Too little for the way there and back at every level: each has as much as the next.
  assertEquals([3, 27, 2187].map((size) => receipts.childBudgetMs(NONCE, ring.at(1), size)), [1360, 1500, 1750]);
  await clock.advance(1990);
  assertEquals([1, 3].map((size) => receipts.childBudgetMs(NONCE, ring.at(1), size)), [1, 5]);
  await clock.advance(10);
  assertEquals(receipts.childBudgetMs(NONCE, ring.at(1), 3), 0);
  receipts.close();
});

Deno.test("Receipts answer a parent once, and once more where it hands over more", () => {
  const { sent, receipts } = single();
  const duty = (until: number) => ({ parent: ring.at(8), budgetMs: 1000, ring, index: 0, until: ring.bytesAt(until) });
  for (const until of [2, 2, 1, 4, 4, 5, 6]) {
    receipts.begin(NONCE, duty(until));
    receipts.served(NONCE);
  }
  assertEquals(sent.map(([to, { missing }]) => [to, missing]), [
    [ring.at(8), [{ from: ring.bytesAt(1), until: ring.bytesAt(2) }]],
    [ring.at(8), [{ from: ring.bytesAt(1), until: ring.bytesAt(4) }]],
  ]);
  receipts.close();
});

Deno.test("Receipts remember no more than they may: the oldest is answered with what there is", async () => {
  const { clock, sent, receipts } = single({ openMax: 3, budgetMsMax: 5000 });
  const outcomes: ReceiptOutcome[] = [];
  const onDone = (outcome: ReceiptOutcome) => outcomes.push(outcome);
  receipts.begin(1000n, { parent: undefined, budgetMs: 9000, ring, index: 0, until: ring.bytesAt(0), onDone });
  for (let nonce = 1n; nonce <= 5n; nonce++) {
    receipts.begin(nonce, { parent: ring.at(8), budgetMs: 2 ** 31, ring, index: 0, until: ring.bytesAt(2) });
    receipts.handedOver(nonce, ring.at(1), ring.bytesAt(2));
    receipts.served(nonce);
  }
  // Others do not push out what is this node's own.
  assertEquals([receipts.size, sent.map(([, { nonce }]) => nonce), outcomes], [4, [1n, 2n], []]);
  await clock.advance(5000);
  assertEquals(sent.length, 5);
  await clock.advance(5000);
  assertEquals([receipts.size, clock.pending, outcomes.length], [0, 0, 1]);
});

Deno.test("Receipts answer the application when they close, and do nothing after", () => {
  const { clock, sent, receipts } = single();
  const outcomes: ReceiptOutcome[] = [];
  const onDone = (outcome: ReceiptOutcome) => outcomes.push(outcome);
  const duty = { parent: undefined, budgetMs: 1000, ring, index: 0, until: ring.bytesAt(0), onDone };
  receipts.begin(NONCE, duty);
  assertEquals(assertThrows(() => receipts.begin(NONCE, duty), P2pError).code, "receipt_nonce_in_use");
  receipts.begin(5n, { parent: ring.at(8), budgetMs: 1000, ring, index: 0, until: ring.bytesAt(2) });
  receipts.close();
  receipts.close();
  assertEquals([outcomes.length, outcomes[0].missing.length, sent.length, clock.pending], [1, 8, 0, 0]);
  receipts.begin(6n, duty);
  assertEquals([receipts.size, clock.pending], [0, 0]);
});

Deno.test("Receipts with signatures count exactly who signed", async () => {
  for (const n of [1, 2, 3, 9, 27, 60, 100]) {
    const peers = keys(n);
    const dead = peers.filter((_, i) => i % 7 === 3).map(({ address }) => address);
    const network = new ReceiptNetwork(peers, new Map(dead.map((peer) => [peer, { dead: true }])));
    const { reached, missing } = await network.broadcast(peers[0].address, AMPLE_MS, true);
    assertEquals([reached, [...missing].sort()], [n - 1 - dead.length, [...dead].sort()]);
    network.close();
    assertEquals([network.blamed, network.clock.pending], [[], 0]);
  }
});

Deno.test("Receipts with signatures do not believe a node between that hoards, forges or withholds", async () => {
  const all = keys(27);
  const byAddress = new Map(all.map((key) => [key.address, key]));
  const ring = Ring.of(byAddress.keys());
  const home = ring.at(0);
  const liar = byAddress.get(ring.at(9))!;
  const text = receiptText("test", NONCE, PAYLOAD);
  const segment = Array.from({ length: 9 }, (_, i) => ring.at(9 + i));
  const forge = (address: Address) => {
    const signature = signReceipt(byAddress.get(address)!, text);
    signature[95] ^= 1;
    return signature;
  };
  const run = async (behaviour: Behaviour) => {
    const network = new ReceiptNetwork(all, new Map([[liar.address, behaviour]]));
    const { missing } = await network.broadcast(home, 3000, true);
    network.close();
    return { missing, blamed: network.blamed };
  };
  // Hoards: all it can prove is itself, whatever it claims.
  assertEquals((await run({ hoards: true, lies: claimAll })).missing, segment.slice(1));
  const forged = segment.slice(1).map(forge);
  const forges = (receipt: Receipt) => ({ ...receipt, missing: [], signatures: [...receipt.signatures, ...forged] });
  assertEquals((await run({ hoards: true, lies: forges })).missing, segment.slice(1));
  // Forgeries beside the real ones do no harm; a signature for another broadcast or network is none.
  assertEquals((await run({ lies: forges })).missing, []);
  for (
    const other of [
      receiptText("test", 78n, PAYLOAD),
      receiptText("tes", NONCE, PAYLOAD),
      receiptText("test", NONCE, text),
    ]
  ) {
    const signatures = [signReceipt(liar, other)];
    assertEquals((await run({ lies: (receipt) => ({ ...receipt, signatures }) })).missing, segment);
  }
  // Withholds: that it can do, for its own segment.
  assertEquals((await run({ lies: (receipt) => ({ ...receipt, signatures: [] }) })).missing, segment);
  // Signatures of nodes elsewhere, or far too many: not counted.
  for (const [position, blamed] of [[8, [[home, liar.address, "receipt_foreign_signature"]]], [20, []]] as const) {
    const foreign = [signReceipt(byAddress.get(ring.at(position))!, text)];
    const refused = await run({ lies: (receipt) => ({ ...receipt, signatures: foreign }) });
    assertEquals([refused.missing, refused.blamed], [segment, blamed]);
  }
  const many = new Array<Uint8Array>(27).fill(forged[0]);
  const flooded = await run({ lies: (receipt) => ({ ...receipt, signatures: many }) });
  assertEquals([flooded.missing, flooded.blamed], [segment, []]);
});

Deno.test("Receipts pass on the signatures of those behind a node that does not vouch for itself", () => {
  const all = keys(9);
  const byAddress = new Map(all.map((key) => [key.address, key]));
  const ring = Ring.of(byAddress.keys());
  const { sent, receipts } = single({ key: byAddress.get(ring.at(0)) });
  const theirs = signReceipt(byAddress.get(ring.at(1))!, receiptText("test", NONCE, PAYLOAD));
  const ask = (parent: number, unsure?: "self" | "segment") => {
    const until = ring.bytesAt(3);
    receipts.begin(NONCE, {
      parent: ring.at(parent),
      budgetMs: 1000,
      signedPayload: PAYLOAD,
      unsure,
      ring,
      index: 0,
      until,
    });
    receipts.handedOver(NONCE, ring.at(1), ring.bytesAt(2));
    receipts.handedOver(NONCE, ring.at(2), ring.bytesAt(3));
    receipts.served(NONCE);
  };
  ask(8, "segment");
  ask(7, "self");
  receipts.confirmed(ring.at(1), { ...plain(), signatures: [theirs] });
  assertEquals(sent, []);
  receipts.confirmed(ring.at(2), plain([{ from: ring.bytesAt(2), until: ring.bytesAt(3) }]));
  const range = (from: number, until: number) => ({ from: ring.bytesAt(from), until: ring.bytesAt(until) });
  assertEquals(sent.map(([to, { missing, signatures }]) => [to, missing, signatures]), [
    [ring.at(8), [range(0, 3)], [theirs]],
    [ring.at(7), [range(0, 1), range(2, 3)], [theirs]],
  ]);
  receipts.close();
});

Deno.test("Receipts with signatures refuse too large a ring: an error for the sender, silence for a parent", () => {
  const [key] = keys(1);
  const { sent, receipts, clock } = single({ signedRingMax: 8, key });
  const duty = { budgetMs: 1000, ring, index: 0, until: ring.bytesAt(1), signedPayload: PAYLOAD };
  assertEquals(
    assertThrows(() => receipts.begin(NONCE, { ...duty, parent: undefined }), P2pError).code,
    "receipt_ring_too_large",
  );
  receipts.begin(NONCE, { ...duty, parent: ring.at(8) });
  receipts.served(NONCE);
  assertEquals([receipts.size, sent, clock.pending], [0, [], 0]);
});

Deno.test("Receipts with signatures verify no more than a batch in one turn, and keep the deadline", async () => {
  const all = keys(100);
  const peers = Ring.of(all.map(({ address }) => address));
  const home = peers.at(0);
  const text = receiptText("test", NONCE, PAYLOAD);
  const signatures = all.filter(({ address }) => address !== home).map((key) => signReceipt(key, text));
  const { clock, receipts } = single();
  const outcomes: ReceiptOutcome[] = [];
  const onDone = (outcome: ReceiptOutcome) => outcomes.push(outcome);
  const until = addressToBytes(home);
  receipts.begin(NONCE, {
    parent: undefined,
    budgetMs: 10,
    ring: peers,
    index: 0,
    until,
    signedPayload: PAYLOAD,
    onDone,
  });
  receipts.handedOver(NONCE, peers.at(1), until);
  receipts.served(NONCE);
  await clock.advance(9);
  receipts.confirmed(peers.at(1), { nonce: NONCE, missing: [], signatures });
  let turns = 0;
  await clock.runUntil(() => outcomes.length > 0 || turns++ > 100, 10);
  assertEquals(turns, 2);
  assertEquals(outcomes, [{ reached: 99, missing: [], elapsedMs: 9 }]);
  assertEquals([clock.pending, receipts.size], [0, 0]);
});
