import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { below, seededRandom } from "../../src/base/random.ts";
import type { Handshaken } from "../../src/transport/transport.ts";
import { type Frame, TestNode, until, within } from "./_nodes.ts";

export function assertHandshaken(seen: Handshaken, node: TestNode, info: Handshaken["info"]): void {
  assertEquals(seen.address, node.address);
  assert(same(seen.publicKey, node.key.publicKey));
  assertEquals({ ...seen.info }, { ...info });
}

/** The errors of two handshakes, both of which must fail. */
export async function failures(...handshakes: Promise<unknown>[]): Promise<P2pError[]> {
  const settled = await within("the handshakes", Promise.allSettled(handshakes));
  return settled.map((result) => {
    assertEquals(result.status, "rejected");
    assertInstanceOf((result as PromiseRejectedResult).reason, P2pError);
    return (result as PromiseRejectedResult).reason;
  });
}

/** Nothing runs any more but the listening routine. */
export async function onlyListening(dialler: TestNode, listener: TestNode): Promise<void> {
  await until("the end of all routines but the listening one", () => {
    return dialler.routines.count === 0 && listener.routines.names().join() === listener.routines.names()[0];
  });
  assertEquals(listener.routines.names().map((routine) => routine.split(" ")[0]), ["listen"]);
}

export function randomFrames(seed: number, count: number, most = 65_536): Frame[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => ({
    channel: 1 + below(random, 16_383),
    flags: below(random, 2),
    body: random.fill(new Uint8Array(below(random, random.next() < 0.2 ? most : 2000))),
  }));
}

/** Small enough to compare and to print. */
export function digest(frames: Frame[]): string[] {
  return frames.map(({ channel, flags, body }) => {
    let sum = 0;
    for (const byte of body) sum = (Math.imul(sum, 31) + byte) | 0;
    return `${channel}/${flags}/${body.length}/${sum}`;
  });
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
