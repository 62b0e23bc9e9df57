import { Child, playRole, ratePerSecond } from "./child.ts";
import type { Benchmark, MeasureOptions } from "./harness.ts";
import type { SideName } from "./side.ts";

/** A new `pokt/raintree/v1.0.0` stream for each 1 KiB message; the receiver counts the messages that it read to their end. */
export function streamPerMessage(options: MeasureOptions): Benchmark {
  const bytes = 1024;
  const row = (inFlight: number) => ({
    parameters: { bytes, inFlight },
    ours: () => measure("ours", { ...options, bytes, inFlight }),
    peer: () => measure("peer", { ...options, bytes, inFlight }),
  });
  return {
    name: "stream-per-message",
    unit: "messages/s",
    better: "higher",
    ...row(32),
    variants: { oneInFlight: row(1) },
  };
}

interface Parameters extends MeasureOptions {
  bytes: number;
  inFlight: number;
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
      const { address } = await side.messageServer((message) => {
        if (message.length !== parameters.bytes) {
          throw new Error(`Received ${message.length} bytes: wanted ${parameters.bytes}`);
        }
        if (count++ === 0) first.resolve();
      });
      report({ address });
      await first.promise;
      report({ rate: await ratePerSecond(() => count, parameters) });
    },
    async send(side, { address, bytes, inFlight }) {
      const send = await side.messenger(address!);
      const message = crypto.getRandomValues(new Uint8Array(bytes));
      await Promise.all(Array.from({ length: inFlight }, async () => {
        for (;;) await send(message);
      }));
    },
  });
}
