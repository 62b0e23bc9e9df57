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

Deno.test("a receipt does not count a node whose application got something else under the nonce, but those behind it", async () => {
  const nonce = 77n;
  const content = (text: string) => ({ typeUrl: "test/receipt", value: new TextEncoder().encode(text) });
  // The head of three, and a leaf.
  for (const position of [3, 7]) {
    for (const receipt of [true, "signed"] as const) {
      await using cluster = await SimCluster.start({ nodes: 9, seed: 3 });
      const { clock, nodes } = cluster;
      const victim = nodes[position].key.address;
      const forged = nodes[8].module.send(victim, content("forged"), { nonce });
      await clock.advance(500);
      await forged;
      let missing: readonly string[] | undefined;
      nodes[0].module.broadcast(content("true"), { nonce, receipt, deadlineMs: 5000 })
        .then((outcome) => missing = outcome?.missing);
      await cluster.until("receipt", () => missing !== undefined, 5000);
      assertEquals(missing, [victim], `node ${position}, receipt ${receipt}`);
    }
  }
});

Deno.test("a receipt counts who got a redundant copy before the question, whichever layers are off", async () => {
  for (const config of [{ redundancy: 1 }, { redundancy: 1, acks: false, repair: false }]) {
    await using cluster = await SimCluster.start({ nodes: 27, seed: 3, config });
    const broadcast = cluster.broadcast(0, 256, 5000);
    await cluster.until("receipt", () => broadcast.receipt !== undefined, 6000);
    assertEquals(broadcast.receipt!.missing, []);
  }
});
