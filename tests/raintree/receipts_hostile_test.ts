import { assertEquals } from "@std/assert";
import { addressOf, addressToBytes } from "../../src/identity/address.ts";
import type { Receipt } from "../../src/raintree/control_message.ts";
import { signReceipt } from "../../src/raintree/receipt_signatures.ts";
import { Receipts } from "../../src/raintree/receipts.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { addresses } from "./networks.ts";
import { keys, PAYLOAD, ReceiptNetwork, splinters } from "./receipt_network.ts";

Deno.test("Receipts of children that say as much as they may do not make an honest parent say too much", async () => {
  for (const signed of [false, true]) {
    const all = keys(27);
    const ring = Ring.of(all.map(({ address }) => address));
    // Both children of the head of 3 at position 12.
    const behaviours = new Map([13, 14].map((position) => {
      const address = ring.at(position);
      const own = all.find((key) => key.address === address)!;
      const signatures = signed
        ? Array.from({ length: 10 }, (_, i) => Uint8Array.from([...own.publicKey, ...new Uint8Array(64).fill(i)]))
        : [];
      const lies = (receipt: Receipt) => ({ ...receipt, missing: splinters(addressToBytes(address), 10), signatures });
      return [address, { lies }];
    }));
    const network = new ReceiptNetwork(all, behaviours);
    const { missing } = await network.broadcast(ring.at(0), 5000, signed);
    assertEquals(network.blamed, []);
    assertEquals([...missing].sort(), [ring.at(13), ring.at(14)]);
    network.close();
  }
});

Deno.test("Receipts that are answered make room first: strangers who ask for one each push out nobody who waits", () => {
  const [key, ...others] = keys(9);
  const ring = Ring.of([key, ...others].map(({ address }) => address));
  const index = ring.indexOf(key.address);
  const told: string[] = [];
  const receipts = new Receipts({
    clock: new VirtualClock(),
    sink: { receipt: (to, { nonce }) => told.push(`${to} ${nonce}`) },
    roundTripMs: () => 50,
    isDead: () => false,
    onMisbehaviour: () => {},
    network: "test",
    openMax: 8,
  });
  const parent = ring.at(index, 4);
  const begin = (nonce: bigint, parent: string, until: number) =>
    receipts.begin(nonce, { parent, budgetMs: 1000, ring, index, until: ring.bytesAt(ring.indexAt(index, until)) });
  // Two that wait for a child, among many of whom each is answered at once.
  for (const nonce of [1n, 2n]) {
    begin(nonce, parent, 2);
    receipts.handedOver(nonce, ring.at(index, 1), ring.bytesAt(ring.indexAt(index, 2)));
    receipts.served(nonce);
  }
  for (let i = 0; i < 20; i++) {
    begin(BigInt(100 + i), `stranger ${i}`, 1);
    receipts.served(BigInt(100 + i));
  }
  assertEquals(told.filter((each) => each.startsWith(parent)), []);
  for (const nonce of [1n, 2n]) receipts.confirmed(ring.at(index, 1), { nonce, missing: [], signatures: [] });
  assertEquals(told.filter((each) => each.startsWith(parent)), [`${parent} 1`, `${parent} 2`]);
  receipts.close();
});

Deno.test("Receipts that one peer asks for do not push out what others wait for", async () => {
  const clock = new VirtualClock();
  const ring = Ring.of(addresses(27, 1));
  const [parent, flooder] = [ring.at(0), ring.at(8)];
  const told: string[] = [];
  const receipts = new Receipts({
    clock,
    sink: { receipt: (to, { nonce }) => told.push(`${to} ${nonce}`) },
    roundTripMs: () => 50,
    isDead: () => false,
    onMisbehaviour: () => {},
    network: "test",
  });
  const begin = (nonce: bigint, from: string) => {
    const duty = { parent: from, budgetMs: 5000, ring, index: 9, until: ring.bytesAt(18) };
    receipts.begin(nonce, duty);
    receipts.handedOver(nonce, ring.at(12), ring.bytesAt(18));
    receipts.served(nonce);
  };
  for (let nonce = 1n; nonce <= 10n; nonce++) begin(nonce, parent);
  for (let nonce = 1000n; nonce < 3000n; nonce++) begin(nonce, flooder);
  assertEquals([receipts.size, told.filter((each) => each.startsWith(parent))], [256, []]);
  for (let nonce = 1n; nonce <= 10n; nonce++) {
    receipts.confirmed(ring.at(12), { nonce, missing: [], signatures: [] });
  }
  await clock.advance(6000);
  assertEquals(told.filter((each) => each.startsWith(parent)).length, 10);
  receipts.close();
  assertEquals(clock.pending, 0);
});

