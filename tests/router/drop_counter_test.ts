import { assertEquals } from "@std/assert";
import { DropCounter } from "../../src/router/drop_counter.ts";

Deno.test("DropCounter counts by channel, peer and reason", () => {
  const drops = new DropCounter();
  drops.add(1, "a", "full");
  drops.add(1, "a", "full", 2);
  drops.add(1, "a", "closed");
  drops.add(2, "a", "full");
  drops.add(1, "b", "full");
  drops.add(1, "b", "closed", 0);
  assertEquals(drops.rows(), [
    { channel: 1, peer: "a", reason: "full", count: 3 },
    { channel: 1, peer: "a", reason: "closed", count: 1 },
    { channel: 2, peer: "a", reason: "full", count: 1 },
    { channel: 1, peer: "b", reason: "full", count: 1 },
  ]);
});

Deno.test("DropCounter sums up what comes beyond 10,000 rows", () => {
  const drops = new DropCounter();
  for (let i = 0; i < 20_000; i++) drops.add(1, `${i}`, "full");
  drops.add(1, "0", "full");
  const rows = drops.rows();
  assertEquals(rows.length, 10_001);
  assertEquals([rows[0].count, rows.at(-1)], [2, { channel: 1, peer: "other", reason: "full", count: 10_000 }]);
});
