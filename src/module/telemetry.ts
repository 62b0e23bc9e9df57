import { dropOldest } from "../base/drop_oldest.ts";
import type { ReceiptOutcome } from "../raintree/receipts.ts";

/** Counters of one module, under the names that existing dashboards know. Plain numbers, read when scraped. */
export interface Telemetry {
  /** How often the node was started. */
  p2p_nodes_started_counter: number;
  /** RainTree messages sent, by height: `event_metrics_namespace_p2p` / `raintree_message_event_metric`. */
  raintree_message_event_metric: Map<number, number>;
  /** Payloads that came again, by height: `broadcast_message_redundancy_per_block_event_metric`. */
  broadcast_message_redundancy_per_block_event_metric: Map<number, number>;
  /** What the broadcasts that were sent with a receipt came to. */
  readonly receipts: ReceiptTelemetry;
}

/** Broadcasts whose sender asked who got them. */
export interface ReceiptTelemetry {
  /** Peers that confirmed, of all of them. */
  reached: number;
  /** Peers that did not. */
  missing: number;
  /** Milliseconds until everybody had, of those broadcasts that everybody confirmed. */
  sumMs: number;
  /** How many those are, by the first of {@link RECEIPT_LIMITS_MS} that their time is within; the last is beyond all. */
  readonly within: number[];
}

/** The limits of the histogram of times until everybody had confirmed, milliseconds. */
export const RECEIPT_LIMITS_MS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

/** Heights counted singly; the oldest go first. */
const HEIGHTS_MAX = 1_000;

/** Counters at zero. */
export function newTelemetry(): Telemetry {
  return {
    p2p_nodes_started_counter: 0,
    raintree_message_event_metric: new Map(),
    broadcast_message_redundancy_per_block_event_metric: new Map(),
    receipts: { reached: 0, missing: 0, sumMs: 0, within: Array(RECEIPT_LIMITS_MS.length + 1).fill(0) },
  };
}

/** Counts one receipt. */
export function countReceipt(receipts: ReceiptTelemetry, { reached, missing, elapsedMs }: ReceiptOutcome): void {
  receipts.reached += reached;
  receipts.missing += missing.length;
  if (missing.length > 0) return;
  receipts.sumMs += elapsedMs;
  const place = RECEIPT_LIMITS_MS.findIndex((limit) => elapsedMs <= limit);
  receipts.within[place < 0 ? RECEIPT_LIMITS_MS.length : place]++;
}

/** Adds one at a height. */
export function countAtHeight(counter: Map<number, number>, height: number, add = 1): void {
  counter.set(height, (counter.get(height) ?? 0) + add);
  if (counter.size > HEIGHTS_MAX) dropOldest(counter);
}
