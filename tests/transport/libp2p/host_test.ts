import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { P2pError } from "../../../src/base/errors.ts";
import { Routines } from "../../../src/base/routines.ts";
import type { Libp2pStream } from "../../../src/transport/libp2p/libp2p_stream.ts";
import { VirtualClock } from "../../../src/sim/virtual_clock.ts";
import { StoppableProxy } from "../_stoppable_proxy.ts";
import { echo, host, listen, nextEvent, pattern, same, serveEcho } from "./_hosts.ts";

Deno.test("Libp2pHost.dial() proves both ends to each other", async () => {
  await using a = host(1);
  await using b = host(2);
  const opened = nextEvent(a, "opened");
  const connection = await b.dial(listen(a));
  const inbound = (await opened).connection;
  assertEquals([connection.remote.address, connection.remote.peerId], [a.address, a.peerId]);
  assertEquals([inbound.remote.address, inbound.remote.peerId], [b.address, b.peerId]);
  assertEquals([connection.direction, inbound.direction], ["outbound", "inbound"]);
  assertEquals(inbound.remoteEndpoint, connection.localEndpoint);
  assertStrictEquals(b.peer(a.address), connection);
  assertStrictEquals(b.peer(a.peerId), connection);
});

Deno.test("Libp2pHost echoes 1 byte to 8 MiB on many streams at once", async () => {
  await using a = host(1);
  await using b = host(2);
  serveEcho(a);
  const connection = await b.dial(listen(a));
  const sizes = [1, 2, 1_000, 65_519, 65_520, 262_144, 262_145, 1 << 20, 8 << 20];
  for (let i = 0; i < 40; i++) sizes.push(1 + i * 3_333);
  await Promise.all(sizes.map(async (size, i) => {
    const sent = pattern(size, i);
    assert(same(await echo(connection, sent), sent), `${size} bytes`);
  }));
  assertEquals(connection.streamCount, 0);
});

Deno.test("Libp2pHost runs one listening routine, and a read and a write routine per connection", async () => {
  const routines = new Routines();
  await using a = host(1, { routines });
  const peers = [2, 3, 4, 5, 6].map((seed) => host(seed));
  const address = listen(a);
  const opened = Promise.all(peers.map((peer) => peer.dial(address)));
  await opened;
  // The dialer may be done before the listener has read the last message.
  while (a.connections().length < 5) await nextEvent(a, "opened");
  assertEquals(routines.count, 11);
  assertEquals(routines.names().filter((name) => name.startsWith("read ")).length, 5);
  await Promise.all(peers.map((peer) => peer.close()));
  await a.close();
  assertEquals(routines.count, 0);
});

Deno.test("Libp2pHost.openStream() lets the remote choose among several protocols", async () => {
  await using a = host(1);
  await using b = host(2);
  serveEcho(a);
  const connection = await b.dial(listen(a));
  await using stream = await b.openStream(a.address, ["/newer/1.0.0", "/echo/1.0.0"]);
  assertEquals(stream.protocol, "/echo/1.0.0");
  const error = await assertRejects(() => connection.openStream(["/x", "/y"]), P2pError);
  assertEquals(error.code, "protocol_unsupported");
});

Deno.test("Libp2pHost.openStream() for one protocol costs no round trip and is reset if the remote does not serve it", async () => {
  await using a = host(1);
  await using b = host(2);
  const connection = await b.dial(listen(a));
  const stream = await connection.openStream("/nobody/1.0.0");
  await stream.write(pattern(100_000));
  stream.closeWrite();
  const error = await assertRejects(() => stream.read(), P2pError);
  assertEquals(error.code, "protocol_unsupported");
  assertEquals((await assertRejects(() => stream.write(pattern(1)), P2pError)).code, "protocol_unsupported");
  assertStrictEquals(connection.open, true);
});

Deno.test("Libp2pHost.openStream() dials nothing", async () => {
  await using a = host(1);
  const error = await assertRejects(() => a.openStream(host(2).address, "/echo/1.0.0"), P2pError);
  assertEquals(error.code, "peer_not_connected");
});

