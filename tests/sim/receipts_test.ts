import { assert, assertEquals, assertRejects } from "@std/assert";
import { SimCluster } from "../../src/sim/sim_cluster.ts";

const CONTENT = { typeUrl: "test/receipt", value: new Uint8Array() };

Deno.test("a receipt of nodes that have just started, whose round trips nobody has measured, names nobody who lives as missing", async () => {
  for (const nodes of [27, 81]) {
    const cluster = await SimCluster.start({ nodes, seed: 3 });
    const broadcast = cluster.broadcast(0, 256, 1000);
    await cluster.until("receipt", () => broadcast.receipt !== undefined, 1000);
    assertEquals([broadcast.receipt!.missing, broadcast.receipt!.reached], [[], nodes - 1]);
  }
});

Deno.test("a receipt comes at its deadline, also where targets would have to be dialled and nobody answers", async () => {
  const cluster = await SimCluster.start({ nodes: 9, seed: 7 });
  const { clock, network, nodes } = cluster;
  const dead = [3, 4, 5, 6].map((position) => nodes[position].key.address);
  for (const address of dead) network.crash(address, { silent: true });
  const { router } = nodes[0].module;
  await cluster.until("end of their connections", () => dead.every((each) => router.socket(each) === undefined), 3e5);
  for (let i = 0; i < 3; i++) {
    const startMs = clock.now();
    const broadcast = cluster.broadcast(0, 64, 300);
    await cluster.until("receipt", () => broadcast.receipt !== undefined, 350);
    assertEquals(clock.now() - startMs <= 350, true);
    assertEquals(dead.every((each) => broadcast.receipt!.missing.includes(each)), true);
    await clock.advance(1000);
  }
});

Deno.test("a receipt waits for the dead until they are known to be dead, and no longer", async () => {
  const cluster = await SimCluster.start({ nodes: 27, seed: 3 });
  const dead = [1, 9, 22].map((position) => cluster.nodes[position].key.address);
  for (const address of dead) cluster.network.crash(address, { silent: true });
  const broadcast = cluster.broadcast(0, 256, 60_000);
  await cluster.until("receipt", () => broadcast.receipt !== undefined, 60_000);
  const { missing, elapsedMs } = broadcast.receipt!;
  assertEquals(missing.toSorted(), dead.toSorted());
  assert(elapsedMs < 15_000, `after ${elapsedMs} ms`);
});

Deno.test("P2PModule.broadcast() asks for a receipt where it is told to, and refuses what is none", async () => {
  await using cluster = await SimCluster.start({ nodes: 3, seed: 1 });
  const { module } = cluster.nodes[0];
  assertEquals(await module.broadcast(CONTENT, { receipt: false }), undefined);
  // deno-lint-ignore no-explicit-any
  for (const receipt of ["yes", 1, {}, null] as any[]) {
    await assertRejects(() => module.broadcast(CONTENT, { receipt }), TypeError, "wanted true or");
  }
});
