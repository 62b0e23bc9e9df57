/** Counters of one module, under the names that existing dashboards know. Plain numbers, read when scraped. */
export interface Telemetry {
  /** How often the node was started. */
  p2p_nodes_started_counter: number;
  /** RainTree messages sent, by height: `event_metrics_namespace_p2p` / `raintree_message_event_metric`. */
  raintree_message_event_metric: Map<number, number>;
  /** Payloads that came again, by height: `broadcast_message_redundancy_per_block_event_metric`. */
  broadcast_message_redundancy_per_block_event_metric: Map<number, number>;
}

/** Heights counted singly; the oldest go first. */
const HEIGHTS_MAX = 1_000;

/** Counters at zero. */
export function newTelemetry(): Telemetry {
  return {
    p2p_nodes_started_counter: 0,
    raintree_message_event_metric: new Map(),
    broadcast_message_redundancy_per_block_event_metric: new Map(),
  };
}

/** Adds one at a height. */
export function countAtHeight(counter: Map<number, number>, height: number, add = 1): void {
  counter.set(height, (counter.get(height) ?? 0) + add);
  if (counter.size <= HEIGHTS_MAX) return;
  for (const oldest of counter.keys()) {
    counter.delete(oldest);
    return;
  }
}
