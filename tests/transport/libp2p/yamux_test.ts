import { Buffer } from "node:buffer";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { P2pError, ProtocolError } from "../../../src/base/errors.ts";
import { below, seededRandom } from "../../../src/base/random.ts";
import {
  ACK,
  DATA,
  FIN,
  GO_AWAY,
  PING,
  RST,
  SYN,
  WINDOW_UPDATE,
  writeYamuxHeader,
  YAMUX_HEADER_BYTES,
  YAMUX_INITIAL_WINDOW,
} from "../../../src/transport/libp2p/yamux_frame.ts";
import { exchange, type Recorder, Side } from "./_yamux_pair.ts";

function frame(type: number, flags: number, id: number, length: number, body: number[] = []): Uint8Array {
  const bytes = new Uint8Array(YAMUX_HEADER_BYTES + body.length);
  writeYamuxHeader(bytes, 0, type, flags, id, length);
  bytes.set(body, YAMUX_HEADER_BYTES);
  return bytes;
}

function pair(): [Side, Side] {
  return [new Side(true), new Side(false)];
}

function refused(side: Side, bytes: Uint8Array): string {
  return assertThrows(() => side.yamux.receive(bytes), ProtocolError).code;
}

Deno.test("Yamux writes the headers of the specification", () => {
  const [a] = pair();
  const stream = a.open();
  stream.send([7, 8]);
  stream.stream.finish();
  const bytes = [...a.compose()];
  assertEquals(bytes, [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 7, 8, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0]);
});

Deno.test("Yamux moves data both ways and ends a stream when both sides have", () => {
  const [a, b] = pair();
  const ours = a.open();
  ours.send([1, 2, 3]);
  exchange(a, b);
  const theirs = b.accepted[0];
  assertEquals(theirs.received, [1, 2, 3]);
  assertStrictEquals(ours.stream.awaitsAck, false);
  theirs.send([4]);
  ours.stream.finish();
  exchange(a, b);
  assertEquals([ours.events, theirs.events], [["finished"], ["ended"]]);
  assertEquals(ours.received, [4]);
  theirs.stream.finish();
  exchange(a, b);
  assertEquals([ours.events, theirs.events], [["finished", "ended", "closed"], ["ended", "finished", "closed"]]);
  assertEquals([a.yamux.streamCount, b.yamux.streamCount], [0, 0]);
});

Deno.test("Yamux delivers every stream's bytes in order however they are cut and interleaved", () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = seededRandom(seed);
    const [a, b] = pair();
    const sent = new Map<Recorder, number[]>();
    const wire: [Uint8Array[], Uint8Array[]] = [[], []];
    for (let step = 0; step < 120; step++) {
      const side = below(random, 2) === 0 ? a : b;
      const streams = [...sent.keys()];
      const choice = below(random, 10);
      if (choice < 2 && streams.length < 8) sent.set(side.open(), []);
      else if (choice < 6 && streams.length > 0) {
        const stream = streams[below(random, streams.length)];
        const bytes = Array.from(
          { length: below(random, 20) === 0 ? 300_000 : below(random, 4_000) },
          (_, i) => (i + step) & 0xff,
        );
        const all = sent.get(stream)!;
        for (const byte of bytes) all.push(byte);
        stream.send(bytes);
      } else {
        const [from, to] = side === a ? [wire[0], b] : [wire[1], a];
        const bytes = side.compose(1 + below(random, 100_000));
        for (let at = 0; at < bytes.length;) {
          const end = at + 1 + below(random, 30_000);
          from.push(bytes.slice(at, end));
          at = end;
        }
        for (let i = below(random, 5); i > 0 && from.length > 0; i--) to.yamux.receive(from.shift()!);
      }
    }
    for (const [index, to] of [b, a].entries()) for (const bytes of wire[index]) to.yamux.receive(bytes);
    exchange(a, b);
    for (const [stream, bytes] of sent) {
      const far = [...a.accepted, ...b.accepted].find((other) => other.stream.id === stream.stream.id);
      assert(Buffer.from(far?.received ?? []).equals(Buffer.from(bytes)), `replay with seed ${seed}`);
    }
  }
});

Deno.test("Yamux stops the sender of an unread stream at its window, and no other stream", () => {
  const [a, b] = pair();
  b.reads = false;
  const stuck = a.open();
  stuck.send(new Uint8Array(3 * YAMUX_INITIAL_WINDOW));
  exchange(a, b);
  assertEquals(b.accepted[0].received.length, YAMUX_INITIAL_WINDOW);
  assertStrictEquals(a.yamux.blocked, true);
  b.reads = true;
  const free = a.open();
  free.send(new Uint8Array(2 * YAMUX_INITIAL_WINDOW));
  exchange(a, b);
  assertEquals(b.accepted[1].received.length, 2 * YAMUX_INITIAL_WINDOW);
  assertEquals(b.accepted[0].received.length, YAMUX_INITIAL_WINDOW);
  b.accepted[0].stream.consumed(YAMUX_INITIAL_WINDOW / 2);
  exchange(a, b);
  assertEquals(b.accepted[0].received.length, 1.5 * YAMUX_INITIAL_WINDOW);
});

