import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { StaticProvider } from "../../src/peer/static_provider.ts";
import { staked } from "./_staked.ts";

Deno.test("StaticProvider answers with the set that holds at a height, sorted by address", async () => {
  const provider = new StaticProvider([staked(2), staked(1)]);
  provider.set(20, [staked(3)]);
  provider.set(10, [staked(1), staked(2, 5)]);
  provider.set(20, [staked(4), staked(3)]);
  const at = (height: number) => provider.getStakedPeerstoreAtHeight(height);
  assertEquals(await at(0), [staked(1), staked(2)]);
  assertEquals(await at(9), [staked(1), staked(2)]);
  assertEquals(await at(10), [staked(1), staked(2, 5)]);
  assertEquals(await at(1_000_000), [staked(3), staked(4)]);
});

Deno.test("StaticProvider tells the height that it was moved to", async () => {
  const provider = new StaticProvider([]);
  assertEquals(await provider.getCurrentHeight(), 0);
  provider.setHeight(7);
  assertEquals(await provider.getCurrentHeight(), 7);
});

Deno.test("StaticProvider refuses heights that are none, addresses staked twice, and an aborted question", async () => {
  const provider = new StaticProvider([]);
  for (const height of [-1, 0.5, NaN, 2 ** 60]) {
    assertEquals(
      (await assertRejects(() => provider.getStakedPeerstoreAtHeight(height), P2pError)).code,
      "height_unknown",
    );
    assertThrows(() => provider.setHeight(height), P2pError);
  }
  assertEquals(assertThrows(() => provider.set(1, [staked(1), staked(1, 2)]), P2pError).code, "peerstore_duplicate");
  const signal = AbortSignal.abort(new Error("stopped"));
  await assertRejects(() => provider.getStakedPeerstoreAtHeight(0, { signal }), Error, "stopped");
});
