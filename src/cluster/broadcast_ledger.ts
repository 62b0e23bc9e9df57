/** A broadcast that a node has answered for: `POST /broadcast` came back with 2xx. Times are those of whoever asked, milliseconds. */
export interface AcceptedBroadcast {
  /** Its number. */
  readonly nonce: string;
  /** The node that took it. */
  readonly from: string;
  /** When it was asked for. */
  readonly askedMs: number;
  /** When the answer was there. */
  readonly acceptedMs: number;
}

/**
 * A time in which a node did not take part: `killed` (kill -9), `ended` (in order: it hands on what it has accepted), `stopped` (the same process goes on
 * later), `cut` (from a part of the network).
 */
export interface Absence {
  /** Who. */
  readonly node: string;
  /** How. */
  readonly how: "killed" | "ended" | "stopped" | "cut";
  /** When it was done to it, milliseconds. */
  fromMs: number;
  /** When it was there again: let go on, or its new process answered for the first time. */
  returnedMs?: number;
  /** When it was first seen with a broadcast that was accepted after its return. */
  againMs?: number;
}

/** What is judged. */
export interface Ledger {
  /** Every node that was there, by name, for all or a part of the time. */
  readonly nodes: readonly string[];
  /** Every broadcast that was accepted. */
  readonly accepted: readonly AcceptedBroadcast[];
  /** Who was away when. */
  readonly absences: readonly Absence[];
  /** When a node was first seen with a broadcast; `undefined` where it never was. */
  seenMs(node: string, nonce: string): number | undefined;
}

/** A broadcast that has not reached all it had to. */
export interface LostBroadcast {
  /** Its number. */
  readonly nonce: string;
  /** Who accepted it. */
  readonly from: string;
  /** When, milliseconds. */
  readonly acceptedMs: number;
  /** Live nodes that lack it. */
  readonly missing: readonly string[];
}

/** What came of the broadcasts. */
export interface LedgerVerdict {
  /** Pairs of a broadcast and a live node that had to get it. */
  readonly owed: number;
  /** Of these, those that did. */
  readonly reached: number;
  /** Broadcasts that lack somewhere. */
  readonly lost: readonly LostBroadcast[];
  /** Broadcasts whose originator was killed within moments of taking them: nobody who lives on has accepted them. */
  readonly atRisk: number;
  /** Of these, those that are at every live node all the same. */
  readonly atRiskReached: number;
  /** Pairs of a broadcast and a node that was killed or restarted, and not back when it was accepted. */
  readonly missed: number;
  /** Of these, those that the node was given later. */
  readonly caughtUp: number;
}

/**
 * How long before a node was killed a broadcast may have been accepted and still be nowhere else, milliseconds: acknowledgements are waited for as long. The
 * same is what a dead node may have got and could not tell any more.
 */
const MOMENTS_MS = 2_000;

/**
 * Who had to get what, and who did. A broadcast is owed to every other node but
 *
 * - where its originator was killed within 2 s of accepting it: then nobody who lives on has accepted it;
 * - to a node that was killed or restarted less than 2 s later, or before and had not yet got a later broadcast since.
 *
 * A node that was stopped or cut off lives: everything is owed to it, what was accepted meanwhile too.
 */
export function judge({ nodes, accepted, absences, seenMs }: Ledger): LedgerVerdict {
  const deaths = Map.groupBy(absences.filter(({ how }) => how === "killed" || how === "ended"), ({ node }) => node);
  let [owed, reached, atRisk, atRiskReached, missed, caughtUp] = [0, 0, 0, 0, 0, 0];
  const lost: LostBroadcast[] = [];
  for (const { nonce, from, askedMs, acceptedMs } of accepted) {
    const isAtRisk = (deaths.get(from) ?? []).some(({ how, fromMs, returnedMs = Infinity }) => {
      return how === "killed" && fromMs - MOMENTS_MS < acceptedMs && askedMs < returnedMs;
    });
    const missing: string[] = [];
    for (const node of nodes) {
      if (node === from) continue;
      const isThere = seenMs(node, nonce) !== undefined;
      const death = deaths.get(node)?.find(({ fromMs, againMs = Infinity }) => {
        return fromMs - MOMENTS_MS < acceptedMs && acceptedMs < againMs;
      });
      if (death !== undefined) {
        // What came just before the end was most likely seen, and is nobody's to catch up.
        if (acceptedMs < death.fromMs) continue;
        missed++;
        if (isThere) caughtUp++;
        continue;
      }
      if (!isThere) missing.push(node);
      if (isAtRisk) continue;
      owed++;
      if (isThere) reached++;
    }
    if (isAtRisk) {
      atRisk++;
      if (missing.length === 0) atRiskReached++;
    } else if (missing.length > 0) lost.push({ nonce, from, acceptedMs, missing });
  }
  return { owed, reached, lost, atRisk, atRiskReached, missed, caughtUp };
}

/**
 * When a node that is back was first seen with a broadcast that was asked for after its return, of one of `origins`; `undefined` where it was not. What is
 * older does not count: it may have lain there, or be repaired from what others kept.
 */
export function againMs(
  { node, returnedMs = Infinity }: Absence,
  origins: readonly string[],
  { accepted, seenMs }: Ledger,
): number | undefined {
  let first: number | undefined;
  for (const { nonce, from, askedMs } of accepted) {
    if (from === node || askedMs < returnedMs || !origins.includes(from)) continue;
    const at = seenMs(node, nonce);
    if (at !== undefined && (first === undefined || at < first)) first = at;
  }
  return first;
}
