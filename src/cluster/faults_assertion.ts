import { sleep } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import { FAULT_CASES, type FaultCaseName } from "../localnet/manifest.ts";
import { waitUntilReady } from "../localnet/wait_until_ready.ts";
import { type Assertion, type AssertionContext, outcome } from "./assertion.ts";
import { judge } from "./broadcast_ledger.ts";
import { FAULT_CASES_BY_NAME } from "./fault_cases.ts";
import { FaultScene } from "./fault_scene.ts";
import { NetworkWatch } from "./network_watch.ts";

/** How long all is well before a fault and after it, while broadcasts go on, milliseconds. */
const WELL_MS = 1_500;

const LOOK_MS = 100;

/** The share of what is asked for that has to be accepted, so that there is something to judge: whoever restarts refuses. */
const ACCEPTED_SHARE = 0.5;

/** Broadcasts that are named in what is wrong. */
const NAMED_MAX = 3;

/**
 * Faults while random validators broadcast, one after the other: every broadcast that a node accepted which lives on is at every live node in the end, and whoever
 * was away gets broadcasts again in time. What the back end cannot do is said, and fails where the manifest asks for it.
 */
export const faultsAssertion: Assertion = async (context) => {
  const { backend, manifest, progress } = context;
  const asked = manifest.parameters.faults.cases;
  const wrong: string[] = [];
  const cases: FaultCaseResult[] = [];
  const notDone: { fault: FaultCaseName; why: string }[] = [];
  for (const name of asked.length > 0 ? asked : FAULT_CASES) {
    const cannot = FAULT_CASES_BY_NAME[name].needs.filter((kind) => !backend.faults.has(kind));
    if (cannot.length > 0) {
      const why = `back end ${backend.name} cannot do ${cannot.join(", ")}`;
      notDone.push({ fault: name, why });
      if (asked.length > 0) wrong.push(`${name} was not done: ${why}`);
      continue;
    }
    const result = await runCase(name, { ...context, progress: (text) => progress(`${name}: ${text}`) });
    cases.push(result);
    wrong.push(...result.wrong.map((each) => `${name}: ${each}`));
  }
  if (cases.length === 0) wrong.push("No fault was done");
  const slowest = Math.max(...cases.map(({ againMs }) => againMs ?? 0));
  const sum = (count: (each: FaultCaseResult) => number) => cases.reduce((all, each) => all + count(each), 0);
  const left = notDone.length === 0 ? "" : `; NOT done here: ${notDone.map(({ fault }) => fault).join(", ")}`;
  const holds = `${cases.map(({ fault }) => fault).join(", ")}: ${sum(({ accepted }) => accepted)} broadcasts ` +
    `accepted, ${sum(({ lost }) => lost)} lost, live nodes covered 100 %, ` +
    `broadcasts again ${slowest} ms after the return at most${left}`;
  return outcome(wrong, holds, { parameters: manifest.parameters.faults, cases, notDone });
};

/** What came of one fault. Times in milliseconds. */
interface FaultCaseResult {
  readonly fault: FaultCaseName;
  readonly ok: boolean;
  /** To whom it was done. */
  readonly nodes: string;
  /** Broadcasts asked for, and those answered for. */
  readonly asked: number;
  readonly accepted: number;
  /** Those accepted from the fault until everybody who was away got broadcasts again. */
  readonly meanwhile: number;
  /** Deliveries owed to live nodes that were made, percent. */
  readonly covered: number;
  readonly lost: number;
  /** Whose originator was killed the moment after: owed by nobody who lives. */
  readonly atRisk: number;
  /** Deliveries that dead nodes missed, and were given later. */
  readonly caughtUp: string;
  /** From the fault to the last node's first answer or being let go on. */
  readonly backMs: number | undefined;
  /** From there to getting broadcasts again, the slowest node. */
  readonly againMs: number | undefined;
  /** From the end of the fault until every node was ready. */
  readonly readyMs: number | undefined;
  readonly wrong: readonly string[];
  readonly evidence: Readonly<Record<string, unknown>>;
}

async function runCase(name: FaultCaseName, context: AssertionContext): Promise<FaultCaseResult> {
  const { backend, manifest, clock, random, signal, progress } = context;
  const parameters = manifest.parameters.faults;
  progress("waiting until every node is ready");
  const { readyWithinMs } = manifest;
  const unready = await waitUntilReady(backend, { withinMs: readyWithinMs, clock, signal }).then(
    () => undefined,
    asError,
  );
  signal.throwIfAborted();
  await using watch = await NetworkWatch.start({ access: () => backend.access(), clock });
  const names = watch.present.map(({ name }) => name);
  const scene = new FaultScene({ backend, watch, parameters, readyWithinMs, names, clock, random, signal });
  if (unready !== undefined) scene.wrong.push(`it could not begin: ${unready.message}`);
  const quiet = new AbortController();
  const sending = scene.broadcasts.run(Infinity, AbortSignal.any([quiet.signal, signal]));
  let readyMs: number | undefined;
  try {
    if (unready === undefined) {
      progress("broadcasting");
      await scene.hold(WELL_MS);
      progress("at work");
      await FAULT_CASES_BY_NAME[name].run(scene);
      progress("waiting until every node is ready again");
      await waitUntilReady(backend, { withinMs: readyWithinMs, clock, signal });
      readyMs = Math.round(clock.now() - scene.overMs);
      await scene.hold(WELL_MS);
    }
  } catch (caught) {
    scene.wrong.push(asError(caught).message);
  } finally {
    quiet.abort();
    await sending;
    await mend(scene, context);
  }
  signal.throwIfAborted();
  const untilMs = clock.now() + parameters.withinMs;
  while (clock.now() < untilMs && judge(scene.ledger).lost.length > 0) {
    progress(`${judge(scene.ledger).lost.length} broadcasts are not everywhere yet`);
    await sleep(clock, LOOK_MS, signal);
  }
  return resultOf(name, scene, { watch, readyMs });
}

