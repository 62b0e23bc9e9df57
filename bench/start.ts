import { Child, playRole } from "./child.ts";
import type { Benchmark } from "./harness.ts";
import type { SideName } from "./side.ts";

/** From the start of a process until a message went from one new node of it to another over an encrypted connection. */
export function start(): Benchmark {
  return {
    name: "start",
    unit: "ms",
    better: "lower",
    parameters: { nodes: 2, bytes: 100 },
    ours: () => measure("ours"),
    peer: () => measure("peer"),
  };
}

async function measure(side: SideName): Promise<number> {
  const spawned = performance.now();
  await using child = new Child(import.meta.url, "deliver", side, { bytes: 100 });
  await child.next<number>();
  return performance.now() - spawned;
}

if (import.meta.main) {
  await playRole<{ bytes: number }>({
    async deliver(side, { bytes }, report) {
      const { address } = await side.receiver((message) => report(message.length));
      const send = await side.sender(address);
      await send(new Uint8Array(bytes));
    },
  });
}
