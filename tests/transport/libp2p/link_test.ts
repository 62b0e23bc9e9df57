import { assertEquals, assertStrictEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { P2pError } from "../../../src/base/errors.ts";
import { ByteWriter } from "../../../src/codec/byte_writer.ts";
import { Routines } from "../../../src/base/routines.ts";
import { CipherState } from "../../../src/security/cipher_state.ts";
import { RecordOpener } from "../../../src/security/record_opener.ts";
import { RecordSealer } from "../../../src/security/record_sealer.ts";
import { settle, VirtualClock } from "../../../src/sim/virtual_clock.ts";
import { Link } from "../../../src/transport/libp2p/link.ts";
import { LinkBuffers } from "../../../src/transport/libp2p/link_buffers.ts";
import type { TcpSocket } from "../../../src/transport/libp2p/tcp_socket.ts";
import { Side } from "./_yamux_pair.ts";

const NOTHING = new Uint8Array(0);

/** A socket that reads nothing and whose writes never end, until it is closed. */
class HangingSocket {
  writes = 0;
  closes = 0;
  readonly #closed = Promise.withResolvers<never>();

  read(): Promise<number | null> {
    return this.#closed.promise;
  }

  write(): Promise<void> {
    this.writes++;
    return this.#closed.promise;
  }

  closeWrite(): Promise<void> {
    return this.#closed.promise;
  }

  close(): void {
    this.closes++;
    this.#closed.promise.catch(() => {});
    this.#closed.reject(new P2pError("connection_lost", "closed here"));
  }
}

/** A running link over a {@link HangingSocket}. */
function hangingLink() {
  return runningLink(new HangingSocket(), new VirtualClock());
}

function runningLink(socket: HangingSocket, clock: VirtualClock) {
  const routines = new Routines();
  const side = new Side(true);
  const ends: (string | undefined)[] = [];
  const link = new Link({
    socket: socket as unknown as TcpSocket,
    sealer: new RecordSealer(new CipherState(new Uint8Array(32))),
    opener: new RecordOpener(new CipherState(new Uint8Array(32))),
    session: side.yamux,
    routines,
    name: "test",
    clock,
    buffers: new LinkBuffers(),
    ended: (reason) => ends.push(reason?.code),
  });
  link.start(NOTHING, NOTHING);
  /** Closes, moves time on, and tells what had happened a moment before the deadline and at it. */
  const closing = async (reason?: P2pError) => {
    await settle();
    const closed = [link.close(reason), link.close()];
    await clock.advance(999);
    const before = [ends.length, socket.closes, routines.count];
    await clock.advance(1);
    assertStrictEquals(clock.pending, 0);
    await Promise.all(closed);
    return { before, after: [ends, socket.closes, routines.count] };
  };
  return { clock, socket, side, link, ends, routines, closing };
}

Deno.test("Link.close() with a reason ends within a second although the write of the go-away never does", async () => {
  const { socket, closing } = hangingLink();
  assertEquals(await closing(new P2pError("evicted", "A better peer came")), {
    before: [0, 0, 2],
    after: [["evicted"], 1, 0],
  });
  assertEquals(socket.writes, 1);
});

Deno.test("Link.close() without a reason ends within a second although the write never does", async () => {
  const { closing } = hangingLink();
  assertEquals(await closing(), { before: [0, 0, 2], after: [["close_timeout"], 1, 0] });
});

Deno.test("Link.close() with a reason behind an orderly one that hangs ends at once", async () => {
  const { clock, link, ends, routines } = hangingLink();
  await settle();
  const orderly = link.close();
  await settle();
  await clock.advance(500);
  await Promise.all([orderly, link.close(new P2pError("evicted", "A better peer came"))]);
  assertEquals([ends, routines.count, clock.pending], [["evicted"], 0, 0]);
});

Deno.test("Link.close() with a reason while a write hangs ends at once", async () => {
  const { clock, side, socket, link, ends, routines } = hangingLink();
  side.open().send([1]);
  link.wake();
  await settle();
  assertEquals(socket.writes, 1);
  await link.close(new P2pError("evicted", "A better peer came"));
  assertEquals([ends, socket.closes, routines.count, clock.pending], [["evicted"], 1, 0, 0]);
});

/** A socket that has a record to read at once, each time, a thousand times. */
class FloodingSocket extends HangingSocket {
  reads = 0;
  readonly #sealer = new RecordSealer(new CipherState(new Uint8Array(32)));

  override read(into?: Uint8Array): Promise<number | null> {
    if (++this.reads > 1_000) return Promise.resolve(null);
    const out = new ByteWriter();
    this.#sealer.seal(new Uint8Array([0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]), out); // the answer to a ping
    into!.set(out.bytes());
    return Promise.resolve(out.length);
  }
}

/** A clock on which a look at it takes a millisecond. */
class SlowClock extends VirtualClock {
  #looks = 0;

  override now(): number {
    return super.now() + this.#looks++;
  }
}

Deno.test("Link lets others have their turn after four milliseconds of work, though its socket has more to read", async () => {
  const socket = new FloodingSocket();
  const { ends, routines } = runningLink(socket, new SlowClock());
  const reads = await new Promise((resolve) => setImmediate(() => resolve(socket.reads)));
  assertEquals(reads, 4);
  while (routines.count > 0) await new Promise<void>((resolve) => setImmediate(resolve));
  assertEquals([ends, socket.reads], [["connection_lost"], 1_001]);
});
