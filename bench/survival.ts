import { Child, playRole, ratePerSecond, sleep } from "./child.ts";
import type { MeasureOptions } from "./harness.ts";
import type { Member, Network, NetworkOptions, Side, SideName } from "./side.ts";
import { type Reach, Spread } from "./spread.ts";

/** A frozen process ends after this by itself, should nobody be there any more to kill it. */
const FROZEN_MS = 120_000;

/** One network, part of which dies between warm-up and measurement. Every live node broadcasts in turn. */
export interface SurvivalWork extends MeasureOptions, Omit<NetworkOptions, "onDelivery"> {
  /** Nodes in all. */
  nodes: number;
  /** Of these, those that die; they live in a process of their own until then, at random places of the tree. */
  dead: number;
  /**
   * How they die. `silent`: they read and write no more, but their connections stand, as when a machine loses power or its network: nobody is told.
   * `closed`: their process is killed, and the system closes its sockets.
   */
  death: "silent" | "closed";
  /** Bytes of a message. */
  bytes: number;
  /** Milliseconds after which a broadcast that misses somebody is not waited for any longer. */
  patienceMs: number;
}

/** What broadcasts at a steady rate showed. */
export interface PacedFigures {
  /** Broadcasts measured. */
  broadcasts: number;
  /** Milliseconds until the last live node had a broadcast; null: never. */
  timeToAllMs: { p50: number | null; p99: number | null };
  /** Live nodes reached of all live nodes but the origin, a share. */
  coverage: number;
  /** Messages with the payload that live nodes received, for each node reached. */
  copiesPerDelivery: number;
  /** Bytes that live nodes' sockets wrote, for each node reached. */
  bytesPerDelivery: number;
  /** Bytes that live nodes' sockets wrote, for each broadcast and live node. */
  bytesPerBroadcastAndNode: number;
}

/** Broadcasts `ratePerSecond` messages a second, whatever becomes of them. */
export function measurePaced(side: SideName, work: SurvivalWork & { ratePerSecond: number }): Promise<PacedFigures> {
  return measure("paced", side, work);
}

/** Keeps `inFlight` broadcasts under way, and counts first deliveries a second. One that misses a node occupies its place until patience ends. */
export function measureSaturated(side: SideName, work: SurvivalWork & { inFlight: number }): Promise<number> {
  return measure("saturated", side, work);
}

async function measure<F>(role: string, side: SideName, work: SurvivalWork): Promise<F> {
  const { dead, death, nodes } = work;
  await using live = new Child(import.meta.url, role, side, { ...work, nodes: nodes - dead });
  await using doomed = dead === 0 ? undefined : new Child(import.meta.url, "doomed", side, { ...work, nodes: dead });
  const children = doomed === undefined ? [live] : [live, doomed];
  const members = (await Promise.all(children.map((child) => child.next<Member[]>()))).flat();
  for (const child of children) await child.tell(members);
  await Promise.all(children.map((child) => child.next())); // connected
  await live.tell("warm up");
  await live.next();
  if (doomed !== undefined && death === "silent") {
    await doomed.tell("freeze");
    await doomed.next();
  }
  if (death === "closed") await doomed?.[Symbol.asyncDispose]();
  await live.tell("measure");
  return await live.next<F>();
}

/** The value that a share of `sorted` does not exceed. */
function quantile(sorted: readonly number[], share: number): number | null {
  const value = sorted[Math.ceil(share * sorted.length) - 1];
  return Number.isFinite(value) ? value : null;
}

type Report = (line: unknown) => void;
type Hear = <T>() => Promise<T>;

/** Makes the nodes of this process and connects them with all the others. */
async function join(
  side: Side,
  work: SurvivalWork,
  onDelivery: NetworkOptions["onDelivery"],
  report: Report,
  hear: Hear,
): Promise<Network> {
  const network = await side.network(work.nodes, { ...work, onDelivery });
  report(network.members);
  await network.connect(await hear<Member[]>());
  report("connected");
  return network;
}

/** Broadcasts at a steady rate for `ms`; resolves when the last of them is done. */
async function pace(ms: number, ratePerSecond: number, broadcast: () => Promise<Reach>): Promise<Reach[]> {
  const reaches: Promise<Reach>[] = [];
  const start = performance.now();
  const count = Math.max(1, Math.round(ms / 1000 * ratePerSecond));
  while (reaches.length < count) {
    const due = start + reaches.length / ratePerSecond * 1000;
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    reaches.push(broadcast());
  }
  return await Promise.all(reaches);
}

if (import.meta.main) {
  await playRole<SurvivalWork & { ratePerSecond: number; inFlight: number }>({
    async paced(side, work, report, hear) {
      const spread = new Spread(work.nodes, work.bytes, work.patienceMs);
      const network = await join(side, work, spread.delivered.bind(spread), report, hear);
      let next = 0;
      const broadcast = () => spread.toAll(network, next++ % work.nodes);
      await hear();
      await pace(work.warmupMs, work.ratePerSecond, broadcast);
      report("warm");
      await hear();
      const before = network.counts();
      const reaches = await pace(work.windowMs, work.ratePerSecond, broadcast);
      const after = network.counts();
      const times = reaches.map(({ elapsedMs }) => elapsedMs).sort((a, b) => a - b);
      const reached = reaches.reduce((sum, reach) => sum + reach.reached, 0);
      const bytes = after.bytesWritten - before.bytesWritten;
      const figures: PacedFigures = {
        broadcasts: reaches.length,
        timeToAllMs: { p50: quantile(times, 0.5), p99: quantile(times, 0.99) },
        coverage: reached / (reaches.length * (work.nodes - 1)),
        copiesPerDelivery: (after.payloads - before.payloads) / reached,
        bytesPerDelivery: bytes / reached,
        bytesPerBroadcastAndNode: bytes / (reaches.length * work.nodes),
      };
      report(figures);
    },

    async saturated(side, work, report, hear) {
      const spread = new Spread(work.nodes, work.bytes, work.patienceMs);
      const network = await join(side, work, spread.delivered.bind(spread), report, hear);
      let next = 0;
      let over = false;
      const lanes = () =>
        Array.from({ length: work.inFlight }, async () => {
          while (!over) await spread.toAll(network, next++ % work.nodes);
        });
      await hear();
      const warm = lanes();
      await sleep(work.warmupMs);
      over = true;
      await Promise.all(warm);
      report("warm");
      await hear();
      over = false;
      void lanes();
      report(await ratePerSecond(() => spread.deliveries, { warmupMs: 0, windowMs: work.windowMs }));
    },

    async doomed(side, work, report, hear) {
      await join(side, work, () => {}, report, hear);
      await hear();
      report("frozen");
      // Blocks the only thread: nothing is read, answered or closed from here on.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FROZEN_MS);
      Deno.exit(0);
    },
  });
}
