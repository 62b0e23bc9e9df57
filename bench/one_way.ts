import { Child, playRole, ratePerSecond } from "./child.ts";
import type { Benchmark, MeasureOptions } from "./harness.ts";
import type { SideName } from "./side.ts";

/** Messages one way through one long-lived channel, sent one by one; the receiver counts. */
export function oneWay(name: string, bytes: number, unit: "messages/s" | "MB/s", options: MeasureOptions): Benchmark {
  const perMessage = unit === "MB/s" ? bytes / 1e6 : 1;
  const side = async (side: SideName) => await measure(side, { ...options, bytes }) * perMessage;
  return {
    name,
    unit,
    better: "higher",
    parameters: { bytes },
    ours: () => side("ours"),
    peer: () => side("peer"),
  };
}

interface Parameters extends MeasureOptions {
  bytes: number;
  address?: string;
}

async function measure(side: SideName, parameters: Parameters): Promise<number> {
  await using receiver = new Child(import.meta.url, "receive", side, parameters);
  const { address } = await receiver.next<{ address: string }>();
  await using _sender = new Child(import.meta.url, "send", side, { ...parameters, address });
  return (await receiver.next<{ rate: number }>()).rate;
}

if (import.meta.main) {
  await playRole<Parameters>({
    async receive(side, parameters, report) {
      let count = 0;
      const first = Promise.withResolvers<void>();
      const { address } = await side.receiver((message) => {
        if (message.length !== parameters.bytes) {
          throw new Error(`Received ${message.length} bytes: wanted ${parameters.bytes}`);
        }
        if (count++ === 0) first.resolve();
      });
      report({ address });
      await first.promise;
      report({ rate: await ratePerSecond(() => count, parameters) });
    },
    async send(side, { address, bytes }) {
      const send = await side.sender(address!);
      const message = crypto.getRandomValues(new Uint8Array(bytes));
      for (;;) {
        const room = send(message);
        if (room !== undefined) await room;
      }
    },
  });
}
