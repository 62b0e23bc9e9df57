import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { exitCodeOf } from "../../src/cli/exit_codes.ts";
import { LocalNetwork, type LocalNetworkOptions } from "../../src/cli/local_network.ts";
import { ProcessLink } from "../../src/cli/process_link.ts";
import { RemoteGroup } from "../../src/cli/remote_group.ts";
import type { GroupEvents, GroupSetup, ValidatorLook } from "../../src/cli/validator_group.ts";
import { NodeKey } from "../../src/identity/node_key.ts";

const WITHIN_MS = 30_000;

/** Starts a network and waits until all are connected. */
async function settledNetwork(options: Omit<LocalNetworkOptions, "signal" | "payloadBytes">): Promise<LocalNetwork> {
  const signal = AbortSignal.timeout(WITHIN_MS);
  const network = await LocalNetwork.start({ payloadBytes: 64, signal, stderr: console.error, ...options });
  await network.settled(signal);
  return network;
}

/** Looks until it is as wanted. */
async function seen(network: LocalNetwork, wanted: (looks: readonly ValidatorLook[]) => boolean): Promise<void> {
  const signal = AbortSignal.timeout(WITHIN_MS);
  while (!wanted(await network.look())) await sleep(systemClock, 5, signal);
}

/** A group of one validator in a process that runs `code` in place of ours. */
function groupOf(code: string): RemoteGroup {
  const setup: GroupSetup = {
    members: [{ position: 4, key: NodeKey.generate().privateHex() }],
    mode: "exact",
    repair: true,
    payloadBytes: 64,
    logLevel: "error",
  };
  const events: GroupEvents = { started: () => {}, delivered: () => {} };
  const link = { clock: systemClock, stderr: () => {}, args: ["eval", code] };
  return new RemoteGroup(setup, events, (receive) => new ProcessLink(receive, link), systemClock);
}

for (const processes of [false, true]) {
  const where = processes ? "processes" : "threads";
  Deno.test(`LocalNetwork kills and freezes validators in ${where}: the others lose the dead, hear nothing of the frozen, and nothing is left`, async () => {
    const delivered: [number, number][] = [];
    await using network = await settledNetwork({ validators: 4, killed: 1, stalled: 1, processes });
    network.onDelivered = (position, number) => delivered.push([position, number]);
    const [dead] = network.positionsOf("killed");
    const [frozen] = network.positionsOf("stalled");
    const live = network.positionsOf("live");
    assertEquals([live.length, dead === frozen], [2, false]);

    network.strike();
    const lacks = (looks: readonly ValidatorLook[], peer: number) =>
      live.every((position) => looks[position].missing.some((missing) => missing.position === peer));
    await seen(network, (looks) => lacks(looks, dead));
    assertEquals(lacks(await network.look(), frozen), false, "a frozen validator's connections stay");
    await network.broadcast(live[0], 7);
    const got = () => new Set(delivered.map(([position]) => position));
    await seen(network, () => got().has(live[1]));
    network.thaw();
    await seen(network, () => got().has(frozen));
    assertEquals([...new Set(delivered.map(([, number]) => number))], [7]);
    assertEquals(got().has(dead), false);

    const { routines, errors } = await network.stop(WITHIN_MS);
    assertEquals([routines, errors], [0, []]);
    assertEquals(network.lost.aborted, false);
  });

  Deno.test(`LocalNetwork stopped while validators in ${where} are frozen ends them all the same`, async () => {
    const network = await settledNetwork({ validators: 3, stalled: 2, processes });
    network.strike();
    const { errors } = await network.stop(WITHIN_MS);
    assertEquals(errors, []);
  });
}

Deno.test("LocalNetwork is lost when a process of its ends that was not told to", async () => {
  await using network = await settledNetwork({ validators: 2, processes: true });
  const [group] = network.groups;
  assert(group instanceof RemoteGroup);
  const lost = new Promise<void>((resolve) => network.lost.addEventListener("abort", () => resolve(), { once: true }));
  await assertRejects(() => group.broadcast(99, 0)); // it answers that there is no such validator
  Deno.kill(Number(group.place!.replace("process ", "")), "SIGKILL");
  await lost;
  assertMatch(network.lost.reason.message, /^The process \d+ of validator 0 ended: SIGKILL/);
  const { errors } = await network.stop(WITHIN_MS);
  assertEquals(errors.map(({ message }) => message), [network.lost.reason.message]);
});

Deno.test("RemoteGroup.start() fails with what is known of a process that dies at its start", async () => {
  const group = groupOf(`console.error("no room"); Deno.exit(7)`);
  const error = await assertRejects(() => group.start(AbortSignal.timeout(WITHIN_MS)), P2pError);
  assertEquals([error.code, exitCodeOf(error)], ["validators_died", 1]);
  assertMatch(error.message, /^The process \d+ of validator 4 ended: exit code 7, after "no room"$/);
  assertEquals(await group.died, error);
  assertStringIncludes((await group.stop(0)).errors.join(), "no room");
});

Deno.test("RemoteGroup ends a process by force that neither starts nor ends", async () => {
  const group = groupOf(`console.log(JSON.stringify({ started: true })); setInterval(() => {}, 1e6)`);
  const stop = new AbortController();
  const starting = group.start(stop.signal);
  stop.abort(new P2pError("interrupted", "Interrupted"));
  assertEquals((await assertRejects(() => starting, P2pError)).code, "interrupted");
  const { errors } = await group.stop(0);
  assertMatch(errors.join(), /^Stopping process \d+ took longer than 0 ms$/);
  assertEquals((await group.stop(0)).errors.length, 1);
});
