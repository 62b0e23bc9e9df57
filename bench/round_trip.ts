import { Child, playRole, ratePerSecond } from "./child.ts";
import type { Benchmark, MeasureOptions } from "./harness.ts";
import type { SideName } from "./side.ts";

/** Request and response of `bytes` each, one outstanding. */
export function roundTrip(options: MeasureOptions): Benchmark {
  const bytes = 100;
  return {
    name: "round-trip-100b",
    unit: "requests/s",
    better: "higher",
    parameters: { bytes, outstanding: 1 },
    ours: () => measure("ours", { ...options, bytes }),
    peer: () => measure("peer", { ...options, bytes }),
  };
}

interface Parameters extends MeasureOptions {
  bytes: number;
  address?: string;
}

async function measure(side: SideName, parameters: Parameters): Promise<number> {
  await using server = new Child(import.meta.url, "serve", side, parameters);
  const { address } = await server.next<{ address: string }>();
  await using client = new Child(import.meta.url, "ask", side, { ...parameters, address });
  return (await client.next<{ rate: number }>()).rate;
}

if (import.meta.main) {
  await playRole<Parameters>({
    async serve(side, _parameters, report) {
      report(await side.echoServer());
    },
    async ask(side, parameters, report) {
      const request = await side.requester(parameters.address!);
      const message = crypto.getRandomValues(new Uint8Array(parameters.bytes));
      let count = 0;
      let reported = false;
      ratePerSecond(() => count, parameters).then((rate) => {
        report({ rate });
        reported = true;
      });
      while (!reported) {
        const answer = await request(message);
        if (answer.length !== message.length) {
          throw new Error(`Received ${answer.length} bytes: wanted ${message.length}`);
        }
        count++;
      }
    },
  });
}
