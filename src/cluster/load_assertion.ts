import { sleep } from "../base/clock.ts";
import { percentile } from "../base/percentile.ts";
import { type Assertion, outcome } from "./assertion.ts";
import { judge } from "./broadcast_ledger.ts";
import { NetworkWatch } from "./network_watch.ts";
import { type ResourceSample, sampleResources, usageOf, usageProblems } from "./resource_samples.ts";
import { SteadyBroadcasts } from "./steady_broadcasts.ts";

const LOOK_MS = 250;

/** The share of the rate that has to be reached: less is another test than the one asked for. */
const RATE_SHARE = 0.95;

/** Nodes and broadcasts that are named in what is wrong. */
const NAMED_MAX = 5;

/**
 * So many broadcasts a second from random validators: every one is accepted and reaches every node; memory grows by no more than allowed once it is warm, and
 * queues stay short and are empty in the end. Every node is asked what came to it while it comes, so that nothing is forgotten before it is counted.
 */
export const loadAssertion: Assertion = async (context) => {
  const { backend, clients, clock, random, signal, manifest, progress } = context;
  const { ratePerSecond, seconds, payloadBytes, withinMs } = manifest.parameters.load;
  const count = ratePerSecond * seconds;
  await using watch = await NetworkWatch.start({ access: () => backend.access(), clock });
  const names = clients.map(({ node }) => node.name);
  const senders = () => watch.clients();
  const broadcasts = new SteadyBroadcasts({ ratePerSecond, payloadBytes, senders, clock, random });
  const sampling = new AbortController();
  const samples = sampleResources(clients, clock, AbortSignal.any([sampling.signal, signal]));
  const ledger = {
    nodes: names,
    accepted: broadcasts.accepted,
    absences: [],
    seenMs: (node: string, nonce: string) => watch.seenMs(node, nonce),
  };
  const startMs = clock.now();
  let sendMs: number | void;
  try {
    const sent = broadcasts.run(count, signal).then(() => clock.now() - startMs);
    do {
      progress(`${broadcasts.asked} of ${count} broadcasts, ${broadcasts.accepted.length} accepted`);
      sendMs = await Promise.race([sent, sleep(clock, LOOK_MS, signal)]);
    } while (sendMs === undefined);
    const untilMs = clock.now() + withinMs;
    while (clock.now() < untilMs && judge(ledger).lost.length > 0) {
      progress(`${judge(ledger).lost.length} of ${count} broadcasts are not everywhere yet`);
      await sleep(clock, LOOK_MS, signal);
    }
    // One more look at the queues, which are to be empty now.
    await sleep(clock, 2 * LOOK_MS, signal);
  } finally {
    sampling.abort();
    await samples; // nothing is asked any more when this ends, however it does
  }
  const verdict = judge(ledger);
  const bySample = await samples;
  const wrong: string[] = [];

  const offered = broadcasts.asked / (sendMs / 1_000);
  if (broadcasts.asked < count) wrong.push(`${broadcasts.asked} of ${count} broadcasts were asked for`);
  if (offered < RATE_SHARE * ratePerSecond) {
    wrong.push(`only ${offered.toFixed(1)} broadcasts a second could be asked for, not ${ratePerSecond}`);
  }
  const { accepted, refused } = broadcasts;
  if (refused.length > 0) {
    wrong.push(`${refused.length} broadcasts were refused: ${refused[0].from}: ${refused[0].why}`);
  }
  if (verdict.owed === 0) wrong.push(`Nothing was to be got by anybody: ${names.length} nodes`);
  for (const { nonce, from, missing } of verdict.lost.slice(0, NAMED_MAX)) {
    wrong.push(`broadcast ${nonce} of ${from} did not reach ${missing.join(", ")}`);
  }
  if (verdict.lost.length > NAMED_MAX) wrong.push(`${verdict.lost.length} broadcasts are lost in all`);
  for (const { name, forgotten, runs } of watch.nodes.values()) {
    if (forgotten > 0) wrong.push(`${name} had forgotten ${forgotten} messages before it was asked`);
    if (runs.length === 0) wrong.push(`${name} never answered`);
    if (runs.length > 1) wrong.push(`${name} was started ${runs.length - 1} times while it was watched`);
  }
  const nodes = names.map((name) => {
    const received = accepted.filter(({ from, nonce }) => from !== name && watch.seenMs(name, nonce) !== undefined);
    return {
      name,
      accepted: accepted.filter(({ from }) => from === name).length,
      received: received.length,
      ...usageOf(bySample.get(name)!),
    };
  });
  for (const node of nodes) {
    wrong.push(...usageProblems(node, manifest.parameters.load).map((each) => `${node.name} ${each}`));
  }

  const toAll = timesToAll(accepted, names, watch);
  const [p50, p99] = [percentile(toAll, 0.5), percentile(toAll, 0.99)];
  const most = (numbers: readonly number[]) => numbers.reduce((max, each) => Math.max(max, each), -Infinity);
  const round = (ms: number | undefined) => ms && Math.round(ms * 10) / 10;
  const answers = accepted.map(({ askedMs, acceptedMs }) => acceptedMs - askedMs);
  const evidence = {
    parameters: manifest.parameters.load,
    offeredPerSecond: round(offered),
    asked: broadcasts.asked,
    accepted: accepted.length,
    refused: refused.slice(0, NAMED_MAX),
    owed: verdict.owed,
    reached: verdict.reached,
    lost: verdict.lost.slice(0, 100),
    lateMs: round(broadcasts.lateMs),
    answerMs: { p50: round(percentile(answers, 0.5)), p99: round(percentile(answers, 0.99)) },
    toAllMs: { p50, p99 },
    nodes,
    samples: Object.fromEntries([...bySample].map(([name, list]) => [name, thinned(list)])),
  };
  const holds =
    `${accepted.length} broadcasts at ${offered.toFixed(1)} a second, ${verdict.reached} of ${verdict.owed} ` +
    `deliveries, lost 0, time to all p50 ${p50} ms, p99 ${p99} ms; memory at most ${
      most(nodes.map(({ memoryMiB }) => memoryMiB))
    } MiB, growth at most ` +
    `${most(nodes.map(({ growthMiB }) => growthMiB))} MiB; at most ${
      most(nodes.map(({ queuedMax }) => queuedMax))
    } messages queued`;
  return outcome(wrong, holds, evidence);
};

/** From its beginning to the last first arrival of each broadcast that is everywhere, by the clocks of the nodes. */
function timesToAll(
  accepted: SteadyBroadcasts["accepted"],
  names: readonly string[],
  watch: NetworkWatch,
): number[] {
  return accepted.flatMap(({ nonce, from }) => {
    const at = (name: string) => watch.nodes.get(name)?.seen.get(nonce)?.arrivedMs ?? NaN;
    const last = names.reduce((max, name) => Math.max(max, at(name)), -Infinity);
    return Number.isNaN(last) ? [] : [last - at(from)];
  });
}

/** Sixty samples of all, so that the report can be read. */
function thinned(samples: readonly ResourceSample[]): ResourceSample[] {
  const step = Math.max(1, Math.ceil(samples.length / 60));
  return samples.filter((_, i) => i % step === 0 || i === samples.length - 1);
}
