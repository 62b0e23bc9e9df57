import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { P2pError, ProtocolError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import type { Channel } from "../../src/router/channel.ts";
import type { Content } from "../../src/module/bus.ts";
import { requestCodec, Requests } from "../../src/module/requests.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import { until, within } from "../transport/_nodes.ts";
import { ChannelNetwork } from "../router/_channel_network.ts";

type RequestMessage = ReturnType<typeof requestCodec.decode>;

function content(text: string): Content {
  return { typeUrl: "type.googleapis.com/shared.StringMessage", value: new TextEncoder().encode(text) };
}

function textOf({ value }: Content): string {
  return new TextDecoder().decode(value);
}

/** Two nodes with requests on the first one that time out after a second. */
async function requestPair() {
  const network = await ChannelNetwork.of(2);
  const channels = await network.open(requestCodec) as Channel<RequestMessage>[];
  const ask = new Requests(channels[0], network.clock, 1000);
  return { network, channels, ask, addresses: network.nodes.map(({ address }) => address) };
}

Deno.test("Requests.ask() resolves with the answer of the peer, each with its own", async () => {
  const { network, channels, ask, addresses } = await requestPair();
  await using _ = network;
  const answer = new Requests(channels[1], network.clock, 1000);
  answer.onRequest(async (asked, from) => {
    assertEquals(from, addresses[0]);
    // Answers come in another order than the requests.
    for (let i = textOf(asked).length; i < 5; i++) await settle();
    return content(`${textOf(asked)}!`);
  });
  const texts = ["a", "abcd", "abc", "", "ab"];
  const answers = await within("answers", Promise.all(texts.map((text) => ask.ask(addresses[1], content(text)))));
  assertEquals(answers.map(textOf), texts.map((text) => `${text}!`));
  assertEquals(answers[0].typeUrl, content("").typeUrl);
  assertEquals(ask.pending, 0);
  ask.close();
  answer.close();
});

Deno.test("Requests works both ways over one channel, with synchronous handlers too", async () => {
  const { network, channels, ask, addresses } = await requestPair();
  await using _ = network;
  const other = new Requests(channels[1], network.clock, 1000);
  ask.onRequest((asked) => content(`first: ${textOf(asked)}`));
  other.onRequest((asked) => content(`second: ${textOf(asked)}`));
  const both = Promise.all([ask.ask(addresses[1], content("x")), other.ask(addresses[0], content("y"))]);
  assertEquals((await within("answers", both)).map(textOf), ["second: x", "first: y"]);
  ask.close();
  other.close();
});

Deno.test("Requests.ask() times out, and the answer that comes later answers nothing", async () => {
  const { network, channels, ask, addresses } = await requestPair();
  await using _ = network;
  const asked: RequestMessage[] = [];
  channels[1].handle((message) => void asked.push(message));
  const [slow, own] = [
    ask.ask(addresses[1], content("slow")),
    ask.ask(addresses[1], content("own"), { timeoutMs: 300 }),
  ];
  let states = ["pending", "pending"];
  slow.catch((error) => states = [error.code, states[1]]);
  own.catch((error) => states = [states[0], error.code]);
  await network.clock.advance(299);
  assertEquals(states, ["pending", "pending"]);
  await network.clock.advance(51);
  assertEquals(states, ["pending", "request_timeout"]);
  await network.clock.advance(700);
  assertEquals([states, ask.pending], [["request_timeout", "request_timeout"], 0]);
  for (const { id } of asked) channels[1].trySend(addresses[0], { id, answer: true, error: "", ...content("late") });
  await settle();
  assertEquals([ask.pending, network.nodes[0].host.failures], [0, []]);
  await network.clock.advance(1000);
  assertEquals(network.clock.pending, 2, "one timer for each socket's pings, none for requests");
});

Deno.test("Requests.ask() takes an answer only from the one it asked", async () => {
  const network = await ChannelNetwork.of(3);
  await using _ = network;
  const channels = await network.open(requestCodec) as Channel<RequestMessage>[];
  const ask = new Requests(channels[0], network.clock, 1000);
  const [own, asked, liar] = network.nodes.map(({ address }) => address);
  let id = 0;
  channels[1].handle((message) => void (id = message.id));
  const answer = ask.ask(asked, content("x"));
  await until("the request", () => id !== 0);
  assert(liar !== asked);
  channels[2].trySend(own, { id, answer: true, error: "", ...content("lie") });
  await settle();
  assertEquals(ask.pending, 1);
  channels[1].trySend(own, { id, answer: true, error: "", ...content("truth") });
  channels[1].trySend(own, { id, answer: true, error: "", ...content("twice") });
  assertEquals(textOf(await within("answer", answer)), "truth");
  ask.close();
});

Deno.test("Requests answers with an error where there is no handler, where it throws, rejects, or says nothing", async () => {
  const { network, channels, ask, addresses } = await requestPair();
  await using _ = network;
  const answer = new Requests(channels[1], network.clock, 1000);
  const refused = async () => {
    const error = await assertRejects(() => within("answer", ask.ask(addresses[1], content("x"))), P2pError);
    assertEquals(error.code, "request_failed");
    return error.message.replace(addresses[1], "B");
  };
  assertEquals(await refused(), "Peer B answered: no handler for requests");
  answer.onRequest(() => {
    throw new Error("no such block");
  });
  assertEquals(await refused(), "Peer B answered: no such block");
  answer.onRequest(() => Promise.reject(new Error("later")));
  assertEquals(await refused(), "Peer B answered: later");
  answer.onRequest(() => Promise.reject(new TypeError()));
  assertEquals(await refused(), "Peer B answered: TypeError");
  answer.onRequest(() => ({ typeUrl: "", value: new Uint8Array(5 << 20) }));
  assertStringIncludes(await refused(), 'Message has 5242889 bytes, channel "texts" takes 4259840');
  answer.onRequest(undefined);
  assertEquals(await refused(), "Peer B answered: no handler for requests");
  ask.close();
  answer.close();
});

Deno.test("Requests refuses more than 1,024 requests or 16 MiB of one peer being answered at once, and serves the others", async () => {
  await using network = await ChannelNetwork.of(3, { receiveCapacity: 64 << 20 });
  const channels = await network.open(requestCodec) as Channel<RequestMessage>[];
  const [answer, greedy, modest] = channels.map((channel) => new Requests(channel, network.clock, 1000));
  const { address } = network.nodes[0];
  const large = { typeUrl: "", value: new Uint8Array(4 << 20) };
  for (const [asked, most] of [[content("x"), 1_024], [large, 4]] as const) {
    const gate = Promise.withResolvers<Content>();
    answer.onRequest(() => gate.promise);
    const asks: Promise<Content>[] = [];
    for (let i = 0; i <= most; i++) {
      asks.push(greedy.ask(address, asked));
      asks[i].catch(() => {}); // told below
      if (i % 500 === 0 || asked === large) await settle();
    }
    const error = await assertRejects(() => within("the refusal", asks[most]), P2pError, "too many requests under way");
    assertEquals(error.code, "request_failed");
    const other = modest.ask(address, content("y"));
    await settle();
    gate.resolve(content("done"));
    const answers = await within("answers", Promise.all([...asks.slice(0, most), other]));
    assert(answers.every((each) => textOf(each) === "done"));
    // There is room again.
    assertEquals(textOf(await within("one more", greedy.ask(address, asked))), "done");
  }
  for (const requests of [answer, greedy, modest]) requests.close();
});

Deno.test("Requests.ask() rejects with what the send fails with, and with the signal's reason", async () => {
  const { network, channels, ask, addresses } = await requestPair();
  await using _ = network;
  const unknown = await assertRejects(() => within("ask", ask.ask("00".repeat(20), content("x"))), P2pError);
  assertEquals([unknown.code, ask.pending], ["peer_unknown", 0]);
  const tooLarge = { typeUrl: "", value: new Uint8Array(5 << 20) };
  assertEquals((await assertRejects(() => ask.ask(addresses[1], tooLarge), P2pError)).code, "message_too_large");
  channels[1].handle(() => {});
  const controller = new AbortController();
  const asked = ask.ask(addresses[1], content("x"), { signal: controller.signal });
  const reason = new P2pError("stopped", "Enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => asked), reason);
  assertStrictEquals(
    await assertRejects(() => ask.ask(addresses[1], content("x"), { signal: controller.signal })),
    reason,
  );
  assertEquals(ask.pending, 0);
  ask.close();
});

Deno.test("Requests.close() rejects what is under way and what comes after it, and leaves no timer", async () => {
  const { network, channels, ask, addresses } = await requestPair();
  await using _ = network;
  channels[1].handle(() => {});
  const asked = [1, 2, 3].map(() => ask.ask(addresses[1], content("x")));
  const codes = Promise.all(asked.map((each) => each.then(() => "answered", (error) => error.code)));
  await settle();
  assertEquals(network.clock.pending, 3);
  ask.close();
  ask.close();
  assertEquals(await codes, ["requests_closed", "requests_closed", "requests_closed"]);
  assertEquals((await assertRejects(() => ask.ask(addresses[1], content("x")), P2pError)).code, "requests_closed");
  assertEquals([ask.pending, network.clock.pending], [0, 2]);
});

Deno.test("Requests goes on when the peer it answers is gone", async () => {
  const { network, channels, ask, addresses } = await requestPair();
  await using _ = network;
  const answer = new Requests(channels[1], network.clock, 1000);
  const gate = Promise.withResolvers<Content>();
  let requests = 0;
  answer.onRequest(() => {
    requests++;
    return gate.promise;
  });
  const asked = ask.ask(addresses[1], content("x"));
  asked.catch(() => {}); // told by its deadline, which this test does not wait for
  await until("the request", () => requests === 1);
  await network.disconnect(network.nodes[0], network.nodes[1]);
  gate.resolve(content("too late"));
  await settle();
  const { host } = network.nodes[1];
  assertEquals([host.failures, ask.pending], [[], 1]);
  // Where the asker said that it listens was only its word: nobody is dialled for an answer.
  assertEquals([host.connects, host.drops], [0, [[7, addresses[0], "not_connected"]]]);
  ask.close();
  answer.close();
});

Deno.test("requestCodec reads what it wrote, and reads or refuses random bytes with a typed error", () => {
  const message = fc.record({
    id: fc.integer({ min: 1, max: 0xffffffff }),
    answer: fc.boolean(),
    error: fc.string(),
    typeUrl: fc.string(),
    value: fc.uint8Array(),
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(message, (each) => assertEquals(requestCodec.decode(requestCodec.encode(each)), each)),
    { seed: 111 },
  );
  assertEquals(assertThrows(() => requestCodec.decode(new Uint8Array()), ProtocolError).code, "request_no_id");
  const random = seededRandom(112);
  for (let round = 0; round < 10_000; round++) {
    const bytes = random.fill(new Uint8Array(below(random, 40)));
    if (bytes.length > 0) bytes[0] = [8, 16, 26, 34, 42][below(random, 5)];
    try {
      assert(requestCodec.decode(bytes).id > 0);
    } catch (error) {
      assert(error instanceof ProtocolError, `seed 112, round ${round}: ${error}`);
    }
  }
});

Deno.test("Requests refuses where the handler answers with nothing, at once or later, and goes on", async () => {
  const { network, channels, ask, addresses } = await requestPair();
  await using _ = network;
  const answer = new Requests(channels[1], network.clock, 1000);
  const nothing = undefined as unknown as Content;
  for (const handler of [() => nothing, () => Promise.resolve(nothing)]) {
    answer.onRequest(handler);
    const error = await within("refused", assertRejects(() => ask.ask(addresses[1], content("x")), P2pError));
    assertEquals(error.code, "request_failed");
  }
  answer.onRequest((asked) => asked);
  assertEquals(textOf(await within("answer", ask.ask(addresses[1], content("again")))), "again");
  ask.close();
  answer.close();
});
