import { percentile } from "../base/percentile.ts";
import { simulateBroadcast } from "../sim/arithmetic.ts";
import { type Assertion, outcome } from "./assertion.ts";
import { hasArrived, inRingOrder, observeBroadcast, ofTree } from "./observed_broadcast.ts";

/**
 * Every validator broadcasts in turn: everybody gets each one, and each node's network reads and writes are those that the rules of the tree compute for its
 * distance from the originator. The counters of the nodes (`/metrics`) have to agree with what they tell of each message. Nobody else may broadcast meanwhile.
 */
export const broadcastEachAssertion: Assertion = async (context) => {
  const { clients, manifest } = context;
  const ring = inRingOrder(clients);
  const n = ring.length;
  const wanted = simulateBroadcast(manifest.raintree.mode, n);
  const wrong: string[] = [];
  const counters = () =>
    Promise.all(
      ring.map((client) =>
        Promise.all([client.metric("p2p_raintree_reads_total"), client.metric("p2p_raintree_writes_total")])
      ),
    );
  const before = await counters();
  const told = ring.map(() => ({ reads: 0, writes: 0 }));
  const timesMs: number[] = [];
  const broadcasts = [];
  let reached = 0;
  let arrivals = 0;
  let copies = 0;
  for (let origin = 0; origin < n; origin++) {
    const { nonce, views, toAllMs } = await observeBroadcast(ring, origin, context);
    if (toAllMs !== undefined) timesMs.push(toAllMs);
    const from = ring[origin].node.name;
    const missed: string[] = [];
    views.forEach((view, at) => {
      const { name } = ring[at].node;
      const offset = (at - origin + n) % n;
      if (at !== origin) {
        if (hasArrived(view)) reached++;
        else missed.push(name);
      }
      const all = (view?.arrivals ?? []).filter(({ kind }) => kind !== "origin");
      const reads = ofTree(all).length;
      const writes = ofTree(view?.handovers ?? []).length;
      arrivals += all.length;
      copies += all.length - reads;
      told[at].reads += all.length;
      told[at].writes += view?.handovers.length ?? 0;
      if (reads === wanted.reads[offset] && writes === wanted.writes[offset]) return;
      wrong.push(
        `broadcast ${nonce} of ${from}: ${name} read ${reads} and wrote ${writes}, ` +
          `the table has ${wanted.reads[offset]} and ${wanted.writes[offset]}`,
      );
    });
    if (missed.length > 0) wrong.push(`broadcast ${nonce} of ${from} did not reach ${missed.join(", ")}`);
    broadcasts.push({ nonce, from, toAllMs, missed });
  }
  const after = await counters();
  const nodes = ring.map(({ node: { name } }, at) => {
    const reads = after[at][0] - before[at][0];
    const writes = after[at][1] - before[at][1];
    if (reads !== told[at].reads || writes !== told[at].writes) {
      wrong.push(
        `${name} counted ${reads} reads and ${writes} writes, its messages tell ${told[at].reads} and ${
          told[at].writes
        }`,
      );
    }
    return { name, reads, writes, tableReads: wanted.messages, tableWrites: wanted.messages };
  });
  const pairs = n * (n - 1);
  const coverage = pairs === 0 ? 1 : reached / pairs;
  const redundancy = pairs === 0 ? 1 : arrivals / pairs;
  const p50 = percentile(timesMs, 0.5);
  const p99 = percentile(timesMs, 0.99);
  if (timesMs.length === 0) wrong.push("no broadcast was seen everywhere");
  const holds = `${n} broadcasts, coverage ${100 * coverage} %, ${wanted.messages} messages each as computed, ` +
    `time to all p50 ${p50} ms, p99 ${p99} ms, redundancy ${redundancy.toFixed(2)}`;
  const evidence = {
    mode: manifest.raintree.mode,
    coverage,
    redundancy,
    copies,
    toAllMs: { p50, p99 },
    messagesPerBroadcast: wanted.messages,
    table: { reads: [...wanted.reads], writes: [...wanted.writes] },
    nodes,
    broadcasts,
  };
  return outcome(wrong, holds, evidence);
};
