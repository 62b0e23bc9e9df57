import type { PeerState } from "../raintree/failure_detector.ts";
import type { RainTreeStats } from "../raintree/raintree_router.ts";
import type { ReliabilityStats } from "../raintree/reliability.ts";
import type { Metric } from "./metrics.ts";

/** What each counter of the tree means; the compiler asks for every one. */
const RAINTREE_HELP: Record<keyof RainTreeStats, string> = {
  reads: "RainTree messages received over the network.",
  writes: "RainTree messages sent over the network.",
  redundant: "Payloads received again.",
  rejected: "RainTree messages refused as malformed.",
  suppressed: "Second copies not passed on.",
};

/** What each counter of the layers means, and its name. */
const LAYER_HELP: Record<keyof ReliabilityStats, readonly [name: string, help: string]> = {
  silences: ["silences", "Hand-overs that were not acknowledged in time."],
  adjusted: ["adjusted", "Hand-overs that moved on to another node."],
  repaired: ["repaired", "Broadcasts sent to those who lacked them."],
  controlReads: ["control_reads", "Control messages received."],
  messages: ["control_writes", "Control messages sent."],
  bytes: ["control_bytes", "Bytes of the control messages sent."],
  acks: ["acks", "Messages acknowledged."],
  offers: ["offers", "Broadcasts offered to others."],
  asks: ["asks", "Broadcasts that ring neighbours were asked about (IGYW)."],
  wants: ["wants", "Broadcasts wanted of others."],
  denials: ["denials", "Broadcasts that were asked about and are here (IGYW_NEG)."],
  receipts: ["receipts", "Receipts sent."],
  duties: ["duties", "Segments handed over without the payload."],
  probes: ["probes", "Questions whether a peer is there."],
};

/** The tree: what went through it, and how it stands. */
export const RAINTREE_METRICS: readonly Metric[] = [
  ...Object.entries(RAINTREE_HELP).map(([field, help]): Metric => ({
    name: `p2p_raintree_${field}_total`,
    type: "counter",
    help,
    read: ({ module }) => module.raintree[field as keyof RainTreeStats],
  })),
  {
    name: "p2p_raintree_targets",
    type: "gauge",
    help: "Peers that this node's tree sends to, by level.",
    labels: ["level"],
    read: ({ readiness }) => readiness.levels.map(({ level, targets }) => ({ labels: { level }, value: targets })),
  },
  {
    name: "p2p_raintree_targets_connected",
    type: "gauge",
    help: "Those of them that are connected.",
    labels: ["level"],
    read: ({ readiness }) => readiness.levels.map(({ level, connected }) => ({ labels: { level }, value: connected })),
  },
  {
    name: "p2p_raintree_targets_by_state",
    type: "gauge",
    help: "The same peers by what the failure detector holds of them: alive, suspect or dead.",
    labels: ["state"],
    read({ module }) {
      const counts: Record<PeerState, number> = { alive: 0, suspect: 0, dead: 0 };
      for (const target of module.targets) counts[module.stateOf(target)]++;
      return Object.entries(counts).map(([state, value]) => ({ labels: { state }, value }));
    },
  },
];

/** What makes broadcasts arrive (docs/reliability.md). */
export const LAYER_METRICS: readonly Metric[] = Object.entries(LAYER_HELP).map(([field, [name, help]]): Metric => ({
  name: `p2p_reliability_${name}_total`,
  type: "counter",
  help,
  read: ({ module }) => module.reliability[field as keyof ReliabilityStats],
}));