Deno.test("YamuxStream.growReceiveWindow() lets the remote send further ahead", () => {
  const [a, b] = pair();
  b.reads = false;
  const ours = a.open();
  exchange(a, b);
  ours.send([1]);
  exchange(a, b);
  b.accepted[0].stream.growReceiveWindow(1 << 20);
  ours.send(new Uint8Array(2 << 20));
  exchange(a, b);
  assertEquals(b.accepted[0].received.length, 1 << 20);
});

Deno.test("YamuxStream keeps what take() appends beyond the window and sends it first later", () => {
  const [a, b] = pair();
  b.reads = false;
  const ours = a.open();
  const pieces = [new Uint8Array(200_000).fill(1), new Uint8Array(200_000).fill(2), new Uint8Array(10).fill(3)];
  ours.take = (out) => {
    const piece = pieces.shift();
    if (piece !== undefined) out.push(piece);
  };
  ours.stream.wake();
  exchange(a, b);
  assertEquals(b.accepted[0].received.length, YAMUX_INITIAL_WINDOW);
  assertEquals(pieces.length, 1);
  b.accepted[0].stream.consumed(YAMUX_INITIAL_WINDOW);
  exchange(a, b);
  const all = b.accepted[0].received;
  assertEquals([all.length, all[199_999], all[200_000], all[399_999], all[400_000]], [400_010, 1, 2, 2, 3]);
});

Deno.test("Yamux.compose() lets streams take turns", () => {
  const [a, b] = pair();
  const large = a.open(), small = a.open();
  large.send(new Uint8Array(200_000));
  small.send([9]);
  b.yamux.receive(a.compose(100_000));
  assertEquals(b.accepted[1].received, [9]);
  assert(b.accepted[0].received.length < 200_000);
});

Deno.test("Yamux.open() throws at the limits and recovers below them", () => {
  const a = new Side(true, { outboundStreamsMax: 2 }), b = new Side(false);
  const first = a.open();
  a.open();
  assertEquals(assertThrows(() => a.open(), P2pError).code, "streams_exhausted");
  first.stream.reset(new P2pError("test", "over"));
  a.open();

  const c = new Side(true, { unacknowledgedStreamsMax: 1 });
  c.open().send([1]);
  assertEquals(assertThrows(() => c.open(), P2pError).code, "streams_exhausted");
  exchange(c, b);
  c.open();
});

Deno.test("Yamux resets a stream of the remote's beyond the limit and goes on", () => {
  const a = new Side(true), b = new Side(false, { inboundStreamsMax: 2 });
  const streams = [a.open(), a.open(), a.open()];
  for (const stream of streams) stream.send([1]);
  exchange(a, b);
  assertEquals(b.yamux.refused, 1);
  assertEquals(streams.map((stream) => stream.reason?.code), [undefined, undefined, "stream_reset"]);
  streams[0].send([2]);
  exchange(a, b);
  assertEquals(b.accepted[0].received, [1, 2]);
});

Deno.test("Yamux tells a handler that the remote reset its stream, and ignores what crosses it", () => {
  const [a, b] = pair();
  const ours = a.open();
  ours.send([1]);
  exchange(a, b);
  b.accepted[0].stream.reset(new P2pError("test", "enough"));
  ours.send([2, 3]);
  exchange(a, b);
  assertEquals(ours.reason?.code, "stream_reset");
  assertEquals(b.accepted[0].events, ["aborted"]);
  assertEquals([a.yamux.streamCount, b.yamux.streamCount], [0, 0]);
});

Deno.test("Yamux says nothing of a stream that was reset before the remote heard of it", () => {
  const [a, b] = pair();
  a.open().stream.reset(new P2pError("test", "changed my mind"));
  assertEquals(a.compose().length, 0);
  a.open().send([1]);
  exchange(a, b);
  assertEquals(b.accepted[0].received, [1]);
});

Deno.test("Yamux resets the stream whose handler throws, and only that", () => {
  const [a, b] = pair();
  const good = a.open(), bad = a.open();
  for (const stream of [good, bad]) stream.send([1]);
  exchange(a, b);
  b.accepted[1].data = () => {
    throw new RangeError("handler");
  };
  b.accepted[0].take = () => {};
  bad.send([2]);
  good.send([3]);
  exchange(a, b);
  assertEquals(b.accepted[1].reason?.code, "stream_handler_failed");
  assertEquals(bad.reason?.code, "stream_reset");
  assertEquals(b.accepted[0].received, [1, 3]);
});

Deno.test("Yamux.ping() is answered, at most 16 wait, and closing answers none", () => {
  const [a, b] = pair();
  const answers: boolean[] = [];
  for (let i = 0; i < 16; i++) a.yamux.ping((answered) => answers.push(answered));
  assertEquals(assertThrows(() => a.yamux.ping(() => {}), P2pError).code, "pings_exhausted");
  exchange(a, b);
  assertEquals(answers, new Array(16).fill(true));
  a.yamux.ping((answered) => answers.push(answered));
  a.yamux.close(new P2pError("test", "over"));
  assertStrictEquals(answers.at(-1), false);
});

