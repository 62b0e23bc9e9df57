import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { P2pError, ProtocolError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { socketPair } from "../socket/_socket_pair.ts";
import { connect, FrameTester, handshaken, TestNode, type TransportKit, until, within } from "./_nodes.ts";
import { assertHandshaken, digest, failures, onlyListening, randomFrames, same } from "./_conformance_checks.ts";

/** What every {@link Transport} must do. Run it with a kit that makes fresh transports for each test. */
export function transportSuite(name: string, kit: () => TransportKit): void {
  const test = (what: string, body: (dialler: TestNode, listener: TestNode, kit: TransportKit) => Promise<void>) => {
    Deno.test(`${name} transport: ${what}`, async () => {
      const made = kit();
      await using dialler = new TestNode(made, 1);
      await using listener = new TestNode(made, 2);
      await body(dialler, listener, made);
    });
  };
  const { signal } = new AbortController();

  test("handshake() proves both identities and exchanges node infos", async (dialler, listener) => {
    const [outbound, inbound] = await connect(dialler, listener);
    const own = dialler.info({ listen: ["tcp://x@host:1"], channels: [{ id: 1, capacity: 10 }] });
    const theirs = listener.info({ channels: [{ id: 16383, capacity: 2 ** 40 }] });
    const [seenByDialler, seenByListener] = await within(
      "handshake",
      Promise.all([
        outbound.handshake(own, { signal, expected: listener.address }),
        inbound.handshake(theirs, { signal }),
      ]),
    );
    assertHandshaken(seenByDialler, listener, theirs);
    assertHandshaken(seenByListener, dialler, own);
    assertEquals([outbound.direction, inbound.direction], ["outbound", "inbound"]);
    assert(outbound.bytesWritten > 0 && outbound.bytesRead > 0 && inbound.bytesWritten > 0 && inbound.bytesRead > 0);
  });

  test(
    "endpoints() tells where it listens, and both ends of a connection where they are",
    async (dialler, listener) => {
      assertEquals(listener.transport.endpoints(), []);
      const [outbound, inbound] = await connect(dialler, listener);
      const [endpoint] = listener.transport.endpoints();
      assert(listener.transport.protocols.includes(endpoint.protocol));
      assertEquals({ ...outbound.remoteEndpoint }, { ...endpoint });
      assertEquals({ ...inbound.remoteEndpoint }, { ...outbound.localEndpoint });
      assertEquals(dialler.transport.endpoints(), []);
    },
  );

  test("handshake() refuses another identity than the expected one", async (dialler, listener) => {
    const [outbound, inbound] = await connect(dialler, listener);
    const expected = "00".repeat(20);
    const [own, other] = await failures(
      outbound.handshake(dialler.info(), { signal, expected }),
      inbound.handshake(listener.info(), { signal }),
    );
    assertEquals(own.code, "handshake_wrong_identity");
    assertInstanceOf(other, P2pError);
    await onlyListening(dialler, listener);
  });

  for (
    const [what, overrides, code] of [
      ["a peer of another network", { network: "other" }, "handshake_wrong_network"],
      ["a peer of another version", { version: 99 }, "handshake_wrong_version"],
    ] as const
  ) {
    test(`handshake() refuses ${what}, and both ends know why`, async (dialler, listener) => {
      const [outbound, inbound] = await connect(dialler, listener);
      const errors = await failures(
        outbound.handshake(dialler.info(), { signal }),
        inbound.handshake(listener.info(overrides), { signal }),
      );
      assertEquals(errors.map((error) => error.code), [code, code]);
      await onlyListening(dialler, listener);
    });
  }

  test("handshake() refuses a peer that claims another address than its key's", async (dialler, listener) => {
    const [outbound, inbound] = await connect(dialler, listener);
    const [own] = await failures(
      outbound.handshake(dialler.info(), { signal }),
      inbound.handshake(listener.info({ address: "11".repeat(20) }), { signal }).then(() => {
        throw new P2pError("passed", "The liar learns of it by the end of the connection");
      }),
    );
    assertEquals(own.code, "handshake_wrong_identity");
    assertInstanceOf(own, ProtocolError);
    await inbound.close();
    await onlyListening(dialler, listener);
  });

  test("handshake() ends with the signal's reason when the peer keeps silent", async (dialler, listener) => {
    const [outbound, inbound] = await connect(dialler, listener);
    const controller = new AbortController();
    const shaking = outbound.handshake(dialler.info(), { signal: controller.signal });
    const reason = new P2pError("deadline", "Enough");
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => within("handshake", shaking)), reason);
    assertEquals(dialler.routines.count, 0);
    // Whether the other end's handshake still finds what was sent before the end is the transport's affair; the end it finds in any case.
    const late = inbound.handshake(listener.info(), { signal }).then(() => {
      const handler = new FrameTester();
      inbound.open(handler);
      return handler.ended();
    }, (error) => assertInstanceOf(error, P2pError));
    await within("the other end", late);
    await onlyListening(dialler, listener);
  });

  test("handshake() with an aborted signal fails at once", async (dialler, listener) => {
    const [outbound, inbound] = await connect(dialler, listener);
    const reason = new P2pError("stopped", "Node stops");
    const aborted = { signal: AbortSignal.abort(reason) };
    assertStrictEquals(await assertRejects(() => outbound.handshake(dialler.info(), aborted)), reason);
    await assertRejects(() => within("late", inbound.handshake(listener.info(), { signal })), P2pError);
  });

  test("dial() is refused where no one listens", async (dialler, listener) => {
    const address = await listener.listen();
    await listener.transport.close();
    const error = await assertRejects(() => within("dial", dialler.transport.dial(address)), P2pError);
    assertEquals(error.code, "dial_refused");
    assertEquals([dialler.routines.count, listener.routines.count], [0, 0]);
  });

  test("dial() with an aborted signal rejects with its reason", async (dialler, listener) => {
    const address = await listener.listen();
    const reason = new P2pError("stopped", "Node stops");
    const dialling = dialler.transport.dial(address, AbortSignal.abort(reason));
    assertStrictEquals(await assertRejects(() => within("dial", dialling)), reason);
  });

  test("listen() refuses a place that is taken", async (dialler, listener) => {
    const { protocol, host, port, path = listener.address } = await listener.listen();
    const error = await assertRejects(() => dialler.listen({ protocol, host, port, path }), P2pError);
    assertEquals(error.code, "port_in_use");
    assertEquals(dialler.transport.endpoints(), []);
    assertEquals(dialler.routines.count, 0);
  });

  test("frames of all sizes arrive in order both ways at once", async (dialler, listener) => {
    const [outbound, inbound] = await handshaken(dialler, listener);
    const [a, b] = [new FrameTester(), new FrameTester()];
    const [fromA, fromB] = [randomFrames(61, 400), randomFrames(62, 400)];
    a.queue.push(...fromA);
    b.queue.push(...fromB);
    outbound.open(a);
    inbound.open(b);
    await Promise.all([a.frames(400), b.frames(400)]);
    assertEquals(digest(b.received), digest(fromA));
    assertEquals(digest(a.received), digest(fromB));
  });

  test("wake() after idleness sends again, and many make no difference", async (dialler, listener) => {
    const [outbound, inbound] = await handshaken(dialler, listener);
    const [a, b] = [new FrameTester(), new FrameTester()];
    outbound.open(a);
    inbound.open(b);
    for (let i = 1; i <= 5; i++) {
      a.queue.push({ channel: i, flags: 0, body: new Uint8Array(i) });
      for (let n = 0; n < 10; n++) outbound.wake();
      await b.frames(i);
    }
    assertEquals(b.received.map(({ channel }) => channel), [1, 2, 3, 4, 5]);
  });

  test("frames that come before open() are handed over by it, in order", async (dialler, listener) => {
    const [outbound, inbound] = await handshaken(dialler, listener);
    const [a, b] = [new FrameTester(), new FrameTester()];
    const early = randomFrames(63, 20, 10_000);
    a.queue.push(...early);
    const before = inbound.bytesRead;
    const bytes = early.reduce((sum, { body }) => sum + body.length, 0);
    outbound.open(a);
    await until("the early frames", () => inbound.bytesRead >= before + bytes);
    inbound.open(b);
    assertEquals(digest(b.received.slice(0, 19)), digest(early.slice(0, 19)));
    a.queue.push({ channel: 9, flags: 0, body: new Uint8Array() });
    outbound.wake();
    await b.frames(21);
    assertEquals(b.received.at(-1)!.channel, 9);
  });

  test("a flood before open() closes the connection with a typed error", async (dialler, listener) => {
    const [outbound, inbound] = await handshaken(dialler, listener);
    const [a, b] = [new FrameTester(), new FrameTester()];
    for (let i = 0; i < 60; i++) a.queue.push({ channel: 1, flags: 0, body: new Uint8Array(60_000) });
    outbound.open(a);
    await a.ended();
    inbound.open(b);
    assertEquals((await b.ended())?.code, "handshake_flood");
  });

  test("close() writes what was taken and the other end sees an orderly end behind it", async (dialler, listener) => {
    const [outbound, inbound] = await handshaken(dialler, listener);
    const [a, b] = [new FrameTester(), new FrameTester()];
    const sent = randomFrames(64, 150);
    a.queue.push(...sent);
    outbound.open(a);
    inbound.open(b);
    await until("an empty queue", () => a.queue.length === 0);
    await within("close", outbound.close());
    assertEquals(await b.ended(), undefined);
    assertEquals(digest(b.received), digest(sent));
    assertEquals([a.ends, b.ends], [[undefined], [undefined]]);
    await onlyListening(dialler, listener);
  });

  test(
    "close() with a reason ends at once, tells the handler why and the other end that it is over",
    async (dialler, listener) => {
      const [outbound, inbound] = await handshaken(dialler, listener);
      const [a, b] = [new FrameTester(), new FrameTester()];
      outbound.open(a);
      inbound.open(b);
      const reason = new P2pError("evicted", "A better peer came");
      await within("close", outbound.close(reason));
      await b.ended();
      assertEquals([a.ends, b.ends.length], [[reason], 1]);
      await onlyListening(dialler, listener);
    },
  );

  test("close() is idempotent and tells the handler once, from both ends at once", async (dialler, listener) => {
    const [outbound, inbound] = await handshaken(dialler, listener);
    const [a, b] = [new FrameTester(), new FrameTester()];
    outbound.open(a);
    inbound.open(b);
    await within("close", Promise.all([outbound.close(), outbound.close(), inbound.close(), inbound.close()]));
    await within("close again", Promise.all([outbound.close(new P2pError("late", "Late")), inbound.close()]));
    assertEquals([a.ends.length, b.ends.length], [1, 1]);
    await onlyListening(dialler, listener);
  });

  test("close() before or during the handshake ends it on both ends", async (dialler, listener) => {
    const [outbound, inbound] = await connect(dialler, listener);
    await within("close", outbound.close());
    await assertRejects(() => within("own", outbound.handshake(dialler.info(), { signal })), P2pError);
    await assertRejects(() => within("other", inbound.handshake(listener.info(), { signal })), P2pError);
    const again = await dialler.dial({ id: listener.address, ...listener.transport.endpoints()[0] });
    const shaking = again.handshake(dialler.info(), { signal });
    shaking.catch(() => {}); // looked at below
    await within("close", again.close());
    await assertRejects(() => within("own", shaking), P2pError);
    await onlyListening(dialler, listener);
  });

  test("open() after the end tells the handler at once", async (dialler, listener) => {
    const [outbound, inbound] = await handshaken(dialler, listener);
    await within("close", outbound.close());
    const late = new FrameTester();
    outbound.open(late);
    assertEquals(late.ends, [undefined]);
    await inbound.close();
  });

  test("a handler that throws while it receives closes the connection with its error", async (dialler, listener) => {
    const [outbound, inbound] = await handshaken(dialler, listener);
    const [a, b] = [new FrameTester(), new FrameTester()];
    const thrown = new ProtocolError("odd_frame", "Not what was agreed");
    b.receive = () => {
      throw thrown;
    };
    a.queue.push({ channel: 1, flags: 0, body: new Uint8Array() });
    outbound.open(a);
    inbound.open(b);
    await Promise.all([a.ended(), b.ended()]);
    assertStrictEquals(b.ends[0], thrown);
    await onlyListening(dialler, listener);
  });

  test("a handler that throws while it gives closes the connection, its error wrapped", async (dialler, listener) => {
    const [outbound, inbound] = await handshaken(dialler, listener);
    const [a, b] = [new FrameTester(), new FrameTester()];
    const bug = new TypeError("bug");
    a.take = () => {
      throw bug;
    };
    outbound.open(a);
    inbound.open(b);
    await Promise.all([a.ended(), b.ended()]);
    assertInstanceOf(a.ends[0], P2pError);
    assertStrictEquals(a.ends[0].cause, bug);
    await onlyListening(dialler, listener);
  });

  test("transport.close() keeps open connections and refuses new ones", async (dialler, listener) => {
    const [outbound, inbound] = await handshaken(dialler, listener);
    const address = { id: listener.address, ...listener.transport.endpoints()[0] };
    await within("close", Promise.all([dialler.transport.close(), listener.transport.close()]));
    await listener.transport.close();
    assertEquals(listener.transport.endpoints(), []);
    const [a, b] = [new FrameTester(), new FrameTester()];
    a.queue.push({ channel: 3, flags: 0, body: Uint8Array.of(7) });
    outbound.open(a);
    inbound.open(b);
    await b.frames(1);
    assertEquals(b.received[0].body, Uint8Array.of(7));
    const dialled = await assertRejects(() => dialler.transport.dial(address), P2pError);
    const listened = await assertRejects(() => listener.listen(), P2pError);
    assertEquals([dialled.code, listened.code], ["transport_closed", "transport_closed"]);
    assertEquals(listener.routines.count, 2, "the listening routine has ended");
  });

  test("a node with five peers runs eleven routines, and none after close", async (_dialler, listener, made) => {
    const address = await listener.listen();
    await using stack = new AsyncDisposableStack();
    const open = [];
    for (let i = 0; i < 5; i++) {
      const peer = stack.use(new TestNode(made, 10 + i));
      const outbound = await peer.dial(address);
      const inbound = await listener.accepted();
      await within(
        "handshake",
        Promise.all([outbound.handshake(peer.info(), { signal }), inbound.handshake(listener.info(), { signal })]),
      );
      outbound.open(new FrameTester());
      inbound.open(new FrameTester());
      open.push(inbound);
      assertEquals(peer.routines.count, 2);
    }
    const kinds = listener.routines.names().map((routine) => routine.split(" ")[0]);
    assertEquals(kinds, ["listen", ...Array(5).fill("read"), ...Array(5).fill("write")]);
    await within("close", Promise.all(open.map((connection) => connection.close())));
    assertEquals(listener.routines.names().length, 1);
    await listener.transport.close();
    assertEquals(listener.routines.count, 0);
  });

  test("sockets carry messages from 0 bytes to 4 MiB whole, both ways", async (dialler, listener) => {
    await using pair = await socketPair(dialler, listener);
    const random = seededRandom(65);
    const sizes = [0, 1, 1023, 65_535, 65_536, 65_537, 131_072, 1 << 20, 4 << 20];
    const messages = sizes.map((size) => random.fill(new Uint8Array(size)));
    for (const [from, to] of [[pair.a, pair.b], [pair.b, pair.a]]) {
      for (const message of messages) {
        while (from.socket.offer(1, message) === "full") await within("room", from.socket.room(1));
      }
      await until("all messages", () => to.received.length === messages.length);
      for (const [i, { channel, bytes }] of to.received.entries()) {
        assertEquals([channel, bytes.length, same(bytes, messages[i])], [1, sizes[i], true]);
      }
    }
  });

  test("a handler that does not consume stops the sender, and only on its channel", async (dialler, listener) => {
    await using pair = await socketPair(dialler, listener);
    const { a, b } = pair;
    b.consume = (channel) => channel !== 1;
    const message = new Uint8Array(10_000);
    let accepted = 0;
    // Offers until nothing moves any more: the queue is full and stays full while pings and another channel go through.
    for (let quiet = 0; quiet < 3; quiet++) {
      while (a.socket.offer(1, message) === "accepted") {
        accepted++;
        quiet = 0;
      }
      await within("ping", a.socket.ping());
      assertEquals(a.socket.offer(2, message), "accepted");
    }
    const capacity = 2 * (1 << 20);
    assert(accepted * message.length <= capacity + 2 * message.length, `${accepted} messages in memory`);
    await until("the other channel", () => b.received.filter(({ channel }) => channel === 2).length >= 3);
    const held = b.received.filter(({ channel }) => channel === 1).length;
    assert(held * message.length <= (1 << 20) + message.length, `${held} messages unread`);
    const room = a.socket.room(1);
    b.consume = () => true;
    for (let i = 0; i < held; i++) b.socket.consumed(1, message.length);
    await within("room", room);
    await until("the rest", () => b.received.filter(({ channel }) => channel === 1).length === accepted);
  });

  test("a socket's orderly close delivers everything that was accepted", async (dialler, listener) => {
    await using pair = await socketPair(dialler, listener);
    const { a, b } = pair;
    let accepted = 0;
    while (a.socket.offer(1, new Uint8Array(5000).fill(accepted)) === "accepted") accepted++;
    await within("close", a.socket.close());
    await until("the other end", () => b.closed);
    assertEquals(b.received.length, accepted);
    assertEquals([a.reason, b.reason], [undefined, undefined]);
    assertEquals(dialler.routines.count, 0);
  });
}
