import { Child, playRole, sleep } from "./child.ts";
import { Broadcaster } from "./broadcaster.ts";
import type { Benchmark } from "./harness.ts";
import type { SideName } from "./side.ts";

const NODES = 27;
const BYTES = 1024;

/** One broadcast by each node before memory is read, so that every connection has carried something and every buffer has its size. */
const WARMUP_BROADCASTS = NODES;

/** Garbage collections before a reading, with a pause between them for finalizers. */
const COLLECTIONS = 5;

const MIB = 1 << 20;

/** Resident memory that a connected node adds to a process which has the side's modules loaded. */
export function memoryPerNode(): Benchmark {
  return {
    name: "memory-per-node-27",
    unit: "MiB",
    better: "lower",
    parameters: { nodes: NODES, warmupBroadcasts: WARMUP_BROADCASTS },
    ours: () => measure("ours"),
    peer: () => measure("peer"),
  };
}

async function measure(side: SideName): Promise<number> {
  await using child = new Child(import.meta.url, "hold", side, {});
  return await child.next<number>();
}

async function residentMib(): Promise<number> {
  for (let i = 0; i < COLLECTIONS; i++) {
    (globalThis as unknown as { gc: () => void }).gc();
    await sleep(100);
  }
  return Deno.memoryUsage().rss / MIB;
}

if (import.meta.main) {
  await playRole<unknown>({
    async hold(side, _parameters, report) {
      await side.load();
      const before = await residentMib();
      const network = new Broadcaster(NODES, BYTES);
      await network.connect(side, { signed: false });
      for (let i = 0; i < WARMUP_BROADCASTS; i++) await network.toAll(i % NODES);
      report((await residentMib() - before) / NODES);
    },
  });
}
