import { assertEquals } from "@std/assert";
import { Deliveries } from "../../src/cli/deliveries.ts";
import type { Fate } from "../../src/cli/local_network.ts";
import { Payload, PAYLOAD_BYTES_MIN } from "../../src/cli/payload.ts";

/** A clock that the test moves. */
function handClock() {
  let nowMs = 0;
  const clock = { now: () => nowMs, wall: () => nowMs, after: () => () => {} };
  return { clock, move: (ms: number) => void (nowMs += ms) };
}

function deliveries(originators: number[], fates: Fate[], reached = fates.map((_, offset) => offset > 0)) {
  const { clock, move } = handClock();
  return { all: new Deliveries({ originators, reached, fates, clock }), move };
}

Deno.test("Deliveries counts each expected delivery once, and what is surplus or corrupted apart", async () => {
  const { all, move } = deliveries([0, 1], ["live", "live", "live"]);
  assertEquals([all.expected, all.expectedStalled, all.underWay], [4, 0, 0]);
  const complete = all.begin();
  assertEquals(all.underWay, 1);
  move(3);
  all.note(1, 0);
  all.note(1, 0); // again
  all.note(0, 0); // the originator's own
  all.note(2, -1); // other bytes
  all.note(2, 1); // not made yet
  assertEquals([all.delivered, all.surplus, all.corrupted, all.missedAt(2)], [1, 2, 2, 2]);
  assertEquals(all.timesToAllMs(), []);
  move(4);
  all.note(2, 0);
  await complete;
  assertEquals([all.delivered, all.underWay, all.timesToAllMs()], [2, 0, [7]]);
  await all.recovered;
});

Deno.test("Deliveries expects the live, waits for the frozen apart, and asks nothing of the killed", async () => {
  const { all } = deliveries([0, 0], ["live", "killed", "stalled", "live"]);
  assertEquals([all.expected, all.expectedStalled], [2, 2]);
  let struck = 0;
  all.atNext(() => struck++);
  const complete = [all.begin(), all.begin()];
  all.note(1, 0);
  assertEquals([struck, all.delivered, all.surplus], [1, 0, 0]);
  all.note(3, 0);
  all.note(3, 1);
  await Promise.all(complete);
  // Both have still to reach somebody, if not anybody live.
  assertEquals([struck, all.delivered, all.underWay], [1, 2, 2]);
  all.note(2, 1);
  all.note(2, 0);
  await all.recovered;
  assertEquals([all.deliveredStalled, all.surplus, all.underWay], [2, 0, 1]);
  assertEquals([0, 1, 2, 3].map((position) => all.missedAt(position)), [0, 1, 0, 0]);
});

Deno.test("Deliveries takes what fills a hole of the published formula for surplus only without faults", () => {
  const reached = [false, true, false];
  const calm = deliveries([0], ["live", "live", "live"], reached).all;
  const faulty = deliveries([0], ["live", "live", "live", "killed"], [...reached, true]).all;
  for (const all of [calm, faulty]) {
    void all.begin();
    all.note(1, 0);
    all.note(2, 0);
    assertEquals([all.expected, all.delivered], [1, 1]);
  }
  assertEquals([calm.surplus, faulty.surplus], [1, 0]);
});

Deno.test("Payload says the number of what it made, and of anything else that it is corrupted", () => {
  for (const bytes of [PAYLOAD_BYTES_MIN, 5, 1_000]) {
    const payload = new Payload(bytes);
    for (const number of [0, 1, 2 ** 32 - 1]) assertEquals(payload.numberOf(payload.of(number).value), number);
    const { value } = payload.of(7);
    assertEquals(value.length, bytes);
    assertEquals([payload.numberOf(value.subarray(1)), payload.numberOf(new Uint8Array())], [-1, -1]);
    if (bytes > PAYLOAD_BYTES_MIN) assertEquals(payload.numberOf(value.with(-1, value.at(-1)! ^ 1)), -1);
  }
});