Deno.test("Libp2pHost.ping() and HostConnection.ping() measure the round trip", async () => {
  await using a = host(1);
  await using b = host(2);
  const connection = await b.dial(listen(a));
  for (const ms of [await b.ping(a.peerId), await connection.ping()]) assert(ms >= 0);
});

Deno.test("Libp2pHost.ping(), HostConnection.ping() and openStream() give up on a remote that does not answer in time", async () => {
  const clock = new VirtualClock();
  await using a = host(1);
  await using b = host(2, { clock, streamDeadlineMs: 3_000 });
  await using proxy = new StoppableProxy(a.listen({ host: "127.0.0.1", port: 0 }).endpoint.port!);
  const connection = await b.dial({ host: "127.0.0.1", port: proxy.port });
  await connection.ping();
  proxy.stop();
  const codes: string[] = [];
  const waits = [b.ping(connection), connection.ping(), connection.openStream(["/x", "/y"])]
    .map((wait) => wait.catch((error) => codes.push(error.code)));
  await clock.advance(2_999);
  assertEquals(codes, []);
  await clock.advance(1);
  await Promise.all(waits);
  assertEquals(codes, ["deadline", "deadline", "deadline"]);
  await connection.close(new P2pError("test", "enough"));
  assertEquals([connection.streamCount, clock.pending], [0, 0]);
});

Deno.test("HostConnection.identify() tells what the remote serves, and is pushed when that changes", async () => {
  await using a = host(1, { agentVersion: "test/1" });
  await using b = host(2);
  const address = listen(a);
  const connection = await b.dial(address);
  const info = await connection.identify();
  assertEquals([info.agentVersion, info.listen], ["test/1", [address]]);
  assertEquals(info.protocols, ["/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0"]);
  await a.connections()[0].identify();
  serveEcho(a);
  while (!connection.info?.protocols.includes("/echo/1.0.0")) await b.ping(connection);
  a.unhandle("/echo/1.0.0");
  while (connection.info?.protocols.includes("/echo/1.0.0")) await b.ping(connection);
});

Deno.test("Libp2pStream.write() waits and no memory fills while nobody reads", async () => {
  await using a = host(1);
  await using b = host(2);
  const stuck = Promise.withResolvers<Libp2pStream>();
  a.handle("/stuck/1.0.0", (stream) => stuck.resolve(stream));
  serveEcho(a);
  const connection = await b.dial(listen(a));
  const stream = connection.newStream("/stuck/1.0.0");
  let accepted = 0;
  const writing = (async () => {
    for (let i = 0; i < 64; i++) {
      await stream.write(pattern(64 * 1024));
      accepted += 64 * 1024;
    }
    stream.closeWrite();
  })();
  const far = await stuck.promise;
  // Other streams go on, and give the stuck one every chance to move.
  for (let i = 0; i < 20; i++) assert(same(await echo(connection, pattern(50_000)), pattern(50_000)));
  assert(accepted <= 256 * 1024 + 256 * 1024, `${accepted} bytes were accepted`);
  assert(a.connections()[0].bytesRead < 2 * 1024 * 1024, "the remote has been sent more than its windows");
  assertEquals((await far.readAll(4 << 20)).length, 64 * 64 * 1024);
  await writing;
});

Deno.test("Libp2pStream.pipe() pushes what arrives and pulls what is sent", async () => {
  await using a = host(1);
  await using b = host(2);
  a.handle("/double/1.0.0", (stream) => {
    let unsent: Uint8Array[] = [];
    stream.pipe({
      data(chunk) {
        unsent.push(chunk.map((byte) => byte * 2));
        stream.wake();
      },
      take(out) {
        for (const chunk of unsent) out.push(chunk);
        unsent = [];
      },
      ended: () => stream.closeWrite(),
    }, { windowBytes: 1 << 20 });
  });
  const connection = await b.dial(listen(a));
  const stream = connection.newStream("/double/1.0.0");
  const sent = pattern(3_000_000);
  const writing = stream.write(sent).then(() => stream.closeWrite());
  const answer = await stream.readAll(4 << 20);
  await writing;
  assert(same(answer, sent.map((byte) => byte * 2)));
});