Deno.test("Receipts sign for one parent no more than it may ask for, and for the others as before", async () => {
  const clock = new VirtualClock();
  const [key, ...others] = keys(9);
  const ring = Ring.of([key, ...others].map(({ address }) => address));
  const index = ring.indexOf(key.address);
  const signed = new Map<string, number>();
  const receipts = new Receipts({
    clock,
    sink: { receipt: (to, { signatures }) => signed.set(to, (signed.get(to) ?? 0) + signatures.length) },
    roundTripMs: () => 50,
    isDead: () => false,
    onMisbehaviour: () => {},
    network: "test",
    key,
  });
  const ask = (nonce: bigint, parent: string) => {
    const until = ring.bytesAt(ring.indexAt(index, 1));
    receipts.begin(nonce, { parent, budgetMs: 1000, signedPayload: new Uint8Array(9), ring, index, until });
    receipts.served(nonce);
  };
  const [flooder, parent] = [ring.at(index, 3), ring.at(index, 4)];
  for (let nonce = 1n; nonce <= 1000n; nonce++) ask(nonce, flooder);
  ask(5000n, parent);
  assertEquals([signed.get(flooder), signed.get(parent)], [256, 1]);
  await clock.advance(1000);
  for (let nonce = 2001n; nonce <= 3000n; nonce++) ask(nonce, flooder);
  assertEquals(signed.get(flooder), 256 + 64);
  receipts.close();
  assertEquals(clock.pending, 0);
});

Deno.test("Receipts do not blame who answers an earlier question that this node was made to forget", async () => {
  const all = keys(27);
  const ring = Ring.of(all.map(({ address }) => address));
  const clock = new VirtualClock();
  const blamed: string[] = [];
  const told: Receipt[] = [];
  const receipts = new Receipts({
    clock,
    sink: { receipt: (_to, receipt) => told.push(receipt) },
    roundTripMs: () => 50,
    isDead: () => false,
    onMisbehaviour: (_from, error) => blamed.push(error.message),
    network: "test",
    openMax: 1,
  });
  const [liar, child] = [ring.at(26), ring.at(9)];
  const ask = (nonce: bigint, budgetMs: number, until?: number) => {
    receipts.begin(nonce, { parent: liar, budgetMs, signedPayload: PAYLOAD, ring, index: 0, until: ring.bytesAt(26) });
    if (until !== undefined) receipts.handedOver(nonce, child, ring.bytesAt(until));
    receipts.served(nonce);
  };
  const range = (from: number, until: number) => ({ from: ring.bytesAt(from), until: ring.bytesAt(until) });
  const vouch = (position: number) =>
    signReceipt(all.find((key) => key.address === ring.at(position))!, new Uint8Array());
  const signatures = Array.from({ length: 9 }, (_, i) => vouch(9 + i));
  const answers: Partial<Receipt>[] = [
    { missing: [range(10, 18)] },
    { missing: [range(12, 13), range(14, 15)] },
    { missing: splinters(ring.bytesAt(9), 20) },
    { signatures: signatures.slice(0, 2) },
    { signatures: [...signatures, ...signatures] },
  ];
  // Nobody is handed anything: the segment is served already. Asked before for 1 ms, which is over.
  ask(1n, 1, 18);
  await clock.advance(2);
  assertEquals(receipts.size, 0);
  for (const answer of answers) {
    ask(1n, 60_000);
    receipts.confirmed(child, { nonce: 1n, missing: [], signatures: [], ...answer });
  }
  // Handed less: what was served is forgotten too, as of what so many others came in the meantime.
  ask(2n, 60_000, 18);
  ask(3n, 60_000);
  ask(2n, 60_000, 10);
  told.length = 0;
  for (const answer of answers) receipts.confirmed(child, { nonce: 2n, missing: [], signatures: [], ...answer });
  assertEquals([blamed, told], [[], []]);
  // Nor do these take the place of the answer to what it was handed.
  receipts.confirmed(child, { nonce: 2n, missing: [], signatures: signatures.slice(0, 1) });
  receipts.confirmed(child, { nonce: 2n, missing: [range(9, 10)], signatures: [] });
  await clock.advance(60_000);
  assertEquals(told.map(({ nonce, missing, signatures }) => [nonce, missing.length, signatures]), [
    [2n, 2, signatures.slice(0, 1)],
  ]);
  assertEquals(blamed, []);
  receipts.close();
});

