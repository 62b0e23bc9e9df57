import { systemClock } from "../base/clock.ts";
import {
  countArithmetic,
  countLive,
  type MessageKinds,
  publishedAcks,
  publishedComms,
  ticksOf,
} from "../sim/message_kinds.ts";
import { ExitCode } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { palette, Progress, table } from "./terminal.ts";

/** Pocket's published totals: nodes, messages, acknowledgements, ticks. */
const PUBLISHED: readonly (readonly [nodes: number, comms: number, acks: number, ticks: number])[] = [
  [27, 107, 56, 11],
  [81, 323, 164, 13],
  [243, 971, 488, 15],
  [729, 2_915, 1_460, 17],
  [2_187, 8_747, 4_376, 19],
  [6_561, 26_243, 13_124, 21],
  [19_683, 78_731, 39_358, 23],
  [59_049, 236_195, 118_100, 25],
  [177_147, 708_587, 354_296, 27],
];

/** A slip of the source: every other row of it has 2N + 2 acknowledgements, this one ten fewer. */
const SLIP = { nodes: 19_683, meant: 39_368 };

/** Production nodes are counted up to here, larger networks by the rules alone. */
const LIVE_NODES_MAX = 729;

/** One row of `sim --counts --json`. */
export interface CountsRow extends MessageKinds {
  /** Whether production nodes were counted, or the rules alone. */
  readonly by: "run" | "arithmetic";
  /** All messages but acknowledgements. */
  readonly comms: number;
  /** Acknowledgements as published: answers, and those of the originator's two targets. */
  readonly acks: number;
  /** Hops until the last answer. */
  readonly ticks: number;
  /** The published totals. */
  readonly published: { readonly comms: number; readonly acks: number; readonly ticks: number };
}

/** Does `sim --counts` for the published sizes up to `nodesMax`. Returns the exit code: 1 where a count is not the published one. */
export async function runCounts(nodesMax: number, json: boolean, io: Io): Promise<number> {
  const rows: CountsRow[] = [];
  {
    using progress = new Progress(io, { clock: systemClock });
    for (const [nodes, comms, acks, ticks] of PUBLISHED) {
      if (nodes > nodesMax) break;
      io.signal.throwIfAborted();
      const live = nodes <= LIVE_NODES_MAX;
      progress.update(`counting ${nodes} nodes`);
      const kinds = live ? await countLive(nodes) : countArithmetic(nodes);
      rows.push({
        ...kinds,
        by: live ? "run" : "arithmetic",
        comms: publishedComms(kinds),
        acks: publishedAcks(kinds),
        ticks: ticksOf(kinds),
        published: { comms, acks, ticks },
      });
    }
  }
  io.stdout(json ? `${JSON.stringify(rows)}\n` : render(rows, io));
  return rows.every(isAsPublished) ? ExitCode.ok : ExitCode.failed;
}

function isAsPublished({ nodes, comms, acks, published }: CountsRow): boolean {
  return comms === published.comms && acks === (nodes === SLIP.nodes ? SLIP.meant : published.acks);
}

function render(rows: readonly CountsRow[], io: Io): string {
  const { bold, dim, green, red } = palette(io);
  const titles = [
    "nodes",
    "tree",
    "list",
    "asked",
    "comms",
    "published",
    "answers",
    "targets",
    "ACKs",
    "published",
    "hops",
    "ticks",
  ];
  const mark = (row: CountsRow, own: number) => (isAsPublished(row) ? green : red)(String(own));
  const cells = rows.map((row) => [
    row.nodes,
    row.tree,
    row.redundancy + row.own,
    row.questions,
    mark(row, row.comms),
    row.published.comms,
    row.answers,
    row.firstTargets,
    mark(row, row.acks),
    `${row.published.acks}${row.nodes === SLIP.nodes ? "*" : " "}`,
    row.ticks,
    row.published.ticks,
  ]);
  const live = rows.filter(({ by }) => by === "run").map(({ nodes }) => nodes);
  return [
    `${bold("Messages of one broadcast with the published layers on")}, counted one by one\n\n`,
    table([...titles.map((title) => ({ title, align: "right" as const }))], cells),
    dim(
      `\nUp to ${
        Math.max(...live)
      } nodes these are production nodes and what was read off their wire; beyond, the rules alone.\n` +
        "comms: hand-overs along the tree, the originator's copies to the whole list (its own entry counted), questions to\n" +
        "ring neighbours. ACKs: their answers, and the originator's two targets of the first level; nodes acknowledge every\n" +
        "other hand-over too, which the published totals have none of. hops: until the last answer; how the published ticks\n" +
        "were counted is not published.\n",
    ),
    rows.some(({ nodes }) => nodes === SLIP.nodes)
      ? dim(`* a slip of the source: all its other rows have 2N + 2, which is ${SLIP.meant} here.\n`)
      : "",
  ].join("");
}