Deno.test("Libp2pStream.pipe() tells once why the stream is gone", async () => {
  await using a = host(1);
  await using b = host(2);
  a.handle("/reset/1.0.0", (stream) => stream.reset());
  const connection = await b.dial(listen(a));
  const reasons: (string | undefined)[] = [];
  const gone = Promise.withResolvers<void>();
  connection.newStream("/reset/1.0.0").pipe({
    data: () => {},
    take: () => {},
    ended(reason) {
      reasons.push(reason?.code);
      gone.resolve();
    },
  });
  await gone.promise;
  await connection.close();
  assertEquals(reasons, ["stream_reset"]);
});

Deno.test("Libp2pStream.readAll() resets a stream that is too long, or that takes too long", async () => {
  await using a = host(1);
  await using b = host(2);
  a.handle("/long/1.0.0", (stream) => void stream.write(pattern(1000)));
  const connection = await b.dial(listen(a));
  const long = await assertRejects(() => connection.newStream("/long/1.0.0").readAll(999), P2pError);
  assertEquals(long.code, "stream_too_long");
  const stop = new AbortController();
  const slow = connection.newStream("/long/1.0.0").readAll(1_000_000, stop.signal);
  await connection.ping();
  stop.abort(new P2pError("test", "enough"));
  assertEquals((await assertRejects(() => slow, P2pError)).code, "test");
});

Deno.test("Libp2pHost resets the stream whose handler fails", async () => {
  await using a = host(1);
  await using b = host(2);
  a.handle("/sync/1.0.0", () => {
    throw new RangeError("sync");
  });
  a.handle("/async/1.0.0", () => Promise.reject(new RangeError("async")));
  const connection = await b.dial(listen(a));
  for (const protocol of ["/sync/1.0.0", "/async/1.0.0"]) {
    const error = await assertRejects(() => connection.newStream(protocol).read(), P2pError);
    assertEquals(error.code, "stream_reset");
  }
  assertStrictEquals(connection.open, true);
});

Deno.test("Libp2pHost.handle() refuses a second handler", async () => {
  await using a = host(1);
  serveEcho(a);
  assertEquals(assertThrows(() => serveEcho(a), P2pError).code, "protocol_handled");
});

Deno.test("HostConnection.close() delivers what was written before", async () => {
  await using a = host(1);
  await using b = host(2);
  const got = Promise.withResolvers<Uint8Array>();
  a.handle("/last/1.0.0", async (stream) => got.resolve(await stream.readAll(1 << 20)));
  const closed = nextEvent(a, "closed");
  const connection = await b.dial(listen(a));
  const stream = connection.newStream("/last/1.0.0");
  await stream.negotiated();
  void stream.write(pattern(1 << 20));
  stream.closeWrite();
  await connection.close();
  assert(same(await got.promise, pattern(1 << 20)));
  assertStrictEquals(await connection.closed, undefined);
  assertStrictEquals((await closed).reason, undefined);
});

Deno.test("HostConnection.close() with a reason aborts every stream with it", async () => {
  await using a = host(1);
  await using b = host(2);
  serveEcho(a);
  const closed = nextEvent(a, "closed");
  const connection = await b.dial(listen(a));
  const stream = connection.newStream("/echo/1.0.0");
  const reading = assertRejects(() => stream.read(), P2pError);
  await connection.close(new P2pError("evicted", "A better peer came"));
  assertEquals((await reading).code, "evicted");
  assertEquals((await connection.closed)?.code, "evicted");
  assertEquals((await closed).reason?.code, "yamux_remote_error");
  assertThrows(() => connection.newStream("/echo/1.0.0"), P2pError);
});

