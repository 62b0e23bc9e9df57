import { Child, playRole, ratePerSecond } from "./child.ts";
import type { Benchmark, MeasureOptions } from "./harness.ts";
import type { SideName } from "./side.ts";

/** Dials with a complete handshake, one after the other, each closed again. */
export function dial(options: MeasureOptions): Benchmark {
  return {
    name: "dial",
    unit: "dials/s",
    better: "higher",
    parameters: { outstanding: 1 },
    ours: () => measure("ours", options),
    peer: () => measure("peer", options),
  };
}

interface Parameters extends MeasureOptions {
  address?: string;
}

async function measure(side: SideName, parameters: Parameters): Promise<number> {
  await using server = new Child(import.meta.url, "serve", side, parameters);
  const { address } = await server.next<{ address: string }>();
  await using client = new Child(import.meta.url, "dial", side, { ...parameters, address });
  return (await client.next<{ rate: number }>()).rate;
}

if (import.meta.main) {
  await playRole<Parameters>({
    async serve(side, _parameters, report) {
      report(await side.dialServer());
    },
    async dial(side, parameters, report) {
      const dialOnce = await side.dialler(parameters.address!);
      let count = 0;
      let reported = false;
      ratePerSecond(() => count, parameters).then((rate) => {
        report({ rate });
        reported = true;
      });
      while (!reported) {
        await dialOnce();
        count++;
      }
    },
  });
}
