import { assertEquals } from "@std/assert";
import { below, seededRandom } from "../../src/base/random.ts";
import { NonceIndex } from "../../src/raintree/nonce_index.ts";

Deno.test("NonceIndex does as a map does, whatever is put and removed", () => {
  const seed = 0x1d;
  const random = seededRandom(seed);
  for (const places of [1, 2, 5, 64]) {
    const index = new NonceIndex(places, random.fill(new Uint8Array(8)));
    const held = new Map<bigint, number>();
    const free = Array.from({ length: places }, (_, place) => place);
    for (let step = 0; step < 20_000; step++) {
      const nonce = BigInt(1 + below(random, 2 * places)) << BigInt(below(random, 2) * 32);
      const place = index.find(nonce);
      assertEquals(place, held.get(nonce) ?? -1, `seed ${seed}, ${places} places, step ${step}`);
      if (place >= 0) {
        assertEquals(index.at(place), nonce);
        if (below(random, 2) === 0) continue;
        index.remove(place);
        held.delete(nonce);
        free.push(place);
      } else if (free.length > 0) {
        const taken = free.splice(below(random, free.length), 1)[0];
        index.put(taken, nonce);
        held.set(nonce, taken);
      }
    }
  }
});
