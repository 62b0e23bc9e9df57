import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import type { Address } from "../../src/identity/address.ts";
import { decodeRainTreeMessage } from "../../src/raintree/message.ts";
import type { Reliability } from "../../src/raintree/reliability.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { Spread } from "../../src/raintree/spread.ts";
import { exactPattern } from "../../src/raintree/tree.ts";
import { ACCEPTED, type Channel } from "../../src/router/channel.ts";
import { addresses } from "./networks.ts";
import { payload } from "./reliable_network.ts";

interface Handed {
  to: number;
  until: Uint8Array | undefined;
}

const MESSAGE = { nonce: 1n, atMs: 0, sequence: 0, data: payload(1n) };

/** One spread that stands for every node: what it sends, by position. */
function spreadOn(
  ring: Ring,
  { gone = [] as number[], v1 = [] as number[], reliability = {} as Partial<Reliability> } = {},
) {
  const handed: Handed[] = [];
  const unsent: number[] = [];
  const spread = new Spread({
    self: ring.at(0),
    channel: {
      send(to: Address, bytes: Uint8Array) {
        const position = ring.indexOf(to);
        if (gone.includes(position)) return Promise.reject(new P2pError("peer_unknown", "Gone"));
        handed.push({ to: position, until: decodeRainTreeMessage(bytes.slice()).until });
        return ACCEPTED;
      },
    } as unknown as Channel<Uint8Array>,
    isV1: (peer) => v1.includes(ring.indexOf(peer)),
    reliability: () => Object.keys(reliability).length === 0 ? undefined : reliability as Reliability,
    onUnsent: (to) => unsent.push(ring.indexOf(to)),
  });
  const take = () => handed.splice(0);
  return { spread, take, unsent };
}

const sizes = fc.integer({ min: 2, max: 400 }).chain((n) =>
  fc.record({ n: fc.constant(n), index: fc.nat(n - 1), size: fc.integer({ min: 1, max: n }) })
);

Deno.test("Spread.segment() reaches each node of any segment once, and only along connections that the tree has", () => {
  fc.assert(
    fc.property(sizes, ({ n, index, size }) => {
      const ring = Ring.of(addresses(n, 3));
      const { spread, take } = spreadOn(ring);
      const { offsets } = exactPattern(n);
      const reached = new Array<number>(n).fill(0);
      const open: [index: number, until: Uint8Array][] = [[index, ring.bytesAt(ring.indexAt(index, size))]];
      for (let next = open.pop(); next !== undefined; next = open.pop()) {
        const [from, until] = next;
        spread.segment(ring, from, until, 0, MESSAGE);
        for (const { to, until } of take()) {
          reached[to]++;
          assert(offsets.includes(ring.indexAt(to - from, 0)), `offset ${ring.indexAt(to - from, 0)} of ${n}`);
          open.push([to, until!]);
        }
      }
      for (let i = 0; i < n; i++) {
        const offset = ring.indexAt(i - index, 0);
        assertEquals(reached[i], offset > 0 && offset < size ? 1 : 0, `position ${i} of ${n}`);
      }
    }),
    { seed: 7, numRuns: 300 },
  );
});

Deno.test("Spread.segment() hands the rest to one node where the beginning was served before", () => {
  const ring = Ring.of(addresses(27, 3));
  const { spread, take } = spreadOn(ring);
  spread.segment(ring, 9, ring.bytesAt(20), 4, MESSAGE);
  assertEquals(take(), [{ to: 13, until: ring.bytesAt(20) }]);
});

Deno.test("Spread passes over whole segments of V1 peers, one leaf each, and goes on behind whoever is dead", () => {
  const ring = Ring.of(addresses(27, 3));
  const all = spreadOn(ring, { v1: [9, 10, 11] });
  all.spread.segment(ring, 0, ring.bytesAt(0), 0, MESSAGE);
  assertEquals(all.take().slice(0, 4).map(({ to, until }) => [to, until === undefined]), [[9, true], [10, true], [
    11,
    true,
  ], [12, false]]);
  const dead = new Set([18, 19, 20, 21, 22, 23, 24, 25, 26].map((i) => ring.at(i)));
  const stateOf = (peer: Address) => dead.has(peer) ? "dead" as const : "alive" as const;
  const some = spreadOn(ring, { reliability: { stateOf, holds: () => true, owed: () => undefined } });
  some.spread.segment(ring, 0, ring.bytesAt(0), 0, MESSAGE);
  assertEquals(some.take().map(({ to }) => to), [9, 3, 6, 1, 2]);
});

Deno.test("Spread sends nothing of what is forgotten, nor after close()", () => {
  const ring = Ring.of(addresses(27, 3));
  const { spread, take } = spreadOn(ring, { reliability: { stateOf: () => "alive", holds: () => false } });
  spread.segment(ring, 0, ring.bytesAt(0), 0, MESSAGE);
  spread.levels(ring, 0, 3, MESSAGE);
  const handover = { ring, target: 9, level: 0, message: MESSAGE, tries: 0, bare: true, confirm: undefined };
  spread.adjust({ ...handover, until: ring.bytesAt(18) });
  spread.again({ ...handover, until: ring.bytesAt(18) });
  assertEquals(take(), []);
  const closed = spreadOn(ring);
  closed.spread.close();
  closed.spread.adjust({ ...handover, until: ring.bytesAt(18) });
  closed.spread.again({ ...handover, until: ring.bytesAt(18) });
  assertEquals([closed.take(), closed.spread.writes], [[], 0]);
});

Deno.test("Spread.adjust() ends at the end of the segment, and in classic mode after two replacements", () => {
  const ring = Ring.of(addresses(27, 3));
  const { spread, take } = spreadOn(ring);
  const exact = {
    ring,
    level: 0,
    message: MESSAGE,
    tries: 0,
    bare: false,
    confirm: undefined,
    until: ring.bytesAt(18),
  };
  spread.adjust({ ...exact, target: 16 });
  spread.adjust({ ...exact, target: 17 });
  assertEquals(take(), [{ to: 17, until: ring.bytesAt(18) }]);
  const classic = { ...exact, until: undefined, level: 2 };
  spread.adjust({ ...classic, target: 9 });
  spread.adjust({ ...classic, target: 10, level: 1, tries: 1 });
  spread.adjust({ ...classic, target: 8, level: 1, tries: 2 });
  // The one after the target is this node itself.
  spread.adjust({ ...classic, target: 26 });
  assertEquals(take().map(({ to }) => to), [10, 8]);
});

Deno.test("Spread.toAll() names everybody but the originator, and whole() waits for all of it", async () => {
  const ring = Ring.of(addresses(9, 3));
  const { spread, take, unsent } = spreadOn(ring, { gone: [4] });
  await spread.whole(() => spread.toAll(ring, 2, MESSAGE, () => true));
  assertEquals(
    take().map(({ to, until }) => [to, ring.segmentSize(to, until!)]),
    [3, 5, 6, 7, 8, 0, 1].map((to) => [
      to,
      1,
    ]),
  );
  assertEquals(unsent, [4]);
});
