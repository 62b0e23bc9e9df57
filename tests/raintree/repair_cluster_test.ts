import { assert, assertEquals } from "@std/assert";
import { RepairCluster, type RepairClusterOptions } from "./repair_cluster.ts";

/** The arithmetic of a long simulation in short: bars of the issue, a few seeds. */
async function broadcast(options: RepairClusterOptions, colluding = false) {
  const cluster = new RepairCluster(options);
  const nonce = cluster.broadcast(0, { colluding });
  await cluster.clock.advance(6000);
  const outcome = cluster.outcome(nonce);
  const bytes = cluster.nodes.reduce((sum, { outbox }) => sum + outbox.counts.bytes, 0) / cluster.nodes.length;
  const wants = cluster.nodes.reduce((sum, { outbox }) => sum + outbox.counts.wants, 0);
  const misbehaved = cluster.honest.flatMap((node) => node.misbehaved);
  cluster.close();
  assertEquals(cluster.clock.pending, 0, "timers are left");
  return { ...outcome, bytes, wants, misbehaved };
}

Deno.test("Repair has nothing to repair without faults, at any latency the tree likes", async () => {
  for (const [nodes, latencyMs] of [[27, [30, 70]], [300, [30, 70]], [100, [0.2, 0.6]]] as const) {
    for (let seed = 1; seed <= 3; seed++) {
      const { missed, copies, wants, bytes } = await broadcast({ nodes, seed, latencyMs: [...latencyMs] });
      assertEquals([missed, wants], [0, 0], `seed ${seed}, ${nodes} nodes`);
      assertEquals(Math.round(copies * nodes), nodes - 1);
      assert(bytes <= 60, `${bytes} bytes a node`);
    }
  }
});

for (const [nodes, liars, seeds] of [[100, 0.1, 10], [100, 0.33, 10], [1000, 0.33, 1]] as const) {
  for (const colluding of [false, true]) {
    const who = `${100 * liars} % of ${nodes} nodes take what they get, offer it, and send nothing`;
    Deno.test(`Repair reaches every honest node within 2 s when ${who}${colluding ? ", before they have it" : ""}`, async () => {
      for (let seed = 1; seed <= seeds; seed++) {
        const { missed, times, copies } = await broadcast({ nodes, liars, seed }, colluding);
        assertEquals(missed, 0, `seed ${seed}`);
        assert(times.at(-1)! <= 2000, `seed ${seed}: the last after ${times.at(-1)} ms`);
        assert(copies <= 1.5, `seed ${seed}: ${copies} copies`);
      }
    });
  }
}

Deno.test("Repair reaches everybody when a third is silently dead, and adds little to what adjusting sends", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const bare = await broadcast({ nodes: 200, dead: 0.33, seed, repair: false });
    const { missed, copies, misbehaved } = await broadcast({ nodes: 200, dead: 0.33, seed });
    assertEquals([missed, misbehaved], [0, []], `seed ${seed}`);
    // Here the tree sends its copy to the repaired too; the router hands them the bare duty.
    assert(copies <= bare.copies + 0.3, `seed ${seed}: ${copies} copies, ${bare.copies} without repair`);
  }
});

Deno.test("Repair fills segments that the tree left out, and single nodes", async () => {
  const nodes = 200;
  for (const missing of [[100], [50, 150], range(1, 67), range(10, 190), range(1, 200)]) {
    const cluster = new RepairCluster({ nodes, seed: missing.length });
    const nonce = cluster.place(range(0, nodes).filter((index) => !missing.includes(index)));
    await cluster.clock.advance(4000);
    const { missed, times } = cluster.outcome(nonce);
    assertEquals(missed, 0, `${missing.length} missing`);
    assert(times.at(-1)! <= 3000, `${missing.length} missing: the last after ${times.at(-1)} ms`);
    // Hardly anybody was sent it by two.
    assert(cluster.payloads <= 1.15 * missing.length + 1, `${cluster.payloads} payloads for ${missing.length}`);
    cluster.close();
  }
});

Deno.test("Repair costs less than 100 bytes per broadcast and node at 100 broadcasts a second", async () => {
  const nodes = 27;
  const cluster = new RepairCluster({ nodes, seed: 5 });
  for (let i = 0; i < 200; i++) {
    cluster.broadcast(i % nodes);
    await cluster.clock.advance(10);
  }
  await cluster.clock.advance(2000);
  const bytes = cluster.nodes.reduce((sum, { outbox }) => sum + outbox.counts.bytes, 0) / nodes / 200;
  assert(bytes <= 60, `${bytes} bytes`);
  assertEquals(cluster.payloads, 200 * (nodes - 1));
  assertEquals(cluster.clock.pending, 0);
});

Deno.test("Repair gives a node back what it missed while it was silent", async () => {
  const nodes = 27;
  const cluster = new RepairCluster({ nodes, seed: 6 });
  const late = cluster.nodes[20];
  late.kind = "dead";
  const nonces = Array.from({ length: 500 }, () => cluster.place(range(0, nodes).filter((index) => index !== 20)));
  await cluster.clock.advance(5000);
  assertEquals(late.got.size, 0);
  late.kind = "honest";
  for (const node of cluster.nodes.slice(15, 20)) node.repair!.recovered(late.address);
  await cluster.clock.advance(3000);
  assertEquals(nonces.filter((nonce) => late.got.has(nonce)).length, 500);
  assert(late.payloads <= 600, `${late.payloads} payloads`);
  assertEquals(cluster.honest.flatMap((node) => node.misbehaved), []);
  cluster.close();
});

Deno.test("Repair sends no more than it receives when a staked peer forges offers, wants and questions", async () => {
  const cluster = new RepairCluster({ nodes: 50, seed: 7 });
  const [victim, attacker] = cluster.nodes;
  cluster.broadcast(0);
  await cluster.clock.advance(2000);
  const before = victim.outbox.counts.bytes;
  const payloads = cluster.payloads;
  attacker.kind = "liar";
  let nonce = 1n;
  for (let i = 0; i < 200; i++) {
    for (let j = 0; j < 50; j++) {
      attacker.outbox.offer(victim.address, nonce++);
      attacker.outbox.want(victim.address, nonce++);
      attacker.outbox.ask(victim.address, nonce++);
      attacker.outbox.ask(victim.address, [...victim.got.keys()][0]);
    }
    await cluster.clock.advance(25);
  }
  await cluster.clock.advance(5000);
  const received = attacker.outbox.counts.bytes;
  const said = victim.outbox.counts.bytes - before;
  assert(said <= received, `${said} bytes for ${received}`);
  assertEquals(cluster.payloads, payloads);
  const codes = new Set(victim.misbehaved.filter(({ from }) => from === attacker.address).map(({ code }) => code));
  assertEquals([...codes].sort(), ["repair_not_offered", "repair_not_sent"]);
  cluster.close();
});

function range(from: number, until: number): number[] {
  return Array.from({ length: until - from }, (_, i) => from + i);
}
