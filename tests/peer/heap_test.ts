import { assertEquals } from "@std/assert";
import { below, seededRandom } from "../../src/base/random.ts";
import { Heap } from "../../src/peer/heap.ts";

Deno.test("Heap gives the first item whatever was put, moved and removed", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed);
    const heap = new Heap<{ rank: number }>((a, b) => a.rank < b.rank);
    const inside = new Set<{ rank: number }>();
    const items = Array.from({ length: 40 }, () => ({ rank: 0 }));
    for (let step = 0; step < 400; step++) {
      const item = items[below(random, items.length)];
      if (random.next() < 0.3) {
        assertEquals(heap.remove(item), inside.delete(item), `seed ${seed}`);
      } else {
        item.rank = below(random, 30);
        heap.put(item);
        inside.add(item);
      }
      assertEquals(heap.size, inside.size, `seed ${seed}`);
      const least = inside.size === 0 ? undefined : Math.min(...[...inside].map(({ rank }) => rank));
      assertEquals(heap.peek()?.rank, least, `seed ${seed} step ${step}`);
    }
  }
});
