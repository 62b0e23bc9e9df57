import { type Clock, sleep } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import type { AdminClient } from "../localnet/admin_client.ts";

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
