/** The score of persistent peers; the others stay below. */
export const SCORE_MAX: number = 100;

/** A peer whose score falls this low is banned for a while, unless it is persistent or wanted. */
export const SCORE_MIN: number = -100;

/** Reasons kept per peer; an older one is dropped for a newer one. */
export const SCORE_CHANGES_MAX: number = 8;

const REASON_LENGTH_MAX = 200;

/** Why a score moved. Repetitions of one reason in a row are one entry. */
export interface ScoreChange {
  /** What the peer did, in words. */
  readonly reason: string;
  /** Points altogether: above zero for good behaviour, below for bad. */
  readonly points: number;
  /** How often in a row. */
  readonly times: number;
  /** The last time, in milliseconds since the Unix epoch. */
  readonly wallMs: number;
}

/** What a component says of a peer's behaviour. */
export interface PeerReport {
  /** Whether the peer is better or worse for it. */
  kind: "good" | "bad";
  /** By how much, above zero; the whole scale is -100 to 100. */
  points: number;
  /** What it did, in words; cut at 200 characters. */
  reason: string;
}

/** A score and the reasons that led to it. */
export interface Scored {
  /** From {@link SCORE_MIN} to just below {@link SCORE_MAX}. */
  score: number;
  /** The last reasons, oldest first, at most {@link SCORE_CHANGES_MAX}. */
  changes: ScoreChange[];
}

/** Moves a score and keeps the reason. @throws {RangeError} if the points are not a finite number above zero */
export function applyReport(scored: Scored, report: PeerReport, wallMs: number): void {
  if (!(report.points > 0) || report.points === Infinity) {
    throw new RangeError(`Cannot score ${report.points} points: they must be a finite number above 0`);
  }
  const points = report.kind === "good" ? report.points : -report.points;
  const reason = report.reason.slice(0, REASON_LENGTH_MAX);
  scored.score = Math.min(SCORE_MAX - 1, Math.max(SCORE_MIN, scored.score + points));
  const last = scored.changes.at(-1);
  if (last?.reason === reason) {
    scored.changes.pop();
    scored.changes.push({ reason, points: last.points + points, times: last.times + 1, wallMs });
    return;
  }
  scored.changes.push({ reason, points, times: 1, wallMs });
  if (scored.changes.length > SCORE_CHANGES_MAX) scored.changes.shift();
}
