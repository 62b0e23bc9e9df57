import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { deadline, systemClock } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { AdminClient } from "../../src/localnet/admin_client.ts";
import type { Backend, NetworkStatus } from "../../src/localnet/backend.ts";
import { readManifest } from "../../src/localnet/load_manifest.ts";
import type { Fault, FaultKind, Manifest } from "../../src/localnet/manifest.ts";

/** What a back end under test is made by. */
export interface ConformanceSubject {
  /** For the names of the tests. */
  name: string;
  /** Makes one for a network; what it needs is cleaned up by `dispose`. */
  make(manifest: Manifest): Promise<{ backend: Backend } & AsyncDisposable>;
}

const NEVER = new AbortController().signal;

/** A fault of some nodes. */
export function faultOf(fault: FaultKind, ...nodes: string[]): Fault {
  return { fault, nodes, groups: [], validators: 0 };
}

/** Looks until something holds; each look is a round trip, so this is no busy loop. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  using limit = deadline(systemClock, 30_000, what);
  while (!await holds()) {
    limit.signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The one suite that every back end passes. */
export function testConformance({ name, make }: ConformanceSubject): void {
  const manifest = readManifest({ name: "conformance", validators: 4, logLevel: "info" });

  Deno.test(`${name}: up() makes every node ready, twice is once, down() ends all`, async () => {
    await using subject = await make(manifest);
    const { backend } = subject;
    assertEquals(await backend.status(), { name: "conformance", backend: backend.name, ready: false, nodes: [] });
    assertEquals(await backend.access(), undefined);
    await backend.up(NEVER);
    const status = await backend.status();
    assertEquals([status.ready, status.nodes.length], [true, 4]);
    // In a cluster it counts what happened to its pods.
    const height = backend.name === "kubernetes" ? status.nodes[0].height : 0;
    for (const [i, node] of status.nodes.entries()) {
      assertEquals([node.name, node.role, node.ready, node.height], [`validator-${i}`, "validator", true, height]);
      assert(node.peers > 0, `${node.name} has no peers`);
    }
    await backend.up(NEVER);
    const who = ({ nodes }: NetworkStatus) => nodes.map(({ name, address, ready }) => ({ name, address, ready }));
    assertEquals(who(await backend.status()), who(status));
    const { nodes, token } = (await backend.access())!;
    const clients = nodes.map((node) => new AdminClient(node, { token, clock: systemClock }));
    const { nonce } = await clients[0].broadcast({ typeUrl: "test", value: new Uint8Array(3) });
    await until("the broadcast everywhere", async () => {
      const known = await Promise.all(clients.map((client) => client.message(nonce)));
      return known.every((message) => message !== undefined && message.arrivals.length > 0);
    });
    assertEquals(await backend.down(), 4);
    assertEquals((await backend.status()).nodes, []);
    assertEquals(await backend.down(), 0);
  });

  Deno.test(`${name}: a node that is killed, stopped, continued and restarted is so in the status`, async () => {
    await using subject = await make(manifest);
    const { backend } = subject;
    await backend.up(NEVER);
    const { nodes: before } = await backend.status();
    const readyOf = async (at: number) => (await backend.status()).nodes[at].ready;
    await backend.fault(faultOf("kill", "validator-1"), NEVER);
    if (backend.restartsKilled) {
      await until("the killed node ready", () => readyOf(1));
    } else {
      await backend.fault(faultOf("kill", "validator-1"), NEVER);
      assertEquals((await backend.status()).nodes[1], { ...before[1], ready: false, height: null, peers: 0 });
    }
    await backend.fault(faultOf("restart", "validator-1"), NEVER);
    await until("the restarted node ready", () => readyOf(1));
    assertEquals((await backend.status()).nodes[1].address, before[1].address);
    await backend.fault(faultOf("stop", "validator-2"), NEVER);
    assertEquals(await readyOf(2), false);
    await backend.fault(faultOf("cont", "validator-2"), NEVER);
    await until("all ready", async () => (await backend.status()).ready);
    await backend.fault(faultOf("stop", "validator-2"), NEVER);
    await backend.fault(faultOf("kill", "validator-3"), NEVER);
    const ended = await backend.down();
    assert(ended === 3 || backend.restartsKilled && ended === 4, `${ended} ended`);
  });

  Deno.test(`${name}: up() after a kill starts what is missing`, async () => {
    await using subject = await make(manifest);
    const { backend } = subject;
    await backend.up(NEVER);
    await backend.fault(faultOf("kill", "validator-0", "validator-3"), NEVER);
    await backend.up(NEVER);
    assertEquals((await backend.status()).ready, true);
    assertEquals(await backend.down(), 4);
  });

  Deno.test(`${name}: up() that is given up leaves nothing`, async () => {
    await using subject = await make(manifest);
    const { backend } = subject;
    const stop = new AbortController();
    const up = backend.up(stop.signal);
    stop.abort(new P2pError("interrupted", "Interrupted"));
    const error = await assertRejects(() => up, P2pError);
    assertEquals(error.code, "interrupted");
    assertEquals(await backend.access(), undefined);
    assertEquals(await backend.down(), 0);
    await backend.up(NEVER);
    assertEquals(await backend.down(), 4);
  });

  Deno.test(`${name}: up() that is not ready in time says so, and leaves nothing`, async () => {
    // Nobody is that fast.
    await using subject = await make({ ...manifest, readyWithinMs: 0 });
    const error = await assertRejects(() => subject.backend.up(NEVER), P2pError);
    assertEquals(error.code, "localnet_late");
    assertStringIncludes(error.message, "after 0 ms");
    assertEquals(await subject.backend.down(), 0);
  });

  Deno.test(`${name}: faults and logs of who is not there are refused`, async () => {
    await using subject = await make(manifest);
    const { backend } = subject;
    const code = async (work: () => Promise<unknown>) => (await assertRejects(work, P2pError)).code;
    assertEquals(await code(() => backend.fault(faultOf("kill", "validator-0"), NEVER)), "localnet_down");
    assertEquals(await code(() => backend.logs("validator-0", 10)), "localnet_down");
    await backend.up(NEVER);
    assertEquals(await code(() => backend.fault(faultOf("kill", "validator-9"), NEVER)), "fault_malformed");
    assertEquals(await code(() => backend.fault(faultOf("kill"), NEVER)), "fault_malformed");
    const scale = { ...faultOf("scale"), validators: 5_000 };
    const refusal = backend.faults.has("scale") ? "fault_malformed" : "localnet_unsupported";
    assertEquals(await code(() => backend.fault(scale, NEVER)), refusal);
    assertEquals(await code(() => backend.logs("nobody", 10)), "node_unknown");
    const lines = await backend.logs("validator-0", 2);
    assert(lines.length === 2 && lines.every((line) => line.length > 0), lines.join("\n"));
    await backend.down();
  });

  Deno.test(`${name}: upgrade restarts every node and ends with all ready`, async () => {
    await using subject = await make(readManifest({ name: "conformance", validators: 3 }));
    const { backend } = subject;
    await backend.up(NEVER);
    await backend.fault(faultOf("upgrade"), NEVER);
    assertEquals((await backend.status()).ready, true);
    assertEquals(await backend.down(), 3);
  });

  Deno.test(`${name}: a partition lets nothing through until it is healed, or is refused`, async () => {
    await using subject = await make(manifest);
    const { backend } = subject;
    await backend.up(NEVER);
    const cut = { ...faultOf("partition"), groups: [["validator-0", "validator-1"]] };
    if (backend.faults.has("partition")) {
      const { nodes, token } = (await backend.access())!;
      const clients = nodes.map((node) => new AdminClient(node, { token, clock: systemClock }));
      const has = async (at: number, nonce: string) => await clients[at].message(nonce) !== undefined;
      await backend.fault(cut, NEVER);
      const early = await clients[0].broadcast({ typeUrl: "test", value: new Uint8Array(3) });
      const late = await clients[2].broadcast({ typeUrl: "test", value: new Uint8Array(3) });
      await until("each broadcast in its part", async () => await has(1, early.nonce) && await has(3, late.nonce));
      for (const [at, { nonce }] of [[2, early], [3, early], [0, late], [1, late]] as const) {
        assertEquals(await has(at, nonce), false, `validator-${at} has what was sent beyond the cut`);
      }
      await backend.fault(faultOf("heal"), NEVER);
      await backend.fault(faultOf("heal"), NEVER);
      await until(
        "each broadcast in the other part",
        async () => await has(2, early.nonce) && await has(0, late.nonce),
      );
      await until("all ready", async () => (await backend.status()).ready);
    } else {
      const error = await assertRejects(() => backend.fault(cut, NEVER), P2pError);
      assertEquals(error.code, "localnet_unsupported");
    }
    assertEquals(await backend.down(), 4);
  });

  Deno.test(`${name}: scale adds and removes nodes, and ends with all ready, or is refused`, async () => {
    await using subject = await make(manifest);
    const { backend } = subject;
    await backend.up(NEVER);
    for (const validators of backend.faults.has("scale") ? [6, 4] : []) {
      await backend.fault({ ...faultOf("scale"), validators }, NEVER);
      const { nodes, ready } = await backend.status();
      assertEquals([ready, nodes.length, new Set(nodes.map(({ address }) => address)).size], [
        true,
        validators,
        validators,
      ]);
    }
    assertEquals(await backend.down(), 4);
  });
}
