import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { AdminClient } from "../localnet/admin_client.ts";
import type { Backend } from "../localnet/backend.ts";
import type { AssertionName, Manifest } from "../localnet/manifest.ts";

/** What an assertion looks at, and what it may do. */
export interface AssertionContext {
  /** What the network was made from. */
  readonly manifest: Manifest;
  /** Where it runs: who may be asked now, and what can be done to it. */
  readonly backend: Backend;
  /** The admin API of every node, in the manifest's order, as they were when the assertion began. */
  readonly clients: readonly AdminClient[];
  /** Time. */
  readonly clock: Clock;
  /** Who is chosen, and what is sent. */
  readonly random: Random;
  /** Gives up. */
  readonly signal: AbortSignal;
  /** Takes what is going on, for people who wait. */
  readonly progress: (text: string) => void;
}

/** What came of an assertion. */
export interface AssertionOutcome {
  /** Whether it holds. One that saw nothing does not. */
  readonly ok: boolean;
  /** A sentence for people: figures where it holds, otherwise what does not. */
  readonly detail: string;
  /** What it rests on: numbers and observations, plain data. */
  readonly evidence: Readonly<Record<string, unknown>>;
}

/** One line of the report. The field names are a contract (docs/localnet.md). */
export interface AssertionResult extends AssertionOutcome {
  /** Which. */
  readonly name: AssertionName;
  /** How long it took, milliseconds. */
  readonly elapsedMs: number;
}

/** What `localnet assert --json` prints. The field names are a contract (docs/localnet.md). */
export interface AssertionReport {
  /** Whether every assertion holds, and there was one. */
  readonly ok: boolean;
  /** Each, in order. */
  readonly assertions: readonly AssertionResult[];
}

/** Something that is to hold of a network. What it throws counts as failed. */
export type Assertion = (context: AssertionContext) => Promise<AssertionOutcome>;

/** An outcome: it holds where nothing is wrong. Only the first few faults stand in the sentence, all of them in the evidence. */
export function outcome(
  wrong: readonly string[],
  holds: string,
  evidence: Readonly<Record<string, unknown>>,
): AssertionOutcome {
  if (wrong.length === 0) return { ok: true, detail: holds, evidence };
  const more = wrong.length > SHOWN ? `; and ${wrong.length - SHOWN} more` : "";
  return { ok: false, detail: `${wrong.slice(0, SHOWN).join("; ")}${more}`, evidence: { wrong, ...evidence } };
}

const SHOWN = 3;
