import { assert, assertEquals } from "@std/assert";
import type { Address } from "../../src/identity/address.ts";
import { Igyw } from "../../src/raintree/igyw.ts";
import { RecentMessages } from "../../src/raintree/recent_messages.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { addresses } from "./networks.ts";
import { RecordingSink } from "./recording_sink.ts";
import { RepairCluster } from "./repair_cluster.ts";

function rig(nodes = 20) {
  const clock = new VirtualClock();
  const sink = new RecordingSink();
  const ring = Ring.of(addresses(nodes, nodes));
  const recent = new RecentMessages({ clock });
  const seen = new Set<bigint>();
  const dead = new Set<Address>();
  const delivered: [to: Address, nonce: bigint][] = [];
  const igyw = new Igyw({
    clock,
    self: ring.at(0),
    ring: () => ring,
    sink,
    recent,
    has: (nonce) => seen.has(nonce),
    isDead: (peer) => dead.has(peer),
    deliver: (to, { nonce }) => delivered.push([to, nonce]),
    delayMs: 500,
    timeoutMs: 250,
    stepsMax: 4,
  });
  const got = (nonce: bigint) => {
    seen.add(nonce);
    igyw.got(recent.add(nonce, new Uint8Array(10)));
  };
  /** Whom it asked since the last call, as offsets on the ring. */
  const asked = () =>
    sink.take().map(({ what, to }) => {
      assertEquals(what, "ask");
      const at = ring.indexOf(to);
      return at > nodes / 2 ? at - nodes : at;
    });
  return { clock, sink, ring, dead, delivered, igyw, got, asked };
}

Deno.test("Igyw asks both neighbours when the tree is through, and is content when they have it", async () => {
  const { clock, ring, igyw, got, asked, delivered } = rig();
  got(7n);
  await clock.advance(450);
  assertEquals(asked(), []);
  await clock.advance(100);
  assertEquals(asked(), [1, -1]);
  igyw.denied(ring.at(1), [7n]);
  igyw.denied(ring.at(0, -1), [7n]);
  await clock.advance(5000);
  assertEquals([asked(), delivered, clock.pending, igyw.sizes.walks], [[], [], 0, 0]);
});

Deno.test("Igyw walks on past silent and dead neighbours, on each side for itself, a few steps", async () => {
  const { clock, ring, dead, igyw, got, asked } = rig();
  dead.add(ring.at(2));
  got(7n);
  await clock.advance(550);
  assertEquals(asked(), [1, -1]);
  igyw.denied(ring.at(0, -1), [7n]);
  const steps: number[][] = [];
  for (let i = 0; i < 5; i++) {
    await clock.advance(250);
    steps.push(asked());
  }
  assertEquals(steps, [[3], [4], [5], [], []]);
  await clock.advance(1000);
  assertEquals([asked(), clock.pending, igyw.sizes.walks], [[], 0, 0]);
});

Deno.test("Igyw sends to who wants it, once, also when the answer is late, and hands back other wants", async () => {
  const { clock, ring, igyw, got, asked, delivered } = rig();
  got(7n);
  await clock.advance(850);
  assertEquals(asked(), [1, -1, 2, -2]);
  assertEquals(igyw.wanted(ring.at(1), [7n, 8n]), [8n]);
  assertEquals(igyw.wanted(ring.at(1), [7n]), [7n]);
  assertEquals(igyw.wanted(ring.at(5), [7n]), [7n]);
  assertEquals(delivered, [[ring.at(1), 7n]]);
  await clock.advance(250);
  // That side is over; the other goes on.
  assertEquals(asked(), [-3]);
  igyw.close();
});

Deno.test("Igyw.asked() says what it has, and wants the rest of one at a time", async () => {
  const { clock, sink, ring, igyw, got } = rig();
  got(7n);
  const [a, b] = [ring.at(1), ring.at(2)];
  igyw.asked(a, [7n, 8n]);
  igyw.asked(b, [8n]);
  igyw.asked(addresses(1, 99)[0], [7n, 9n]);
  assertEquals(sink.take(), [{ what: "deny", to: a, nonce: 7n }, { what: "want", to: a, nonce: 8n }]);
  await clock.advance(250);
  igyw.asked(b, [8n]);
  assertEquals(sink.take(), [{ what: "want", to: b, nonce: 8n }]);
  for (let nonce = 100n; nonce < 10_100n; nonce++) igyw.asked(a, [nonce]);
  assertEquals(igyw.sizes.wants, 4096);
  igyw.close();
});

Deno.test("Igyw asks one neighbour of two nodes once, and nobody alone", async () => {
  for (const [nodes, offsets] of [[1, []], [2, [1]], [3, [1, -1]]] as const) {
    const { clock, got, asked, igyw } = rig(nodes);
    got(7n);
    await clock.advance(600);
    assertEquals(asked(), [...offsets], `${nodes} nodes`);
    igyw.close();
  }
});

Deno.test("Igyw asks about a bounded number of broadcasts at once, and leaves no timer when closed", async () => {
  const { clock, igyw, got } = rig();
  for (let nonce = 1n; nonce <= 6000n; nonce++) got(nonce);
  await clock.advance(600);
  assertEquals(igyw.sizes.walks, 4096);
  igyw.close();
  igyw.close();
  got(9999n);
  assertEquals([clock.pending, igyw.sizes.walks], [0, 0]);
});

Deno.test("Igyw heals a segment that the tree left out, with one payload for each node", async () => {
  const cluster = new RepairCluster({ nodes: 60, seed: 1, repair: false, igyw: {} });
  const missing = new Set([10, 11, 12, 13, 30]);
  const nonce = cluster.place(Array.from({ length: 60 }, (_, i) => i).filter((index) => !missing.has(index)));
  await cluster.clock.advance(6000);
  assertEquals(cluster.outcome(nonce).missed, 0);
  assert(cluster.payloads <= 2 * missing.size, `${cluster.payloads} payloads`);
  assertEquals(cluster.clock.pending, 0);
  cluster.close();
});
