import { cpuUsage } from "node:process";
import { Broadcaster } from "./broadcaster.ts";
import { Child, playRole, ratePerSecond, sleep } from "./child.ts";
import { type Benchmark, type MeasureOptions, median } from "./harness.ts";
import type { NetworkOptions, Side, SideName } from "./side.ts";

const NODES = 27;
const BYTES = 1024;

/** Broadcasts by one node, many in flight: how many deliveries a second in all. By every node in turn they are spread over all connections: a variant. */
export function broadcastRate(options: MeasureOptions): Benchmark {
  return row("broadcast-27-rate", "deliveries/s", "higher", options);
}

/** Broadcasts one at a time: how long the last node waits, the median. */
export function broadcastTime(options: MeasureOptions): Benchmark {
  return row("broadcast-27-time", "ms", "lower", options);
}

/**
 * What is measured of broadcasts. Rate and time are rows against the peer, and rows of what our layers cost; there the work per delivery is a third, for
 * machines that others use too: it is what the process computes, however long it has to wait for its turn.
 */
export type BroadcastRow = "broadcast-27-rate" | "broadcast-27-time" | "broadcast-27-work";

/** What is fixed in a row. */
export const BROADCAST_PARAMETERS: Readonly<
  Record<BroadcastRow, { role: string; nodes: number; bytes: number; inFlight: number }>
> = {
  "broadcast-27-rate": { role: "rate", nodes: NODES, bytes: BYTES, inFlight: 32 },
  "broadcast-27-time": { role: "time", nodes: NODES, bytes: BYTES, inFlight: 1 },
  "broadcast-27-work": { role: "work", nodes: NODES, bytes: BYTES, inFlight: 32 },
};

/** Who broadcasts, and how the nodes are set. */
export interface BroadcastWork extends MeasureOptions, Omit<NetworkOptions, "onDelivery"> {
  /** Whether every node broadcasts in turn, or node 0 alone. */
  everyOrigin: boolean;
}

interface Parameters extends BroadcastWork {
  nodes: number;
  bytes: number;
  inFlight: number;
}

/** One figure of a row, measured in a process of its own. */
export async function measureBroadcast(name: BroadcastRow, side: SideName, work: BroadcastWork): Promise<number> {
  const { role, ...fixed } = BROADCAST_PARAMETERS[name];
  await using network = new Child(import.meta.url, role, side, { ...fixed, ...work });
  return await network.next<number>();
}

function row(name: BroadcastRow, unit: string, better: Benchmark["better"], options: MeasureOptions): Benchmark {
  const { nodes, bytes, inFlight } = BROADCAST_PARAMETERS[name];
  const work = (side: SideName, signed = false, everyOrigin = false) =>
    measureBroadcast(name, side, { ...options, signed, everyOrigin });
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

/** Who broadcasts next. */
function origins({ everyOrigin, nodes }: Parameters): () => number {
  let next = 0;
  return () => everyOrigin ? next++ % nodes : 0;
}

/** Keeps broadcasts under way while `observe` measures. */
async function busy(
  side: Side,
  parameters: Parameters,
  observe: (network: Broadcaster) => Promise<number>,
): Promise<number> {
  const network = new Broadcaster(parameters.nodes, parameters.bytes);
  await network.connect(side, parameters);
  const origin = origins(parameters);
  let measured = false;
  const lanes = Array.from({ length: parameters.inFlight }, async () => {
    while (!measured) await network.toAll(origin());
  });
  const figure = await observe(network);
  measured = true;
  await Promise.all(lanes); // a figure with a lost message is no result
  return figure;
}

if (import.meta.main) {
  await playRole<Parameters>({
    async rate(side, parameters, report) {
      report(await busy(side, parameters, (network) => ratePerSecond(() => network.deliveries, parameters)));
    },
    async work(side, parameters, report) {
      report(
        await busy(side, parameters, async (network) => {
          await sleep(parameters.warmupMs);
          const before = network.deliveries;
          const used = cpuUsage();
          do await sleep(parameters.windowMs); while (network.deliveries === before);
          const { user, system } = cpuUsage(used);
          return (user + system) / (network.deliveries - before);
        }),
      );
    },
    async time(side, parameters, report) {
      const network = new Broadcaster(parameters.nodes, parameters.bytes);
      await network.connect(side, parameters);
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
