import { assertEquals } from "@std/assert";
import { countArithmetic, countLive, publishedAcks, publishedComms, ticksOf } from "../../src/sim/message_kinds.ts";

Deno.test("countArithmetic() gives Pocket's published totals up to 177,147 nodes, message by message", () => {
  const published = [
    [27, 107, 56],
    [81, 323, 164],
    [243, 971, 488],
    [729, 2_915, 1_460],
    [2_187, 8_747, 4_376],
    [6_561, 26_243, 13_124],
    [19_683, 78_731, 39_368], // the source says 39,358: a slip, all its other rows have 2N + 2
    [59_049, 236_195, 118_100],
    [177_147, 708_587, 354_296],
  ];
  for (const [k, [nodes, comms, acks]] of published.entries()) {
    const kinds = countArithmetic(nodes);
    assertEquals([publishedComms(kinds), publishedAcks(kinds)], [comms, acks], `${nodes} nodes`);
    assertEquals(ticksOf(kinds), k + 3 + 2, "one hop a level, a question and an answer");
  }
});

Deno.test("countLive() counts of production nodes, kind by kind, what the rules say", async () => {
  for (const nodes of [9, 27]) assertEquals(await countLive(nodes), countArithmetic(nodes), `${nodes} nodes`);
});
