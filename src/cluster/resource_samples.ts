import { type Clock, sleep } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import type { AdminClient } from "../localnet/admin_client.ts";
import type { LoadParameters } from "../localnet/manifest.ts";

/** What one node used at one moment. */
export interface ResourceSample {
  /** When the answer was there, milliseconds from the first look. */
  readonly atMs: number;
  /** Memory of its process, bytes. */
  readonly memoryBytes: number;
  /** Messages queued for all its peers. */
  readonly queued: number;
  /** Bytes of these. */
  readonly queuedBytes: number;
  /** Sends that wait for a connection or for room. */
  readonly waiting: number;
  /** Messages received that nobody has finished with. */
  readonly received: number;
  /** Messages dropped since its start. */
  readonly dropped: number;
}

const METRICS = [
  "process_resident_memory_bytes",
  "p2p_router_channel_queue_send",
  "p2p_router_channel_queue_msg_size",
  "p2p_router_channel_waiting_sends",
  "p2p_router_peer_queue_recv",
  "p2p_router_channel_queue_dropped_msgs",
];

/** How often every node is asked, milliseconds. */
const LOOK_MS = 500;

/** Fewer samples than one in so many seconds tell nothing: machines that do other things get fewer than they ask for. */
const SECONDS_PER_SAMPLE_MAX = 3;

/** Samples of each node from `/metrics`, twice a second, until the signal aborts. What does not answer has no sample then. */
export async function sampleResources(
  clients: readonly AdminClient[],
  clock: Clock,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly ResourceSample[]>> {
  const startMs = clock.now();
  const samples = new Map<string, ResourceSample[]>(clients.map(({ node }) => [node.name, []]));
  const look = async (client: AdminClient) => {
    const [memoryBytes, queued, queuedBytes, waiting, received, dropped] = await client.metrics(METRICS);
    const atMs = clock.now() - startMs;
    samples.get(client.node.name)!.push({ atMs, memoryBytes, queued, queuedBytes, waiting, received, dropped });
  };
  while (!signal.aborted) {
    await Promise.all(clients.map((client) => look(client).catch(asError)));
    await sleep(clock, LOOK_MS, signal).catch(asError); // the loop ends then
  }
  return samples;
}

/** What the samples of one node say. */
export interface ResourceUsage {
  /** How many there are. */
  readonly samples: number;
  /** The most memory, MiB. */
  readonly memoryMiB: number;
  /** From the most in the first third of the samples, in which the node warms up, to the most in the last; `NaN` where there are too few. */
  readonly growthMiB: number;
  /** The most messages queued or waiting. */
  readonly queuedMax: number;
  /** The most bytes queued, KiB. */
  readonly queuedKiBMax: number;
  /** Messages queued or waiting in the last sample; `NaN` where there is none. */
  readonly queuedLast: number;
  /** The most messages received and not dealt with. */
  readonly receivedMax: number;
  /** Messages dropped in the time. */
  readonly dropped: number;
}

/** Sums up the samples of one node. */
export function usageOf(samples: readonly ResourceSample[]): ResourceUsage {
  const third = Math.floor(samples.length / 3);
  const most = (value: (sample: ResourceSample) => number, part = samples) =>
    part.reduce((max, sample) => Math.max(max, value(sample)), -Infinity);
  const memory = ({ memoryBytes }: ResourceSample) => memoryBytes / 2 ** 20;
  const queue = ({ queued, waiting }: ResourceSample) => queued + waiting;
  const [first, last] = [samples.at(0), samples.at(-1)];
  return {
    samples: samples.length,
    memoryMiB: round(most(memory)),
    growthMiB: third === 0 ? NaN : round(most(memory, samples.slice(-third)) - most(memory, samples.slice(0, third))),
    queuedMax: most(queue),
    queuedKiBMax: round(most(({ queuedBytes }) => queuedBytes / 1024)),
    queuedLast: last === undefined ? NaN : queue(last),
    receivedMax: most(({ received }) => received),
    dropped: (last?.dropped ?? NaN) - (first?.dropped ?? NaN),
  };
}

/** What of a node's usage is not within its limits, or cannot be told: sentences that follow its name. */
export function usageProblems(
  { samples, growthMiB, queuedMax, queuedLast }: ResourceUsage,
  { seconds, memoryGrowthMiB, queuedMessages }: LoadParameters,
): string[] {
  if (samples < Math.max(3, seconds / SECONDS_PER_SAMPLE_MAX)) {
    return [`gave ${samples} samples of its metrics in ${seconds} s: too few to tell`];
  }
  const problems: string[] = [];
  if (growthMiB > memoryGrowthMiB) problems.push(`grew by ${growthMiB} MiB, it may by ${memoryGrowthMiB}`);
  if (queuedMax > queuedMessages) problems.push(`had ${queuedMax} messages queued, it may have ${queuedMessages}`);
  if (queuedLast > 0) problems.push(`has ${queuedLast} messages queued in the end`);
  return problems;
}

function round(number: number): number {
  return Math.round(number * 10) / 10;
}
