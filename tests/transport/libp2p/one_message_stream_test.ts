import { assert, assertEquals, assertRejects } from "@std/assert";
import { P2pError } from "../../../src/base/errors.ts";
import { VirtualClock } from "../../../src/sim/virtual_clock.ts";
import { handleMessages, sendMessage } from "../../../src/transport/libp2p/one_message_stream.ts";
import { host, listen, pattern, same } from "./_hosts.ts";

const PROTOCOL = "pokt/raintree/v1.0.0";

Deno.test("sendMessage() delivers messages of all sizes, many at once, to handleMessages()", async () => {
  await using a = host(1);
  await using b = host(2);
  const sizes = [0, 1, 1_000, 65_536, 4 << 20, ...Array.from({ length: 60 }, (_, i) => i * 500)];
  const wanted = new Map(sizes.map((size) => [size, pattern(size)]));
  const got: number[] = [];
  const all = Promise.withResolvers<void>();
  handleMessages(a, PROTOCOL, {}, (from, message) => {
    assertEquals(from.remote.address, b.address);
    assert(same(message, wanted.get(message.length)!));
    got.push(message.length);
    if (got.length === sizes.length) all.resolve();
  });
  const connection = await b.dial(listen(a));
  await Promise.all(sizes.map((size) => sendMessage(b, a.address, PROTOCOL, wanted.get(size)!)));
  await all.promise;
  assertEquals(got.toSorted((x, y) => x - y), sizes.toSorted((x, y) => x - y));
  while (connection.streamCount > 0) await connection.ping();
});

Deno.test("sendMessage() rejects when the remote does not serve the protocol, and when the peer is not connected", async () => {
  await using a = host(1);
  await using b = host(2);
  await b.dial(listen(a));
  const send = (peer: string) => assertRejects(() => sendMessage(b, peer, PROTOCOL, pattern(1000)), P2pError);
  assertEquals((await send(a.address)).code, "protocol_unsupported");
  assertEquals((await send(b.address)).code, "peer_not_connected");
});

Deno.test("sendMessage() gives up with its signal", async () => {
  await using a = host(1);
  await using b = host(2);
  a.handle(PROTOCOL, () => {}); // agrees, and reads nothing
  const connection = await b.dial(listen(a));
  const stop = new AbortController();
  const sending = sendMessage(b, connection, PROTOCOL, pattern(1 << 20), { signal: stop.signal });
  await connection.ping();
  stop.abort();
  assertEquals((await assertRejects(() => sending, P2pError)).code, "aborted");
  assertEquals(connection.streamCount, 0);
});

Deno.test("handleMessages() resets what is too long and goes on", async () => {
  await using a = host(1);
  await using b = host(2);
  const got = Promise.withResolvers<number>();
  handleMessages(a, PROTOCOL, { maxBytes: 300_000 }, (_, message) => got.resolve(message.length));
  const connection = await b.dial(listen(a));
  const error = await assertRejects(() => sendMessage(b, connection, PROTOCOL, pattern(2 << 20)), P2pError);
  assertEquals(error.code, "stream_reset");
  await sendMessage(b, connection, PROTOCOL, pattern(300_000));
  assertEquals(await got.promise, 300_000);
});

Deno.test("handleMessages() holds no more unfinished bytes than it may, for all streams together", async () => {
  await using a = host(1);
  await using b = host(2);
  handleMessages(a, PROTOCOL, { unfinishedBytesMax: 250_000 }, () => {});
  const connection = await b.dial(listen(a));
  const streams = [1, 2, 3].map(() => connection.newStream(PROTOCOL));
  for (const stream of streams) {
    await stream.write(pattern(100_000));
    await connection.ping(); // in this order, or the streams take turns
  }
  assertEquals((await assertRejects(() => streams[2].read(), P2pError)).code, "stream_reset");
  assertEquals(streams.slice(0, 2).map((stream) => stream.reason), [undefined, undefined]);
});

Deno.test("handleMessages() lets no peer take the room of the others, and gives it back", async () => {
  await using a = host(1);
  await using b = host(2);
  await using c = host(3);
  let got = 0;
  handleMessages(a, PROTOCOL, { maxBytes: 100_000, unfinishedBytesPerConnectionMax: 150_000 }, () => void got++);
  const address = listen(a);
  const greedy = await b.dial(address);
  const [first, second] = [greedy.newStream(PROTOCOL), greedy.newStream(PROTOCOL)];
  for (const stream of [first, second]) {
    await stream.write(pattern(100_000));
    await greedy.ping(); // in this order, or the streams take turns
  }
  assertEquals((await assertRejects(() => second.read(), P2pError)).code, "stream_reset");
  await c.dial(address);
  await sendMessage(c, a.address, PROTOCOL, pattern(100_000), { untilGone: true });
  assertEquals([got, first.reason], [1, undefined]);
  first.reset();
  await greedy.ping();
  for (let i = 0; i < 3; i++) await sendMessage(b, greedy, PROTOCOL, pattern(100_000), { untilGone: true });
  assertEquals(got, 4);
});

Deno.test("handleMessages() resets a message that does not end in time, and leaves no timer", async () => {
  const clock = new VirtualClock();
  await using a = host(1, { clock });
  await using b = host(2);
  handleMessages(a, PROTOCOL, { deadlineMs: 5_000 }, () => assert(false, "an unfinished message was delivered"));
  const connection = await b.dial(listen(a));
  const stream = connection.newStream(PROTOCOL);
  await stream.write(pattern(10));
  await stream.negotiated();
  const gone = assertRejects(() => stream.read(), P2pError);
  await clock.advance(4_999);
  await connection.ping();
  assertEquals(stream.reason, undefined);
  await clock.advance(2);
  assertEquals((await gone).code, "stream_reset");
  await connection.close();
  await a.close();
  assertEquals(clock.pending, 0);
});

Deno.test("handleMessages() keeps the stream until an asynchronous handler is done, and resets it if that fails", async () => {
  await using a = host(1);
  await using b = host(2);
  const release = Promise.withResolvers<void>();
  handleMessages(a, PROTOCOL, {}, (_, message) => message.length === 1 ? release.promise : Promise.reject("no"));
  const connection = await b.dial(listen(a));
  await sendMessage(b, connection, PROTOCOL, pattern(1));
  await sendMessage(b, connection, PROTOCOL, pattern(2));
  while (connection.streamCount > 1) await connection.ping();
  release.resolve();
  while (connection.streamCount > 0) await connection.ping();
});
