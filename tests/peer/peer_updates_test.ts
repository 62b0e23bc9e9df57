import { assert, assertEquals } from "@std/assert";
import { below, seededRandom } from "../../src/base/random.ts";
import { PeerSubscribers, type PeerUpdate, PeerUpdates } from "../../src/peer/peer_updates.ts";
import { peerId } from "./_clock.ts";

const up = (n: number): PeerUpdate => ({ id: peerId(n), status: "up" });
const down = (n: number): PeerUpdate => ({ id: peerId(n), status: "down" });
const drain = (updates: PeerUpdates): PeerUpdate[] => {
  const taken: PeerUpdate[] = [];
  for (let update = updates.take(); update !== undefined; update = updates.take()) taken.push(update);
  return taken;
};

Deno.test("PeerUpdates gives updates in order while the subscriber keeps up", () => {
  const updates = new PeerUpdates(4, () => {});
  const sent = [up(1), down(1), up(1), up(2)];
  for (const update of sent) updates.push(update);
  assertEquals(drain(updates), sent);
});

Deno.test("PeerUpdates collapses to the current state when the subscriber lags", () => {
  const updates = new PeerUpdates(3, () => {});
  updates.push(up(1));
  assertEquals(drain(updates), [up(1)]);
  for (const update of [up(2), down(1), up(3), up(1), down(2), down(3)]) updates.push(update);
  assertEquals(drain(updates), [], "1 is up as told, 2 and 3 came and went unseen");
  updates.push(down(1));
  updates.push(up(2));
  assertEquals(drain(updates), [down(1), up(2)], "and it delivers in order again");
});

Deno.test("PeerUpdates is bounded and leads to the true state whatever is pushed and taken", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = seededRandom(seed);
    const updates = new PeerUpdates(1 + below(random, 6), () => {});
    const truth = new Set<string>();
    const told = new Set<string>();
    const tell = (update: PeerUpdate) => {
      assertEquals(told.has(update.id), update.status === "down", `seed ${seed}: an update that changes nothing`);
      if (update.status === "up") told.add(update.id);
      else told.delete(update.id);
    };
    for (let step = 0; step < 300; step++) {
      if (random.next() < 0.3) {
        const update = updates.take();
        if (update !== undefined) tell(update);
        continue;
      }
      const n = below(random, 10);
      if (truth.delete(peerId(n))) updates.push(down(n));
      else {
        truth.add(peerId(n));
        updates.push(up(n));
      }
      assert(updates.size <= 10, `seed ${seed}: ${updates.size} wait`);
    }
    for (const update of drain(updates)) tell(update);
    assertEquals([...told].sort(), [...truth].sort(), `seed ${seed}`);
  }
});

Deno.test("PeerSubscribers tells a late subscriber who is up, and ends its loop when closed", async () => {
  const subscribers = new PeerSubscribers();
  const updates = subscribers.subscribe(8, [peerId(1)]);
  const seen: PeerUpdate[] = [];
  const loop = (async () => {
    for await (const update of updates) seen.push(update);
  })();
  await Promise.resolve();
  subscribers.publish(up(2));
  subscribers.publish(down(1));
  subscribers.close();
  subscribers.publish(up(3));
  await loop;
  assertEquals(seen, [up(1), up(2), down(1)]);
  updates.close();
});
