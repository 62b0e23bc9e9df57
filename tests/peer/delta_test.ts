import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { delta } from "../../src/peer/delta.ts";
import { staked } from "./_staked.ts";

Deno.test("delta() tells who came, went and moved", () => {
  assertEquals(delta([staked(1), staked(2), staked(3)], [staked(2, 9), staked(3), staked(4)]), {
    added: [staked(4)],
    removed: [staked(1)],
    moved: [staked(2, 9)],
  });
  assertEquals(delta([staked(1)], [{ ...staked(1), stake: 5n }]), { added: [], removed: [], moved: [] });
});

Deno.test("delta() applied to the old set gives the next one", () => {
  const set = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 3 })), {
    selector: ([n]) => n,
  }).map((entries) => entries.map(([n, place]) => staked(n, place)));
  fc.assert(
    fc.property(set, set, (old, next) => {
      const { added, removed, moved } = delta(old, next);
      const now = new Map(old.map((peer) => [peer.address, peer]));
      for (const { address } of removed) assertEquals(now.delete(address), true);
      for (const peer of added) now.set(peer.address, peer);
      for (const peer of moved) now.set(peer.address, peer);
      assertEquals(now, new Map([...now.keys()].map((id) => [id, next.find(({ address }) => address === id)!])));
      assertEquals(now.size, next.length);
      assertEquals(added.length + removed.length + moved.length, new Set([...added, ...removed, ...moved]).size);
    }),
    { seed: 11 },
  );
});
