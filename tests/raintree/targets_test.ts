import { assertEquals, assertLessOrEqual } from "@std/assert";
import { addressFromBytes, addressToBytes } from "../../src/identity/address.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { simulateClassic } from "../../src/raintree/simulate.ts";
import { visitHandovers, visitLevelTargets } from "../../src/raintree/targets.ts";
import { exactOffsets, maxLevels } from "../../src/raintree/tree.ts";
import { addresses, broadcastExact } from "./networks.ts";

const seed = 0x7a6;
const pool = addresses(1000, seed);

/** The nodes that did not receive exactly once. */
function irregular(received: Map<string, number>, nodes: Iterable<string>, originator: string): string[] {
  return [...nodes].filter((node) => (received.get(node) ?? 0) !== (node === originator ? 0 : 1));
}

Deno.test("visitHandovers() reaches everyone exactly once from every originator", () => {
  for (let n = 1; n <= 1000; n++) {
    const ring = Ring.of(pool.slice(0, n));
    // Every originator up to 81; above, the ring's seam and one in the middle, since rotation is all that differs.
    const originators = n <= 81 ? [...ring] : [ring.at(0), ring.at(n >> 1), ring.at(n - 1)];
    for (const originator of originators) {
      const { received, depth } = broadcastExact(originator, () => ring);
      assertEquals(irregular(received, ring, originator), [], `n ${n}, from ${originator}, seed ${seed}`);
      assertLessOrEqual(depth, maxLevels(n), `n ${n}, from ${originator}, seed ${seed}`);
    }
  }
});

Deno.test("visitHandovers() sends only to the offsets of exactOffsets()", () => {
  const ring = Ring.of(pool.slice(0, 100));
  const sent = new Set<number>();
  // All originators at once: each answers for the whole ring, and the hand-overs join the list being walked.
  const duties: [node: number, until: Uint8Array][] = [...ring].map((_, self) => [self, ring.bytesAt(self)]);
  for (const [self, until] of duties) {
    visitHandovers(ring, self, until, (target, bound) => {
      sent.add((target - self + 100) % 100);
      duties.push([target, bound]);
    });
  }
  assertEquals(duties.length, 100 * 100);
  assertEquals([...sent].sort((a, b) => a - b), exactOffsets(100));
});

Deno.test("visitHandovers() reaches a peer that only the delegate knows", () => {
  for (const n of [2, 3, 9, 27, 40]) {
    const common = Ring.of(pool.slice(0, n));
    for (const stranger of pool.slice(n, n + 40)) {
      for (const originator of [common.at(0), common.at(n >> 1)]) {
        // Whoever broadcasts, the last to answer for the stranger's place is the node before it.
        const all = common.with({ add: [stranger] });
        const delegate = all.at(all.indexOf(stranger), -1);
        const { received } = broadcastExact(
          originator,
          (node) => node === delegate || node === stranger ? all : common,
        );
        assertEquals(irregular(received, all, originator), [], `n ${n}, ${stranger} behind ${delegate}, seed ${seed}`);
      }
    }
  }
});

Deno.test("visitHandovers() reaches whom all delegates know, once, when every node lacks some other peers", () => {
  // Each node knows itself, the common ones, and half of the rest: whatever it hands over, nobody common is lost or served twice
  // as long as the heads it picks are alive, and every picked head is.
  for (let round = 0; round < 50; round++) {
    const nodes = pool.slice(round * 7, round * 7 + 60);
    const common = nodes.slice(0, 30);
    const views = new Map(nodes.map((node, i) => {
      const extra = nodes.slice(30).filter((other, j) => other !== node && ((i * 31 + j * 17 + round) % 5) < 2);
      return [node, Ring.of(new Set([...common, ...extra, node]))];
    }));
    for (const originator of common.slice(0, 5)) {
      const { received } = broadcastExact(originator, (node) => views.get(node)!);
      assertEquals(irregular(received, common, originator), [], `round ${round}, seed ${seed}`);
      assertEquals([...received.values()].filter((count) => count !== 1), [], `round ${round}, seed ${seed}`);
    }
  }
});

Deno.test("visitHandovers() passes on a bound that its ring does not hold", () => {
  const byte = (value: number) => addressFromBytes(new Uint8Array(20).fill(value));
  const ring = Ring.of([10, 20, 30, 40, 50].map(byte));
  const handed: [string, string][] = [];
  const collect = (target: number, until: Uint8Array) => handed.push([ring.at(target), addressFromBytes(until)]);
  visitHandovers(ring, 1, addressToBytes(byte(45)), collect); // 20 answers for 20, 30, 40
  assertEquals(handed, [[byte(30), byte(40)], [byte(40), byte(45)]]);
  handed.length = 0;
  visitHandovers(ring, 1, addressToBytes(byte(25)), collect); // nobody between 20 and 25
  assertEquals(handed, []);
  visitHandovers(ring, 4, addressToBytes(byte(15)), collect); // over the seam
  assertEquals(handed, [[byte(10), byte(15)]]);
});

Deno.test("visitLevelTargets() makes the counted traffic from any originator", () => {
  for (let n = 1; n <= 81; n++) {
    const { reads, writes } = simulateClassic(n);
    for (const originator of [0, n >> 1, n - 1]) {
      const read = new Array<number>(n).fill(0);
      const wrote = new Array<number>(n).fill(0);
      const duties: [node: number, level: number][] = [[originator, maxLevels(n)]];
      for (const [node, duty] of duties) {
        visitLevelTargets(n, node, duty, (target, level) => {
          wrote[node]++;
          read[target]++;
          duties.push([target, level - 1]);
        });
      }
      const turned = (counts: number[]) => counts.map((_, node) => counts[(node - originator + n) % n]);
      assertEquals({ read, wrote }, { read: turned(reads), wrote: turned(writes) }, `n ${n}, from ${originator}`);
    }
  }
});
