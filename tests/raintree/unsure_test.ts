import { assertEquals } from "@std/assert";
import type { Receipt } from "../../src/raintree/control_message.ts";
import { encodeEnvelope } from "../../src/raintree/envelope.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { receiptText, signReceipt } from "../../src/raintree/receipt_signatures.ts";
import { ReliableNetwork } from "./reliable_network.ts";

const NONCE = 5n;
const KEY = NodeKey.fromSeed(new Uint8Array(32).fill(3));
const [TRUE, FORGED] = ["true", "fake"].map((text) =>
  encodeEnvelope({ typeUrl: "test", value: new TextEncoder().encode(text), nonce: NONCE })
);

/** The node at 9, that is asked about a broadcast by others. */
function asked(options: ConstructorParameters<typeof ReliableNetwork>[1] = {}) {
  const network = new ReliableNetwork(27, { routers: [9], key: KEY, ...options });
  const { clock, ring } = network;
  const until = ring.bytesAt(12);
  /** The answer to one who hands over 9 to 11, the two others of whom confirm. */
  const answer = async (parent: number, data: Uint8Array | "duty", signed = false) => {
    const question = { until, seq: parent, receiptMs: 5000, signed };
    network.sent.length = 0;
    if (data === "duty") network.say(parent, 9, { duties: [{ nonce: NONCE, ...question }] });
    else network.play(parent, 9, { data, ...question });
    const missing: Receipt["missing"] = [];
    for (const child of [10, 11]) network.say(child, 9, { receipts: [{ nonce: NONCE, missing, signatures: [] }] });
    await clock.advance(100);
    const receipts = network.controls(9).filter(({ to }) => to === parent).flatMap(({ receipts }) => receipts);
    return receipts.map(({ missing, signatures }) => {
      const ranges = missing.map(({ from, until }) => [from, until].map((each) => ring.segmentSize(0, each)));
      return [ranges, signatures];
    });
  };
  return { network, clock, answer };
}

const SIGNED = [signReceipt(KEY, receiptText("test", NONCE, TRUE))];
const SELF = [[9, 10]];
const SEGMENT = [[9, 12]];

Deno.test("unsureOf() lets a node confirm what it has, however it came and whoever asks", async () => {
  for (const before of [undefined, { copy: true }, "leaf"] as const) {
    const { network, clock, answer } = asked();
    if (before === "leaf") network.play(3, 9, { data: TRUE, until: network.ring.bytesAt(10) });
    else if (before !== undefined) network.play(3, 9, { data: TRUE, ...before });
    assertEquals(await answer(0, TRUE), [[[], []]]);
    assertEquals(await answer(1, TRUE.slice(), true), [[[], SIGNED]]);
    assertEquals(await answer(2, "duty", true), [[[], SIGNED]]);
    await clock.advance(30_000);
    assertEquals(await answer(4, "duty", true), [[[[10, 12]], SIGNED]]);
    assertEquals(network.got.get(9), [NONCE]);
    await network.close();
    assertEquals(network.blamed, []);
  }
});

Deno.test("unsureOf() makes a node name itself as missing that may have got another payload in private, for good", async () => {
  for (const signed of [false, true]) {
    const { network, clock, answer } = asked();
    network.play(3, 9, { data: FORGED });
    assertEquals(await answer(0, TRUE, signed), [[SELF, []]]);
    // What is kept now is not what the application got.
    assertEquals(await answer(1, TRUE, signed), [[SELF, []]]);
    assertEquals(await answer(2, "duty", signed), [[SELF, []]]);
    await clock.advance(30_000);
    assertEquals(await answer(4, TRUE, signed), [[[[9, 10], [10, 12]], []]]);
    await network.close();
    assertEquals(network.blamed, []);
  }
});

Deno.test("unsureOf() makes a node name itself as missing too where the payload came before the question, but behind a private message", async () => {
  for (const how of [{ copy: true }, { until: 12 }]) {
    const { network, answer } = asked();
    const until = how.until === undefined ? undefined : network.ring.bytesAt(how.until);
    network.play(3, 9, { data: FORGED });
    network.play(4, 9, { data: TRUE, ...how, until });
    const missing = how.copy ? SELF : [[9, 10], [10, 12]];
    assertEquals(await answer(0, TRUE, true), [[missing, []]]);
    assertEquals(await answer(1, "duty"), [[missing, []]]);
    await network.close();
  }
});

Deno.test("unsureOf() makes a node name itself as missing that has forgotten what it got", async () => {
  const { network, clock, answer } = asked({ recentMs: 1000 });
  network.play(3, 9, { data: TRUE, copy: true });
  await clock.advance(1001);
  assertEquals(await answer(0, TRUE, true), [[SELF, []]]);
  await network.close();
});

Deno.test("unsureOf() makes a node claim nothing of its segment where it passes another payload on", async () => {
  for (const how of [{ copy: true }, { until: 12 }]) {
    const { network, answer } = asked();
    const until = how.until === undefined ? undefined : network.ring.bytesAt(how.until);
    network.play(3, 9, { data: FORGED, ...how, until });
    assertEquals(await answer(0, TRUE), [[SEGMENT, []]]);
    assertEquals(await answer(1, TRUE, true), [[SEGMENT, []]]);
    await network.close();
  }
});

Deno.test("unsureOf() has a node sign what it got, whatever it was asked about before", async () => {
  const { network, answer } = asked();
  network.play(3, 9, { data: TRUE, copy: true });
  assertEquals(await answer(0, FORGED, true), [[SEGMENT, []]]);
  assertEquals(await answer(1, TRUE, true), [[[], SIGNED]]);
  await network.close();
});