Deno.test("Receipts hold 65,536 signatures of others in all, and whoever makes them hold more loses its own", () => {
  const size = 512;
  const keyOf = new Map(Array.from({ length: size }, (_, i) => {
    const key = new Uint8Array(32).fill(i % 256).fill(i >> 8, 0, 1);
    return [addressOf(key), key];
  }));
  const ring = Ring.of(keyOf.keys());
  const clock = new VirtualClock();
  const told: [to: string, nonce: bigint, missing: number, signatures: number][] = [];
  const receipts = new Receipts({
    clock,
    sink: {
      receipt: (to, { nonce, missing, signatures }) => told.push([to, nonce, missing.length, signatures.length]),
    },
    roundTripMs: () => 50,
    isDead: () => false,
    onMisbehaviour: (_from, error) => {
      throw error;
    },
    network: "test",
  });
  const [parent, flooder, until] = [ring.at(511), ring.at(500), ring.bytesAt(500)];
  const confirm = (nonce: bigint, first: number, end: number) => {
    const signatures = Array.from({ length: end - first }, (_, i) => {
      const signature = new Uint8Array(96);
      signature.set(keyOf.get(ring.at(first + i))!);
      new DataView(signature.buffer).setBigUint64(40, nonce);
      return signature;
    });
    receipts.confirmed(ring.at(first), { nonce, missing: [], signatures });
  };
  // One child of each confirms for 490, one for 9 is waited for.
  const begin = (nonce: bigint, parent: string) => {
    receipts.begin(nonce, { parent, budgetMs: 5000, signedPayload: PAYLOAD, ring, index: 0, until });
    receipts.handedOver(nonce, ring.at(1), ring.bytesAt(491));
    receipts.handedOver(nonce, ring.at(491), until);
    receipts.served(nonce);
    confirm(nonce, 1, 491);
  };
  for (let nonce = 1n; nonce <= 10n; nonce++) begin(nonce, parent);
  for (let nonce = 1000n; nonce < 1200n; nonce++) begin(nonce, flooder);
  // 133 times 490 are held, 10 of them for the parent; of the flooder the oldest is answered with what there is each time.
  assertEquals(receipts.size, 133);
  assertEquals(told, Array.from({ length: 77 }, (_, i) => [flooder, 1000n + BigInt(i), 1, 490]));
  told.length = 0;
  for (let nonce = 1n; nonce <= 10n; nonce++) confirm(nonce, 491, 500);
  assertEquals(told, Array.from({ length: 10 }, (_, i) => [parent, 1n + BigInt(i), 0, 499]));
  // Those are answered; but the flooder holds more than half, so its own make room.
  told.length = 0;
  for (let nonce = 2000n; nonce < 2010n; nonce++) begin(nonce, flooder);
  assertEquals(told.map(([to]) => to), new Array(10).fill(flooder));
  receipts.close();
  assertEquals(clock.pending, 0);
});

Deno.test("Receipts count ranges as they count signatures: a liar's splinters do not fill the memory", () => {
  const ring = Ring.of(addresses(512, 1));
  const told: string[] = [];
  const receipts = new Receipts({
    clock: new VirtualClock(),
    sink: { receipt: (to) => told.push(to) },
    roundTripMs: () => 50,
    isDead: () => false,
    onMisbehaviour: (_from, error) => {
      throw error;
    },
    network: "test",
    openMax: 1024,
  });
  const [flooder, until] = [ring.at(500), ring.bytesAt(500)];
  // Every second one is missing.
  const missing = Array.from(
    { length: 245 },
    (_, i) => ({ from: ring.bytesAt(2 * i + 2), until: ring.bytesAt(2 * i + 3) }),
  );
  for (let nonce = 1n; nonce <= 300n; nonce++) {
    receipts.begin(nonce, { parent: flooder, budgetMs: 5000, ring, index: 0, until });
    receipts.handedOver(nonce, ring.at(1), ring.bytesAt(491));
    receipts.handedOver(nonce, ring.at(491), until);
    receipts.served(nonce);
    receipts.confirmed(ring.at(1), { nonce, missing, signatures: [] });
  }
  assertEquals([receipts.size, told.length], [267, 33]);
  receipts.close();
});
