import { assertEquals, assertThrows } from "@std/assert";
import { applyReport, SCORE_CHANGES_MAX, SCORE_MIN, type Scored } from "../../src/peer/scores.ts";

const scored = (): Scored => ({ score: 0, changes: [] });

Deno.test("applyReport() moves the score within its bounds and keeps the reason", () => {
  const peer = scored();
  applyReport(peer, { kind: "good", points: 3, reason: "useful block" }, 1);
  applyReport(peer, { kind: "bad", points: 5, reason: "late answer" }, 2);
  assertEquals(peer.score, -2);
  assertEquals(peer.changes, [
    { reason: "useful block", points: 3, times: 1, wallMs: 1 },
    { reason: "late answer", points: -5, times: 1, wallMs: 2 },
  ]);
  applyReport(peer, { kind: "bad", points: 1e9, reason: "forged" }, 3);
  assertEquals(peer.score, SCORE_MIN);
  applyReport(peer, { kind: "good", points: 1e9, reason: "saved the chain" }, 4);
  assertEquals(peer.score, 99);
});

Deno.test("applyReport() counts a repeated reason once and forgets the oldest", () => {
  const peer = scored();
  for (let i = 1; i <= 1000; i++) applyReport(peer, { kind: "bad", points: 0.01, reason: "slow" }, i);
  assertEquals(peer.changes.length, 1);
  assertEquals([peer.changes[0].times, peer.changes[0].wallMs], [1000, 1000]);
  for (let i = 0; i < 100; i++) {
    applyReport(peer, { kind: "good", points: 1, reason: `reason ${i} ${"x".repeat(500)}` }, i);
  }
  assertEquals(peer.changes.length, SCORE_CHANGES_MAX);
  assertEquals(peer.changes.every(({ reason }) => reason.length <= 200), true);
  assertEquals(peer.changes.at(-1)!.reason.startsWith("reason 99"), true);
});

Deno.test("applyReport() refuses points that are not a number above 0", () => {
  for (const points of [0, -1, NaN, Infinity]) {
    assertThrows(() => applyReport(scored(), { kind: "good", points, reason: "" }, 0), RangeError);
  }
});
