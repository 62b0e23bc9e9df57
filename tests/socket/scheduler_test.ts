import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { below, seededRandom } from "../../src/base/random.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { createScheduler, type QueueKind } from "../../src/socket/scheduler.ts";
import { SendLane } from "../../src/socket/send_lane.ts";
import { lane } from "./_socket_pair.ts";

function lanes(...priorities: number[]): SendLane[] {
  return priorities.map((priority, i) => {
    const made = new SendLane(lane(i + 1, { priority }));
    made.credit = 1 << 30;
    return made;
  });
}

/** Takes frames until nothing is ready; the channels in the order they were served. */
function drain(kind: QueueKind, from: SendLane[], frames = Infinity): number[] {
  const scheduler = createScheduler(kind);
  const out = new ByteWriter();
  const served: number[] = [];
  for (let next = scheduler.next(from); next !== undefined && frames-- > 0; next = scheduler.next(from)) {
    out.clear();
    next.takeFrame(out);
    served.push(next.options.id);
  }
  return served;
}

const KINDS: QueueKind[] = ["fifo", "priority", "wdrr"];

Deno.test("every scheduler serves nothing where nothing is ready", () => {
  for (const kind of KINDS) {
    assertEquals(createScheduler(kind).next([]), undefined);
    assertEquals(createScheduler(kind).next(lanes(1, 2)), undefined);
    const [blocked] = lanes(1);
    blocked.credit = 0;
    blocked.push(new Uint8Array(1), 0);
    assertEquals(createScheduler(kind).next([blocked]), undefined);
  }
});

Deno.test("every scheduler serves everything that is ready, each channel in its order", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS),
      fc.array(fc.record({ to: fc.nat(3), size: fc.nat(90_000) }), { maxLength: 40 }),
      (kind, messages) => {
        const all = lanes(1, 5, 2, 3);
        messages.forEach(({ to, size }, turn) => all[to].push(new Uint8Array(size), turn));
        drain(kind, all);
        assertEquals(
          all.map(({ sent }) => sent),
          [0, 1, 2, 3].map((i) => messages.filter(({ to }) => to === i).length),
        );
      },
    ),
    { seed: 74, numRuns: 60 },
  );
});

Deno.test("a channel without credit holds up no other, under every scheduler", () => {
  for (const kind of KINDS) {
    const all = lanes(9, 1);
    all[0].credit = 0;
    for (let turn = 0; turn < 20; turn++) all[turn % 2].push(new Uint8Array(10), turn);
    assertEquals(drain(kind, all), Array(10).fill(2), kind);
    all[0].credit = 1 << 20;
    assertEquals(drain(kind, all), Array(10).fill(1), kind);
  }
});

Deno.test("fifo serves messages in the order of their arrival across channels", () => {
  const random = seededRandom(75);
  const all = lanes(1, 9, 3);
  const expected: number[] = [];
  for (let turn = 0; turn < 300; turn++) {
    const to = below(random, 3);
    all[to].push(new Uint8Array(below(random, 500)), turn);
    expected.push(to + 1);
  }
  assertEquals(drain("fifo", all), expected);
});

Deno.test("priority serves the highest first, equals by channel ID, and what comes meanwhile overtakes", () => {
  const all = lanes(1, 7, 7, 3);
  for (const each of all) for (let turn = 0; turn < 2; turn++) each.push(new Uint8Array(10), turn);
  assertEquals(drain("priority", all, 3), [2, 2, 3]);
  all[1].push(new Uint8Array(10), 9);
  assertEquals(drain("priority", all), [2, 3, 4, 4, 1, 1]);
});

Deno.test("priority lets an urgent message pass between the fragments of a large one", () => {
  const all = lanes(1, 9);
  all[0].push(new Uint8Array(200_000), 0);
  assertEquals(drain("priority", all, 1), [1]);
  all[1].push(new Uint8Array(10), 1);
  assertEquals(drain("priority", all), [2, 1, 1, 1]);
});

Deno.test("wdrr shares bytes in proportion to priorities, whatever the sizes of the messages", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ priority: fc.integer({ min: 1, max: 12 }), size: fc.integer({ min: 50, max: 8000 }) }), {
        minLength: 2,
        maxLength: 5,
      }),
      (channels) => {
        const all = lanes(...channels.map(({ priority }) => priority));
        const total = channels.reduce((sum, { priority }) => sum + priority, 0);
        channels.forEach(({ size }, i) => {
          // Nobody may run empty while we measure: twice the share of each.
          const bytes = 2 * 4096 * channels[i].priority * 40;
          for (let turn = 0; turn * size < bytes; turn++) all[i].push(new Uint8Array(size), turn);
        });
        const scheduler = createScheduler("wdrr");
        const out = new ByteWriter();
        const sent = channels.map(() => 0);
        for (let bytes = 0; bytes < 4096 * total * 40;) {
          const next = scheduler.next(all)!;
          sent[next.options.id - 1] += next.nextFrameBytes + 4;
          bytes += next.nextFrameBytes + 4;
          out.clear();
          next.takeFrame(out);
        }
        channels.forEach(({ priority }, i) => {
          const share = sent[i] / (4096 * 40 * priority);
          assert(share > 0.85 && share < 1.15, `${sent} of ${JSON.stringify(channels)}`);
        });
      },
    ),
    { seed: 76, numRuns: 40 },
  );
});

Deno.test("wdrr serves a channel again at once after idleness, without savings from it", () => {
  const all = lanes(1, 1);
  for (let turn = 0; turn < 400; turn++) all[0].push(new Uint8Array(1000), turn);
  const scheduler = createScheduler("wdrr");
  const out = new ByteWriter();
  const serve = (count: number) =>
    Array.from({ length: count }, () => {
      const next = scheduler.next(all)!;
      next.takeFrame(out);
      return next.options.id;
    });
  assertEquals(serve(200), Array(200).fill(1));
  for (let turn = 0; turn < 100; turn++) all[1].push(new Uint8Array(1000), turn);
  const after = serve(40);
  const second = after.filter((id) => id === 2).length;
  assert(second >= 16 && second <= 24, `${after}`);
  assert(after.indexOf(2) <= 5, `${after}`);
});