Deno.test("Yamux.goAway() ends the opening of streams on both sides", () => {
  const [a, b] = pair();
  a.yamux.goAway();
  exchange(a, b);
  assertStrictEquals(b.yamux.remoteGoneAway, true);
  assertEquals(assertThrows(() => a.open(), P2pError).code, "connection_closing");
  assertEquals(assertThrows(() => b.open(), P2pError).code, "connection_closing");
  const failing = new Side(false);
  assertEquals(
    assertThrows(() => failing.yamux.receive(frame(GO_AWAY, 0, 0, 1)), P2pError).code,
    "yamux_remote_error",
  );
});

Deno.test("Yamux.close() aborts every stream once and opens no more", () => {
  const [a, b] = pair();
  const ours = a.open();
  ours.send([1]);
  exchange(a, b);
  const reason = new P2pError("connection_lost", "gone");
  a.yamux.close(reason);
  a.yamux.close(new P2pError("other", "later"));
  assertEquals(ours.events, ["aborted"]);
  assertStrictEquals(ours.reason, reason);
  assertStrictEquals(assertThrows(() => a.open(), P2pError), reason);
  assertEquals(a.compose().length, 0);
});

Deno.test("Yamux.receive() throws a typed error when the remote breaks the protocol", () => {
  const open = frame(WINDOW_UPDATE, SYN, 1, 0);
  const with1 = (...frames: Uint8Array[]) => {
    const side = new Side(false);
    side.yamux.receive(open);
    const last = frames.pop()!;
    for (const bytes of frames) side.yamux.receive(bytes);
    return refused(side, last);
  };
  const badVersion = frame(DATA, 0, 1, 0);
  badVersion[0] = 1;
  assertEquals(with1(badVersion), "yamux_bad_version");
  assertEquals(with1(frame(4, 0, 1, 0)), "yamux_bad_type");
  assertEquals(with1(frame(DATA, 0, 3, 1)), "yamux_unknown_stream");
  assertEquals(with1(frame(DATA, 0, 2, 1)), "yamux_unknown_stream");
  assertEquals(with1(frame(DATA, 0, 0, 1)), "yamux_unknown_stream");
  assertEquals(with1(frame(DATA, SYN, 2, 1)), "yamux_bad_stream_id");
  assertEquals(with1(frame(DATA, SYN, 0, 1)), "yamux_bad_stream_id");
  assertEquals(with1(open), "yamux_duplicate_stream");
  assertEquals(with1(frame(DATA, 0, 1, YAMUX_INITIAL_WINDOW + 1)), "yamux_window_exceeded");
  assertEquals(with1(frame(DATA, 0, 1, 0xffffffff)), "yamux_window_exceeded");
  assertEquals(with1(frame(WINDOW_UPDATE, 0, 1, 0xffffffff)), "yamux_window_overflow");
  assertEquals(with1(frame(DATA, FIN, 1, 0), frame(DATA, 0, 1, 1)), "yamux_data_after_fin");
});

Deno.test("Yamux fails when the remote provokes answers without reading them", () => {
  const side = new Side(false);
  const ping = frame(PING, SYN, 0, 1);
  for (let i = 0; i < 10_000 && side.failed === undefined; i++) side.yamux.receive(ping);
  assertEquals(side.failed?.code, "yamux_control_flood");
});

Deno.test("Yamux.receive() takes FIN on a data frame behind the data, and skips bodies of forgotten streams", () => {
  const side = new Side(false);
  side.yamux.receive(frame(DATA, SYN | FIN, 1, 2, [5, 6]));
  assertEquals([side.accepted[0].received, side.accepted[0].events], [[5, 6], ["ended"]]);
  side.accepted[0].stream.reset(new P2pError("test", "enough"));
  side.yamux.receive(frame(DATA, 0, 1, 3, [1, 2, 3]));
  side.yamux.receive(frame(WINDOW_UPDATE, ACK | RST, 1, 0));
  side.yamux.receive(frame(DATA, SYN, 3, 1, [7]));
  assertEquals(side.accepted[1].received, [7]);
});

Deno.test("Yamux.receive() returns or throws a P2pError for random and mutated input", () => {
  for (let seed = 1; seed <= 2_000; seed++) {
    const random = seededRandom(seed);
    const side = new Side(false);
    try {
      for (let i = 0; i < 30; i++) {
        const type = below(random, 5), flags = below(random, 16), id = below(random, 8);
        const length = below(random, 3) === 0 ? Math.floor(random.next() * 2 ** 32) : below(random, 40);
        const bytes = frame(type, flags, id, length, new Array(below(random, 60)).fill(i));
        for (let j = below(random, 3); j > 0; j--) bytes[below(random, bytes.length)] = below(random, 256);
        side.yamux.receive(bytes);
        side.compose(below(random, 1000));
      }
    } catch (error) {
      assert(error instanceof P2pError, `replay with seed ${seed}: ${error}`);
    }
  }
});
