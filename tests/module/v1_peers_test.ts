import { assertEquals } from "@std/assert";
import { V1Peers } from "../../src/module/v1_peers.ts";

Deno.test("V1Peers remembers who spoke V1 when last met", () => {
  const peers = new V1Peers();
  peers.meet("a", 0);
  peers.meet("b", 1);
  assertEquals([peers.has("a"), peers.has("b"), peers.has("c")], [true, false, false]);
  peers.meet("a", 1); // upgraded
  assertEquals(peers.has("a"), false);
});

Deno.test("V1Peers forgets those met longest ago beyond 100,000", () => {
  const peers = new V1Peers();
  for (let i = 0; i < 100_000; i++) peers.meet(`${i}`, 0);
  peers.meet("0", 0);
  peers.meet("one more", 0);
  assertEquals([peers.has("0"), peers.has("1"), peers.has("2"), peers.has("one more")], [true, false, true, true]);
});
