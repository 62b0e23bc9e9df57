import { assertEquals } from "@std/assert";
import { TokenBucket } from "../../src/base/token_bucket.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

function taken(bucket: TokenBucket): number {
  let count = 0;
  while (count < 100 && bucket.take()) count++;
  return count;
}

Deno.test("TokenBucket.take() gives the burst at once, then what time brings, never more than the burst", async () => {
  const clock = new VirtualClock();
  const bucket = new TokenBucket(clock, { burst: 3, perSecond: 2 });
  assertEquals(taken(bucket), 3);
  await clock.advance(499);
  assertEquals(taken(bucket), 0);
  await clock.advance(1);
  assertEquals(taken(bucket), 1);
  await clock.advance(60_000);
  assertEquals(taken(bucket), 3);
});

Deno.test("TokenBucket without a limit never runs dry", async () => {
  const clock = new VirtualClock();
  const bucket = new TokenBucket(clock, { burst: Infinity, perSecond: 1 });
  assertEquals(taken(bucket), 100);
  await clock.advance(1);
  assertEquals(taken(bucket), 100);
});
