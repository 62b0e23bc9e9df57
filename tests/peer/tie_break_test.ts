import { assertEquals } from "@std/assert";
import { tieBreak } from "../../src/peer/tie_break.ts";
import { peerId } from "./_clock.ts";

const low = peerId(1);
const high = peerId(2);
const fresh = { oldAgeMs: 10, simultaneousMs: 30_000 };

Deno.test("tieBreak() keeps what the lower address dialled, at both ends and in either order", () => {
  assertEquals(tieBreak({ self: low, remote: high, old: "outbound", new: "inbound", ...fresh }), "old");
  assertEquals(tieBreak({ self: low, remote: high, old: "inbound", new: "outbound", ...fresh }), "new");
  assertEquals(tieBreak({ self: high, remote: low, old: "inbound", new: "outbound", ...fresh }), "old");
  assertEquals(tieBreak({ self: high, remote: low, old: "outbound", new: "inbound", ...fresh }), "new");
});

Deno.test("tieBreak() keeps the new one when the same end dialled twice: it lost the old one", () => {
  for (const self of [low, high]) {
    const remote = self === low ? high : low;
    assertEquals(tieBreak({ self, remote, old: "inbound", new: "inbound", ...fresh }), "new");
    assertEquals(tieBreak({ self, remote, old: "outbound", new: "outbound", ...fresh }), "new");
  }
});

Deno.test("tieBreak() keeps the new one when the old one stood too long for a simultaneous dial", () => {
  const aged = { oldAgeMs: 30_000, simultaneousMs: 30_000 };
  assertEquals(tieBreak({ self: low, remote: high, old: "outbound", new: "inbound", ...aged }), "new");
});
