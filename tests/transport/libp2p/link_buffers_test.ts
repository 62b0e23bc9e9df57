import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { LinkBuffers } from "../../../src/transport/libp2p/link_buffers.ts";

/** Buffers of a kind that are kept. */
const SPARES = 4;
const KEPT_BYTES = 256 * 1024;

Deno.test("LinkBuffers lends the read buffers that were given back, and keeps a few", () => {
  const buffers = new LinkBuffers();
  const lent = Array.from({ length: SPARES + 1 }, () => buffers.takeRead());
  assertEquals(new Set(lent).size, SPARES + 1);
  for (const buffer of lent) buffers.giveRead(buffer);
  const again = Array.from({ length: SPARES + 1 }, () => buffers.takeRead());
  assertEquals(again.filter((buffer) => lent.includes(buffer)).length, SPARES);
});

Deno.test("LinkBuffers lends the buffers for sealed bytes that were given back, empty and as large as they have become", () => {
  const buffers = new LinkBuffers();
  const lent = Array.from({ length: SPARES + 1 }, () => buffers.takeSealed());
  for (const buffer of lent) buffer.push(new Uint8Array(100_000));
  const memories = lent.map(({ buffer }) => buffer);
  for (const buffer of lent) buffers.giveSealed(buffer);
  for (let spare = 0; spare < SPARES; spare++) {
    const buffer = buffers.takeSealed();
    assert(lent.includes(buffer));
    assert(memories.includes(buffer.buffer));
    assertEquals(buffer.length, 0);
  }
  assert(!lent.includes(buffers.takeSealed()));
});

Deno.test("LinkBuffers gives up the memory of a buffer that a message has made too large", () => {
  const buffers = new LinkBuffers();
  const sealed = buffers.takeSealed();
  sealed.push(new Uint8Array(KEPT_BYTES + 1));
  buffers.giveSealed(sealed);
  assertStrictEquals(buffers.takeSealed(), sealed);
  assertEquals(sealed.buffer.length, KEPT_BYTES);
});
