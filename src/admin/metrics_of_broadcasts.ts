import type { Address } from "../identity/address.ts";
import type { P2PModule } from "../module/p2p_module.ts";
import { RECEIPT_LIMITS_MS } from "../module/telemetry.ts";
import type { Metric } from "./metrics.ts";
import type { Sample } from "./prometheus.ts";
import { offsetLevels } from "./tree_levels.ts";

/** Whole broadcasts: with those of all nodes together a dashboard says how many came through, how fast, and by which way. */
export const BROADCAST_METRICS: readonly Metric[] = [
  {
    name: "p2p_broadcasts_began_total",
    type: "counter",
    help: "Broadcasts that began here.",
    read: ({ broadcasts }) => broadcasts.began,
  },
  {
    name: "p2p_broadcasts_reached_total",
    type: "counter",
    help: "Broadcasts of others that came, each once: over all nodes, as many as began times the other validators.",
    read: ({ broadcasts }) => broadcasts.reached,
  },
  {
    name: "p2p_broadcast_sends_total",
    type: "counter",
    help: "Hand-overs along the tree by the level of their target; 0: one that is none, as who stands in for the dead.",
    labels: ["level"],
    read: ({ module, broadcasts }) =>
      [...broadcasts.byLevel(levelsIn(module))].map(([level, value]) => ({ labels: { level }, value })),
  },
  {
    name: "p2p_broadcast_copies_total",
    type: "counter",
    help: "Copies sent beside the tree.",
    read: ({ broadcasts }) => broadcasts.copies,
  },
  {
    name: "p2p_receipts_reached_total",
    type: "counter",
    help: "Peers that confirmed broadcasts which were sent with a receipt.",
    read: ({ module }) => module.telemetry.receipts.reached,
  },
  {
    name: "p2p_receipts_missing_total",
    type: "counter",
    help: "Peers that did not.",
    read: ({ module }) => module.telemetry.receipts.missing,
  },
  {
    name: "p2p_receipt_seconds",
    type: "histogram",
    help: "Time until everybody had confirmed, of those broadcasts that everybody did.",
    labels: ["le"],
    read: ({ module }) => histogram(module),
  },
];

/** The level at which this node sends to a peer, if it does. Worked out at the first question: mostly there is none. */
function levelsIn({ ring, address, mode }: P2PModule): (target: Address) => number | undefined {
  let levels: Map<Address, number> | undefined;
  return (target) => {
    const index = ring.indexOf(address);
    if (index < 0) return undefined;
    levels ??= new Map([...offsetLevels(mode, ring.size)].map(([offset, level]) => [ring.at(index, offset), level]));
    return levels.get(target);
  };
}

/** As Prometheus has it: each bucket holds those before it. */
function histogram({ telemetry: { receipts } }: P2PModule): Sample[] {
  const samples: Sample[] = [];
  let count = 0;
  for (const [place, within] of receipts.within.entries()) {
    count += within;
    const le = place < RECEIPT_LIMITS_MS.length ? String(RECEIPT_LIMITS_MS[place] / 1000) : "+Inf";
    samples.push({ suffix: "_bucket", labels: { le }, value: count });
  }
  samples.push({ suffix: "_sum", value: receipts.sumMs / 1000 }, { suffix: "_count", value: count });
  return samples;
}
