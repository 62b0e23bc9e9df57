import { assertEquals } from "@std/assert";
import {
  type Absence,
  type AcceptedBroadcast,
  againMs,
  judge,
  type Ledger,
} from "../../src/cluster/broadcast_ledger.ts";

const NODES = ["a", "b", "c"];

/** A broadcast of `from`, accepted 5 ms after it was asked for. */
function accepted(nonce: string, from: string, acceptedMs: number): AcceptedBroadcast {
  return { nonce, from, askedMs: acceptedMs - 5, acceptedMs };
}

/** A ledger in which each node has what stands behind its name: `b: "1 2"`, seen at 100,000 ms or `@`. */
function ledger(broadcasts: AcceptedBroadcast[], has: Record<string, string>, absences: Absence[] = []): Ledger {
  const seen = new Map(
    Object.entries(has).map(([node, list]) => {
      return [
        node,
        new Map(list.split(" ").map((each) => each.split("@")).map(([nonce, at = "100000"]) => [nonce, +at])),
      ];
    }),
  );
  return { nodes: NODES, accepted: broadcasts, absences, seenMs: (node, nonce) => seen.get(node)?.get(nonce) };
}

Deno.test("judge() owes every broadcast to every other node", () => {
  const all = [accepted("1", "a", 10_000), accepted("2", "b", 10_000)];
  const whole = judge(ledger(all, { a: "1 2", b: "1 2", c: "1 2" }));
  assertEquals([whole.owed, whole.reached, whole.lost], [4, 4, []]);
  const lacking = judge(ledger(all, { a: "1", b: "1 2", c: "2" }));
  assertEquals([lacking.owed, lacking.reached], [4, 2]);
  assertEquals(lacking.lost.map(({ nonce, missing }) => [nonce, missing]), [["1", ["c"]], ["2", ["a"]]]);
  assertEquals(judge(ledger([], {})).owed, 0);
});

Deno.test("judge() owes nothing to a node that is dead, and everything once it is back and got a broadcast", () => {
  const death: Absence = { node: "c", how: "killed", fromMs: 20_000, returnedMs: 24_000, againMs: 25_000 };
  const at = (ms: number) => judge(ledger([accepted("1", "a", ms)], { b: "1" }, [death]));
  // Long before the death: it was seen, or it never came.
  assertEquals(at(17_999).lost.length, 1);
  // Moments before: it may have come and could not be told.
  assertEquals([at(18_001).lost.length, at(18_001).missed], [0, 0]);
  for (const ms of [20_000, 23_000, 24_999]) assertEquals([at(ms).lost.length, at(ms).missed, at(ms).owed], [0, 1, 1]);
  assertEquals(at(25_000).lost.map(({ missing }) => missing), [["c"]]);
  // Who has not come back owes no excuse for later: the assertion fails for that.
  const gone = judge(ledger([accepted("1", "a", 90_000)], { b: "1" }, [{ node: "c", how: "killed", fromMs: 20_000 }]));
  assertEquals([gone.owed, gone.reached, gone.missed, gone.caughtUp], [1, 1, 1, 0]);
  const given = judge(ledger([accepted("1", "a", 22_000)], { b: "1", c: "1" }, [death]));
  assertEquals([given.owed, given.missed, given.caughtUp], [1, 1, 1]);
});

Deno.test("judge() owes everything to a node that is stopped or cut off: it lives", () => {
  for (const how of ["stopped", "cut"] as const) {
    const absence: Absence = { node: "c", how, fromMs: 20_000, returnedMs: 30_000, againMs: 30_500 };
    for (const ms of [19_000, 25_000, 31_000]) {
      assertEquals(judge(ledger([accepted("1", "a", ms)], { b: "1" }, [absence])).lost.length, 1);
    }
    // What it accepted itself, too.
    assertEquals(judge(ledger([accepted("1", "c", 19_999)], { b: "1" }, [absence])).lost.length, 1);
  }
});

Deno.test("judge() holds nobody to what only a node accepted that was killed the moment after, but to what one accepted that ended in order", () => {
  const fate = (how: Absence["how"], ms: number) =>
    judge(ledger([accepted("1", "c", ms)], { a: "1" }, [{ node: "c", how, fromMs: 20_000, returnedMs: 22_000 }]));
  assertEquals([fate("killed", 19_000).atRisk, fate("killed", 19_000).lost.length], [1, 0]);
  assertEquals([fate("killed", 19_000).atRiskReached, fate("killed", 19_000).owed], [0, 0]);
  assertEquals([fate("killed", 17_000).atRisk, fate("killed", 17_000).lost.length], [0, 1]);
  assertEquals([fate("killed", 23_000).atRisk, fate("killed", 23_000).lost.length], [0, 1]);
  assertEquals([fate("ended", 19_999).atRisk, fate("ended", 19_999).lost.length], [0, 1]);
});

Deno.test("againMs() takes only what was asked for after the return, of the origins that count", () => {
  const back: Absence = { node: "c", how: "cut", fromMs: 1_000, returnedMs: 2_000 };
  const all = [
    accepted("1", "a", 1_500),
    accepted("2", "a", 2_004),
    accepted("3", "a", 2_105),
    accepted("4", "b", 2_205),
  ];
  const seen = ledger(all, { c: "1@2010 2@2020 3@2300 4@2400" });
  assertEquals(againMs(back, NODES, seen), 2_300);
  assertEquals(againMs(back, ["b"], seen), 2_400);
  assertEquals(againMs(back, [], seen), undefined);
  assertEquals(againMs({ ...back, returnedMs: undefined }, NODES, seen), undefined);
  assertEquals(againMs({ ...back, node: "b" }, NODES, seen), undefined);
});