/** Ends what a case that failed or was given up has left: nobody stays stopped or cut off. */
async function mend(scene: FaultScene, { backend, signal }: AssertionContext): Promise<void> {
  const anyhow = new AbortController().signal;
  const left = (how: string) => scene.absences.filter((each) => each.how === how && each.returnedMs === undefined);
  const attempt = (work: Promise<void>) =>
    work.catch((caught) => void scene.wrong.push(`it could not be mended: ${asError(caught).message}`));
  const stopped = left("stopped").map(({ node }) => node);
  const fault = { nodes: [], groups: [], validators: 0 };
  if (stopped.length > 0) await attempt(backend.fault({ ...fault, fault: "cont", nodes: stopped }, anyhow));
  if (left("cut").length > 0) await attempt(backend.fault({ ...fault, fault: "heal" }, anyhow));
  if (scene.wrong.length > 0 && !signal.aborted) await attempt(backend.up(signal));
}

function resultOf(
  fault: FaultCaseName,
  scene: FaultScene,
  { watch, readyMs }: { watch: NetworkWatch; readyMs: number | undefined },
): FaultCaseResult {
  const { faultMs, overMs, absences, broadcasts } = scene;
  const wrong = [...scene.wrong];
  const { accepted, refused, asked } = broadcasts;
  const { owed, reached, lost, atRisk, atRiskReached, missed, caughtUp } = judge(scene.ledger);
  const endMs = Math.max(overMs, ...absences.map(({ againMs = 0 }) => againMs));
  const meanwhile = accepted.filter(({ askedMs }) => askedMs >= faultMs && askedMs < endMs).length;
  if (owed === 0) wrong.push("no broadcast was owed to anybody");
  if (accepted.length < ACCEPTED_SHARE * asked) wrong.push(`only ${accepted.length} of ${asked} were accepted`);
  if (meanwhile === 0) wrong.push("nothing was broadcast meanwhile");
  for (const { nonce, from, missing } of lost.slice(0, NAMED_MAX)) {
    wrong.push(`broadcast ${nonce}, accepted by ${from}, is not at ${missing.join(", ")}`);
  }
  if (lost.length > NAMED_MAX) wrong.push(`${lost.length} accepted broadcasts are lost in all`);
  for (const { name, forgotten, runs } of watch.nodes.values()) {
    if (forgotten > 0) wrong.push(`${name} had forgotten ${forgotten} messages before it was asked`);
    const ends = absences.filter(({ node, how }) => node === name && (how === "killed" || how === "ended")).length;
    if (runs.length === 0) wrong.push(`${name} never answered`);
    if (ends === 0 && runs.length > 1) {
      wrong.push(`${name} was started ${runs.length - 1} times, and nobody touched it`);
    }
  }
  const since = (ms: number | undefined) => ms === undefined ? undefined : Math.round(ms - faultMs);
  const hit = [...new Set(absences.map(({ node }) => node))];
  const returns = absences.filter(({ returnedMs }) => returnedMs !== undefined);
  const slowest = (ms: readonly number[]) => ms.length === 0 ? undefined : Math.round(Math.max(...ms));
  return {
    fault,
    ok: wrong.length === 0,
    nodes: hit.length > 3 ? `${hit.length} nodes` : hit.join(", "),
    asked,
    accepted: accepted.length,
    meanwhile,
    // Down, so that one of many thousands shows.
    covered: owed === 0 ? 0 : Math.floor(10_000 * reached / owed) / 100,
    lost: lost.length,
    atRisk,
    caughtUp: `${caughtUp} of ${missed}`,
    backMs: since(slowest(returns.map(({ returnedMs }) => returnedMs!))),
    againMs: slowest(returns.flatMap(({ returnedMs, againMs }) => againMs === undefined ? [] : againMs - returnedMs!)),
    readyMs,
    wrong,
    evidence: {
      owed,
      reached,
      lost: lost.slice(0, 100).map((each) => ({ ...each, acceptedMs: since(each.acceptedMs) })),
      atRiskReached,
      overMs: since(overMs),
      absences: absences.map(({ node, how, fromMs, returnedMs, againMs }) => ({
        node,
        how,
        fromMs: Number.isFinite(fromMs) ? since(fromMs) : null,
        returnedMs: since(returnedMs),
        againMs: since(againMs),
      })),
      refused: refused.length,
      refusals: refused.slice(0, NAMED_MAX).map(({ from, askedMs, why }) => ({ from, askedMs: since(askedMs), why })),
      lateMs: Math.round(broadcasts.lateMs),
    },
  };
}
