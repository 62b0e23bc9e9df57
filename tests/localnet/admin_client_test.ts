import { assertEquals, assertRejects } from "@std/assert";
import { abortable } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { AdminClient } from "../../src/localnet/admin_client.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

/** A node that is stopped: it takes questions and never answers. */
const stopped = {
  name: "validator-0",
  address: "ab".repeat(20),
  role: "validator" as const,
  adminUrl: "http://127.0.0.1:1",
  ask: (_url: string, { signal }: RequestInit) => abortable(new Promise<Response>(() => {}), signal!),
};

Deno.test("AdminClient gives up a node that does not answer in time, and one that nobody waits for any more at once", async () => {
  const clock = new VirtualClock();
  const patient = assertRejects(() => new AdminClient(stopped, { token: "", clock }).staked(), P2pError);
  await clock.advance(10_000);
  assertEquals((await patient).code, "node_unreachable");

  const stop = new AbortController();
  const given = assertRejects(
    () => new AdminClient(stopped, { token: "", clock, signal: stop.signal }).staked(),
    P2pError,
  );
  stop.abort(new P2pError("interrupted", "Interrupted"));
  assertEquals([(await given).code, clock.pending], ["interrupted", 0]);
});
