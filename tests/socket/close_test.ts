import { assertEquals } from "@std/assert";
import type { P2pError } from "../../src/base/errors.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import type { Connection } from "../../src/transport/transport.ts";
import { memoryKit, TestNode, within } from "../transport/_nodes.ts";
import { lane, type SocketPair, socketPair } from "./_socket_pair.ts";

/** As the connection with a stopped peer: an orderly end takes `lingerMs`, an end with a reason is at once. Returns the reasons it was closed with. */
function linger(connection: Connection, { clock }: SocketPair, lingerMs: number): (string | undefined)[] {
  const reasons: (string | undefined)[] = [];
  const close = connection.close.bind(connection);
  const ended = Promise.withResolvers<void>();
  connection.close = async (reason?: P2pError) => {
    reasons.push(reason?.code);
    const cancel = clock.after(reason === undefined ? lingerMs : 0, ended.resolve);
    if (reason !== undefined) ended.resolve();
    await ended.promise;
    cancel();
    await close(reason);
  };
  return reasons;
}

/** How long the close of a socket took whose peer takes nothing more, and how its connection was closed. */
async function closing(queued: number, lingerMs: number): Promise<{ ms: number; reasons: unknown[]; reason?: string }> {
  const kit = memoryKit();
  await using dialler = new TestNode(kit, 1);
  await using listener = new TestNode(kit, 2);
  await using pair = await socketPair(dialler, listener, { lanes: [lane(1, { receiveCapacity: 5_000 })] });
  const { a, b, clock } = pair;
  b.consume = () => false;
  for (let i = 0; i < queued; i++) a.socket.offer(1, new Uint8Array(1_000));
  await settle();
  const reasons = linger(a.socket.connection, pair, lingerMs);
  const closed = a.socket.close();
  for (let ms = 0; ms <= 5_000 && !a.closed; ms += 10) await clock.advance(10);
  await within("close", closed);
  return { ms: clock.now(), reasons, reason: a.reason?.code };
}

Deno.test("Socket.close() whose drain times out closes the connection with drain_timeout, without its orderly end", async () => {
  assertEquals(await closing(40, 1_500), { ms: 1_000, reasons: ["drain_timeout"], reason: "drain_timeout" });
});

Deno.test("Socket.close() cuts a connection that does not end within twice drainMs, though all was taken", async () => {
  const cut = await closing(1, 3_000);
  assertEquals(cut, { ms: 2_000, reasons: [undefined, "drain_timeout"], reason: "drain_timeout" });
});

Deno.test("Socket.close() lets a connection end in order that does so in time", async () => {
  assertEquals(await closing(1, 1_900), { ms: 1_900, reasons: [undefined], reason: undefined });
});
