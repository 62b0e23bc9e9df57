import type { P2PModule } from "../module/p2p_module.ts";
import type { BroadcastCounts } from "./broadcast_counts.ts";
import { BROADCAST_METRICS } from "./metrics_of_broadcasts.ts";
import { LAYER_METRICS, RAINTREE_METRICS } from "./metrics_of_layers.ts";
import type { MetricHead, Sample } from "./prometheus.ts";
import { NETWORK_METRICS } from "./metrics_of_network.ts";
import type { Readiness } from "./readiness.ts";

/** What metrics are read from, at one moment. */
export interface MetricsSource {
  /** The node. */
  readonly module: P2PModule;
  /** Whether it is ready, and its targets. */
  readonly readiness: Readiness;
  /** Messages whose way is remembered. */
  readonly messagesRemembered: number;
  /** Broadcasts that went through it. */
  readonly broadcasts: BroadcastCounts;
  /** Milliseconds since the process began to serve. */
  readonly uptimeMs: number;
}

/** A metric and where its numbers come from. */
export interface Metric extends MetricHead {
  /** The names of its labels. */
  readonly labels?: readonly string[];
  /** Whether there are numbers before the node is started. @default {false} */
  readonly always?: boolean;
  /** The numbers now. */
  read(source: MetricsSource): number | Iterable<Sample>;
}

/** Heights whose counters are shown singly: the newest. Each is a series of its own in the database that scrapes them. */
const HEIGHTS_SHOWN = 10;

const NODE_METRICS: readonly Metric[] = [
  {
    name: "p2p_ready",
    type: "gauge",
    help: "1 while the node is ready, as /readyz says it.",
    always: true,
    read: ({ readiness }) => Number(readiness.ready),
  },
  {
    name: "p2p_nodes_started_counter",
    type: "counter",
    help: "How often the node was started.",
    always: true,
    read: ({ module }) => module.telemetry.p2p_nodes_started_counter,
  },
  {
    name: "p2p_height",
    type: "gauge",
    help: "Height of the staked view.",
    read: ({ module }) => module.ring.height,
  },
  {
    name: "p2p_validators",
    type: "gauge",
    help: "Staked peers at that height, this node included where it is one.",
    read: ({ module }) => module.ring.size,
  },
  {
    name: "p2p_staked",
    type: "gauge",
    help: "1 where this node is staked at that height.",
    read: ({ module }) => Number(module.staked),
  },
  {
    name: "p2p_routines",
    type: "gauge",
    help: "Long-running loops: one listening, one reading and one writing per connected peer.",
    always: true,
    read: ({ module }) => module.routines.count,
  },
  {
    name: "event_metrics_namespace_p2p_raintree_message_event_metric",
    type: "counter",
    help: `RainTree messages sent, by height (the newest ${HEIGHTS_SHOWN}).`,
    labels: ["type", "height"],
    always: true,
    read: ({ module }) => newest(module.telemetry.raintree_message_event_metric, { type: "send" }),
  },
  {
    name: "event_metrics_namespace_p2p_broadcast_message_redundancy_per_block_event_metric",
    type: "counter",
    help: `Payloads that came again, by height (the newest ${HEIGHTS_SHOWN}).`,
    labels: ["height"],
    always: true,
    read: ({ module }) => newest(module.telemetry.broadcast_message_redundancy_per_block_event_metric, {}),
  },
  {
    name: "p2p_messages_remembered",
    type: "gauge",
    help: "Messages whose way /messages can tell.",
    always: true,
    read: ({ messagesRemembered }) => messagesRemembered,
  },
  {
    name: "process_uptime_seconds",
    type: "gauge",
    help: "Seconds since the admin API began to serve, which is before the node starts.",
    always: true,
    read: ({ uptimeMs }) => uptimeMs / 1000,
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Memory of the process.",
    always: true,
    read: () => Deno.memoryUsage().rss,
  },
  {
    name: "process_heap_bytes",
    type: "gauge",
    help: "JavaScript heap in use.",
    always: true,
    read: () => Deno.memoryUsage().heapUsed,
  },
];

/** Every metric there is, in the order of docs/metrics.md. */
export const METRICS: readonly Metric[] = [
  ...NODE_METRICS,
  ...NETWORK_METRICS,
  ...RAINTREE_METRICS,
  ...BROADCAST_METRICS,
  ...LAYER_METRICS,
];

/** The samples of every metric now. */
export function* readMetrics(source: MetricsSource): Generator<readonly [MetricHead, Iterable<Sample>], void, void> {
  for (const metric of METRICS) {
    if (!metric.always && !source.module.started) yield [metric, []];
    else {
      const read = metric.read(source);
      yield [metric, typeof read === "number" ? [{ value: read }] : read];
    }
  }
}

function newest(counter: ReadonlyMap<number, number>, labels: Record<string, string>): Sample[] {
  return [...counter].slice(-HEIGHTS_SHOWN).map(([height, value]) => ({ labels: { ...labels, height }, value }));
}