Deno.test("Libp2pHost.close() is idempotent and leaves nothing, whatever is under way", async () => {
  const a = host(1), b = host(2);
  serveEcho(a);
  const address = listen(a);
  const connection = await b.dial(address);
  const reading = connection.newStream("/echo/1.0.0").read().catch((error) => error.code);
  const dialling = b.dial(address).then(() => "done", (error) => error.code);
  const closing = b.close();
  assertStrictEquals(b.close(), closing);
  await closing;
  assertEquals([await reading, await dialling], ["connection_closed", "host_closed"]);
  await a.close();
  assertEquals([a.routines.count, b.routines.count, a.connections().length], [0, 0, 0]);
  assertThrows(() => b.listen("/ip4/127.0.0.1/tcp/0"), P2pError);
  assertEquals((await assertRejects(() => b.dial(address), P2pError)).code, "host_closed");
});

Deno.test("Libp2pHost.connect() and secure() are phases of their own on both sides", async () => {
  await using a = host(1);
  await using b = host(2);
  serveEcho(a);
  const accepted = Promise.withResolvers<string>();
  const { endpoint } = a.listen({ host: "127.0.0.1", port: 0 }, {
    onRaw: (raw) => void a.secure(raw).then((connection) => accepted.resolve(connection.remote.address)),
  });
  const raw = await b.connect({ host: endpoint.host!, port: endpoint.port! });
  assertEquals([a.connections().length, raw.direction], [0, "outbound"]);
  const connection = await b.secure(raw, { expected: a.address });
  assertEquals(await accepted.promise, b.address);
  assertEquals((await echo(connection, pattern(10))).length, 10);
});

Deno.test("Libp2pHost.dial() and listen() fail with codes", async () => {
  await using a = host(1);
  const { endpoint } = a.listen({ host: "127.0.0.1", port: 0 });
  assertEquals(assertThrows(() => a.listen({ host: "127.0.0.1", port: endpoint.port! }), P2pError).code, "port_in_use");
  assertEquals(assertThrows(() => a.listen("/dns4/localhost/tcp/0"), P2pError).code, "listen_needs_ip");
  await a.listeners()[0].close();
  const refused = await assertRejects(() => a.dial(`/ip4/127.0.0.1/tcp/${endpoint.port}`), P2pError);
  assertEquals(refused.code, "dial_refused");
  const stop = AbortSignal.abort(new P2pError("test", "enough"));
  assertEquals(
    (await assertRejects(() => a.dial(`/ip4/127.0.0.1/tcp/${endpoint.port}`, { signal: stop }), P2pError)).code,
    "test",
  );
});

Deno.test("Libp2pHost serves and closes a connection whatever its subscribers throw", async () => {
  await using a = host(1);
  await using b = host(2);
  serveEcho(a);
  const seen: string[] = [];
  for (const on of [a, b]) {
    on.subscribe(({ type }) => {
      throw new RangeError(type);
    });
  }
  b.subscribe(({ type }) => seen.push(type));
  const connection = await b.dial(listen(a));
  assertEquals((await echo(connection, pattern(10))).length, 10);
  await connection.close();
  assertStrictEquals(await connection.closed, undefined);
  assertEquals([seen, b.connections().length, b.routines.count], [["opened", "closed"], 0, 0]);
});

Deno.test("Libp2pHost.secure() ends the connection of a caller that fails when told of it", async () => {
  await using a = host(1);
  await using b = host(2);
  const { endpoint } = a.listen({ host: "127.0.0.1", port: 0 });
  const closed = nextEvent(b, "closed");
  const raw = await b.connect({ host: endpoint.host!, port: endpoint.port! });
  const secured = () => {
    throw new RangeError("no");
  };
  const error = await assertRejects(() => b.secure(raw, { secured }), P2pError, "no");
  const { connection, reason } = await closed;
  assertEquals([error.code, reason?.code, b.connections().length], ["handshake_failed", "handshake_failed", 0]);
  await connection.close();
  assertEquals(b.routines.count, 0);
});
