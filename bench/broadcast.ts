import { Broadcaster } from "./broadcaster.ts";
import { Child, playRole, ratePerSecond } from "./child.ts";
import { type Benchmark, type MeasureOptions, median } from "./harness.ts";
import type { SideName } from "./side.ts";

const NODES = 27;
const BYTES = 1024;

/** Broadcasts by one node, many in flight: how many deliveries a second in all. By every node in turn they are spread over all connections: a variant. */
export function broadcastRate(options: MeasureOptions): Benchmark {
  const parameters = { ...options, nodes: NODES, bytes: BYTES, inFlight: 32 };
  return row("broadcast-27-rate", "deliveries/s", "higher", "rate", parameters);
}

/** Broadcasts one at a time: how long the last node waits, the median. */
export function broadcastTime(options: MeasureOptions): Benchmark {
  const parameters = { ...options, nodes: NODES, bytes: BYTES, inFlight: 1 };
  return row("broadcast-27-time", "ms", "lower", "time", parameters);
}

interface Parameters extends MeasureOptions {
  nodes: number;
  bytes: number;
  inFlight: number;
}

interface Work extends Parameters {
  /** Whether gossipsub signs. */
  signed: boolean;
  /** Whether every node broadcasts in turn, or node 0 alone. */
  everyOrigin: boolean;
}

function row(name: string, unit: string, better: Benchmark["better"], role: string, parameters: Parameters): Benchmark {
  const { nodes, bytes, inFlight } = parameters;
  const work = (side: SideName, signed = false, everyOrigin = false) =>
    measure(side, role, { ...parameters, signed, everyOrigin });
  return {
    name,
    unit,
    better,
    parameters: { nodes, bytes, inFlight },
    ours: () => work("ours"),
    peer: () => work("peer"),
    variants: {
      signedPeer: { parameters: { nodes, bytes, inFlight, signed: "peer" }, peer: () => work("peer", true) },
      everyOrigin: {
        parameters: { nodes, bytes, inFlight, origins: nodes },
        ours: () => work("ours", false, true),
        peer: () => work("peer", false, true),
      },
    },
  };
}

async function measure(side: SideName, role: string, parameters: Work): Promise<number> {
  await using network = new Child(import.meta.url, role, side, parameters);
  return await network.next<number>();
}

/** Who broadcasts next. */
function origins({ everyOrigin, nodes }: Work): () => number {
  let next = 0;
  return () => everyOrigin ? next++ % nodes : 0;
}

if (import.meta.main) {
  await playRole<Work>({
    async rate(side, parameters, report) {
      const network = new Broadcaster(parameters.nodes, parameters.bytes);
      await network.connect(side, parameters.signed);
      const origin = origins(parameters);
      let measured = false;
      const lanes = Array.from({ length: parameters.inFlight }, async () => {
        while (!measured) await network.toAll(origin());
      });
      const rate = await ratePerSecond(() => network.deliveries, parameters);
      measured = true;
      await Promise.all(lanes); // a rate with a lost message is no result
      report(rate);
    },
    async time(side, parameters, report) {
      const network = new Broadcaster(parameters.nodes, parameters.bytes);
      await network.connect(side, parameters.signed);
      const origin = origins(parameters);
      const times: number[] = [];
      const start = performance.now();
      const counted = start + parameters.warmupMs;
      while (times.length === 0 || performance.now() < counted + parameters.windowMs) {
        const sent = performance.now();
        await network.toAll(origin());
        const received = performance.now();
        if (sent >= counted) times.push(received - sent);
      }
      report(median(times));
    },
  });
}
