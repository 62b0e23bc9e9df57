import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { MemoryPeerStore } from "../../src/peer/memory_peer_store.ts";
import { PeerManager } from "../../src/peer/peer_manager.ts";
import type { PeerStore } from "../../src/peer/peer_store.ts";
import { SqlitePeerStore } from "../../src/peer/sqlite_peer_store.ts";
import { peerId } from "./_clock.ts";
import { acceptReady, admitted, at, connectNext, dials, evictions, fixture, refusal, SELF } from "./_fixture.ts";

Deno.test("add() takes a place in once and never this node itself", () => {
  const { manager } = fixture();
  assertEquals([manager.add(at(1)), manager.add(at(1)), manager.add(at(1, 2))], [true, false, true]);
  assertEquals(manager.add({ ...at(1), id: SELF }), false);
  assertEquals(manager.explain(peerId(1))!.endpoints.map(({ url }) => url), [
    `tcp://${peerId(1)}@10.0.0.1:1001`,
    `tcp://${peerId(1)}@10.0.0.2:1001`,
  ]);
  assertEquals(manager.counts().known, 1);
  assertEquals(manager.status(SELF), "unknown");
});

Deno.test("add() with replace follows a peer that moved and dials the new place at once", () => {
  const { manager } = fixture();
  manager.add(at(1), { persistent: true });
  manager.dialFailed(manager.dialNext()!.address, new Error("refused"));
  assertEquals(manager.dialNext(), undefined, "backs off");
  assertEquals(manager.add(at(1, 2), { replace: true }), true);
  assertEquals(manager.dialNext()?.address, at(1, 2));
  assertEquals(manager.add(at(1, 2), { replace: true }), false, "nothing new");
});

Deno.test("dialNext() gives what is waited for, wanted, persistent, better scored, in this order and each once", () => {
  const { manager } = fixture();
  for (let n = 1; n <= 6; n++) manager.add(at(n), n === 4 ? { persistent: true } : {});
  manager.want([peerId(5), peerId(77)]);
  manager.report(peerId(3), { kind: "good", points: 5, reason: "helped" });
  manager.report(peerId(1), { kind: "bad", points: 5, reason: "lied" });
  manager.dialNow(peerId(6));
  assertEquals(manager.dialNext()?.candidate, "requested");
  assertEquals(manager.dialNext()?.candidate, "wanted");
  assertEquals(manager.dialNext()?.candidate, "persistent");
  assertEquals(dials(manager), [3, 2, 1].map(peerId));
  assertEquals(manager.counts().dialing, 6);
});

Deno.test("want() makes a peer wanted even if it becomes known only later", () => {
  const { manager } = fixture({ keepConnected: 0 });
  manager.add(at(2));
  manager.want([peerId(1)]);
  assertEquals(manager.dialNext(), undefined, "peer 2 is of no interest");
  manager.add(at(1));
  assertEquals(manager.dialNext()?.candidate, "wanted");
});

Deno.test("dialNext() dials peers that nobody wants only while connections are missing", () => {
  const { manager } = fixture({ keepConnected: 2 });
  for (let n = 1; n <= 5; n++) manager.add(at(n));
  assertEquals(dials(manager).length, 2);
});

Deno.test("dialNext() never exceeds maxOutbound, maxConnected or maxDialing", () => {
  const wants = (options: object) => {
    const { manager } = fixture(options);
    for (let n = 1; n <= 50; n++) manager.add(at(n));
    manager.want(Array.from({ length: 50 }, (_, n) => peerId(n + 1)));
    return dials(manager).length;
  };
  assertEquals(wants({ maxOutbound: 20 }), 20);
  assertEquals(wants({ maxConnected: 10 }), 10);
  assertEquals(wants({ maxDialing: 7 }), 7);
});

Deno.test("dialFailed() doubles the wait within its bounds, and nextWakeMs() tells when it ends", () => {
  const { manager, clock } = fixture({ minBackoffMs: 100, maxPinnedBackoffMs: 5000 });
  manager.add(at(1), { persistent: true });
  for (let failures = 1; failures <= 30; failures++) {
    manager.dialFailed(manager.dialNext()!.address, new Error(`refused ${failures}`));
    const wait = manager.nextWakeMs()!;
    const ceiling = Math.min(5000, 100 * 2 ** failures);
    assert(wait >= ceiling / 2 && wait <= ceiling, `${wait} ms after ${failures} failures`);
    clock.pass(wait - 1);
    assertEquals(manager.dialNext(), undefined);
    clock.pass(1);
    assertEquals(manager.nextWakeMs(), 0, "a persistent peer is never given up");
  }
  const { endpoints, status } = manager.explain(peerId(1))!;
  assertEquals([status, endpoints[0].failures, endpoints[0].lastError], ["idle", 30, "refused 30"]);
});

Deno.test("dialNext() tries another endpoint while one backs off", () => {
  const { manager } = fixture();
  manager.add(at(1, 1));
  manager.add(at(1, 2));
  manager.dialFailed(manager.dialNext()!.address, new Error("refused"));
  assertEquals(manager.dialNext()?.address, at(1, 2));
});

Deno.test("dialNow() cuts the back-off short, but not below its minimum, and refuses what cannot be dialled", () => {
  const { manager, clock } = fixture({ minBackoffMs: 100, keepConnected: 0 });
  manager.add(at(1));
  assertEquals(manager.nextWakeMs(), undefined);
  for (let i = 0; i < 9; i++) {
    manager.dialNow(peerId(1));
    assertEquals(manager.dialNext()?.candidate, "requested");
    manager.dialFailed(at(1), new Error("refused"));
    manager.dialNow(peerId(1));
    assertEquals(manager.nextWakeMs(), 100);
    clock.pass(100);
  }
  assertEquals(assertThrows(() => manager.dialNow(peerId(9)), P2pError).code, "peer_unknown");
  acceptReady(manager, 2);
  manager.dialNow(peerId(2));
  manager.disconnected(peerId(2), 1);
  assertEquals(assertThrows(() => manager.dialNow(peerId(2)), P2pError).code, "peer_unreachable");
  manager.ban(peerId(1), 1000, "test");
  assertEquals(assertThrows(() => manager.dialNow(peerId(1)), P2pError).code, "peer_banned");
});

Deno.test("dialed() and dialFailed() refuse the outcome of a dial that was not asked for", () => {
  const { manager } = fixture();
  manager.add(at(1));
  assertEquals(assertThrows(() => manager.dialed(peerId(1)), P2pError).code, "peer_not_dialing");
  assertEquals(assertThrows(() => manager.dialFailed(at(2), "no"), P2pError).code, "peer_not_dialing");
});

Deno.test("accepted() refuses this node, banned peers, and more than maxInbound", () => {
  const { manager } = fixture({ maxInbound: 2, maxUpgrades: 0 });
  assertEquals(refusal(manager.accepted(SELF)), "peer_self");
  manager.ban(peerId(9), 1000, "test");
  assertEquals(refusal(manager.accepted(peerId(9))), "peer_banned");
  acceptReady(manager, 1);
  acceptReady(manager, 2);
  assertEquals(refusal(manager.accepted(peerId(3))), "peers_full");
  assertEquals(manager.status(peerId(3)), "unknown", "a refused stranger leaves nothing behind");
  assertEquals(manager.counts().refused, 3);
});

Deno.test("accepted() lets a better peer in at the limit, and the worst goes when the better is ready", () => {
  const { manager } = fixture({ maxInbound: 2 });
  acceptReady(manager, 1);
  acceptReady(manager, 2);
  assertEquals(refusal(manager.accepted(peerId(3))), "peers_full", "no better than the worst");
  manager.report(peerId(2), { kind: "bad", points: 1, reason: "slow" });
  const connection = admitted(manager.accepted(peerId(3)));
  assertEquals(refusal(manager.accepted(peerId(4))), "peers_full", "one place was to be had");
  assertEquals(evictions(manager), []);
  manager.ready(peerId(3), connection);
  assertEquals(evictions(manager), [{ id: peerId(2), reason: "capacity" }]);
});

Deno.test("a better peer is dialled at the limit, and the worst is evicted when it is ready", () => {
  const { manager } = fixture({ maxConnected: 2, maxUpgrades: 1, keepConnected: 2 });
  manager.add(at(1));
  manager.add(at(2));
  connectNext(manager);
  connectNext(manager);
  manager.report(peerId(1), { kind: "good", points: 1, reason: "helped" });
  manager.add(at(3));
  assertEquals(manager.dialNext(), undefined, "no better than the worst");
  manager.report(peerId(3), { kind: "good", points: 2, reason: "known to be good" });
  manager.add(at(4), { persistent: true });
  assertEquals(manager.dialNext()?.address.id, peerId(4));
  assertEquals(manager.dialNext(), undefined, "one upgrade at a time");
  const connection = admitted(manager.dialed(peerId(4)));
  assertEquals(evictions(manager), [], "not ready yet");
  manager.ready(peerId(4), connection);
  assertEquals(evictions(manager), [{ id: peerId(2), reason: "capacity" }]);
  assertEquals(evictions(manager), [], "told once");
  assertEquals(manager.status(peerId(2)), "evicting");
});

Deno.test("a failed upgrade evicts nobody", () => {
  const { manager } = fixture({ maxConnected: 1, maxUpgrades: 1, keepConnected: 1 });
  acceptReady(manager, 1);
  manager.add(at(2), { persistent: true });
  manager.dialFailed(manager.dialNext()!.address, new Error("refused"));
  assertEquals(evictions(manager), []);
  assertEquals(manager.status(peerId(1)), "ready");
});

Deno.test("wanted and persistent peers are not evicted for capacity", () => {
  const { manager } = fixture({ maxConnected: 2, maxUpgrades: 2, keepConnected: 0 });
  manager.add(at(1), { persistent: true });
  manager.want([peerId(2)]);
  connectNext(manager);
  acceptReady(manager, 2);
  manager.report(peerId(3), { kind: "good", points: 1, reason: "-" });
  assertEquals(refusal(manager.accepted(peerId(3))), "peers_full");
  manager.add(at(4), { persistent: true });
  assertEquals(manager.dialNext(), undefined);
  manager.want([]);
  assertEquals(manager.dialNext()?.address.id, peerId(4), "peer 2 is not wanted any more");
});

Deno.test("a peer that becomes wanted before it is evicted for capacity stays, and the next worst goes", () => {
  const { manager } = fixture({ maxInbound: 2 });
  acceptReady(manager, 1);
  acceptReady(manager, 2);
  manager.report(peerId(1), { kind: "bad", points: 2, reason: "slow" });
  manager.report(peerId(2), { kind: "bad", points: 1, reason: "slow" });
  acceptReady(manager, 3);
  assertEquals(manager.status(peerId(1)), "evicting");
  manager.want([peerId(1)]);
  assertEquals(evictions(manager), [{ id: peerId(2), reason: "capacity" }]);
  assertEquals(manager.status(peerId(1)), "ready");
  manager.ban(peerId(1), 1000, "test");
  assertEquals(evictions(manager).length, 1, "a ban is no matter of room");
});

Deno.test("dialFailed() says nothing of an endpoint whose peer has connected by itself meanwhile", () => {
  const { manager } = fixture();
  manager.add(at(1));
  const { address } = manager.dialNext()!;
  acceptReady(manager, 1);
  manager.dialFailed(address, new Error("peer_duplicate"));
  assertEquals(manager.explain(peerId(1))!.endpoints[0].failures, 0);
  assertEquals(manager.status(peerId(1)), "ready");
});

Deno.test("ban() counts the later end, and 0 lifts it", () => {
  const { manager } = fixture();
  manager.ban(peerId(1), 5000, "flood");
  manager.ban(peerId(1), 10, "slip");
  assertEquals(manager.explain(peerId(1))!.ban!.reason, "flood");
  manager.ban(peerId(1), 0, "operator");
  assertEquals(manager.accepted(peerId(1)).admitted, true);
});

Deno.test("subscribe() hears up and down in order, first of those already up", () => {
  const { manager } = fixture();
  const early = manager.subscribe();
  const connection = acceptReady(manager, 1);
  const late = manager.subscribe();
  assertEquals(manager.ready(peerId(1), connection), false, "ready once");
  manager.disconnected(peerId(1), connection);
  manager.disconnected(peerId(1), connection);
  for (const updates of [early, late]) {
    assertEquals([updates.take(), updates.take(), updates.take()], [
      { id: peerId(1), status: "up" },
      { id: peerId(1), status: "down" },
      undefined,
    ]);
  }
  manager.close();
});

Deno.test("a replaced connection is forgotten: its late end does not take the peer down", () => {
  const { manager, clock } = fixture();
  const old = acceptReady(manager, 1);
  const updates = manager.subscribe();
  const again = manager.accepted(peerId(1));
  assert(again.admitted);
  assertEquals(again.replaces, old);
  manager.ready(peerId(1), again.connection);
  assertEquals(manager.disconnected(peerId(1), old), false);
  assertEquals(manager.status(peerId(1)), "ready");
  assertEquals([1, 2, 3, 4].map(() => updates.take()?.status), ["up", "down", "up", undefined]);
  clock.pass(1);
  assertEquals(manager.disconnected(peerId(1), again.connection), true);
  assertEquals(manager.status(peerId(1)), "idle");
});

Deno.test("disconnected() backs off from a peer that keeps dropping, and forgives one that was stable", () => {
  const { manager, clock } = fixture({ minBackoffMs: 100, stableMs: 1000, maxPinnedBackoffMs: 60_000 });
  manager.add(at(1), { persistent: true });
  const waits = (stayMs: number) => {
    const { connection } = connectNext(manager);
    clock.pass(stayMs);
    manager.disconnected(peerId(1), connection);
    const wait = manager.nextWakeMs()!;
    clock.pass(wait);
    return wait;
  };
  const flapping = [1, 2, 3, 4, 5, 6].map(() => waits(10));
  assert(flapping[5] >= 3200, `${flapping}`);
  assert(waits(1000) <= 200);
});

Deno.test("evictNext() closes idle outbound connections beyond keepConnected, the longest idle first", () => {
  const { manager, clock } = fixture({ keepConnected: 1, idleMs: 1000 });
  for (let n = 1; n <= 3; n++) {
    manager.add(at(n));
    manager.dialNow(peerId(n));
    connectNext(manager);
    clock.pass(10);
  }
  manager.add(at(4));
  manager.want([peerId(4)]);
  connectNext(manager);
  manager.markUsed(peerId(1));
  assertEquals(evictions(manager), []);
  clock.pass(manager.nextWakeMs()!);
  assertEquals(evictions(manager), [{ id: peerId(2), reason: "idle" }]);
  clock.pass(manager.nextWakeMs()!);
  assertEquals(evictions(manager), [{ id: peerId(3), reason: "idle" }]);
  clock.pass(manager.nextWakeMs()!);
  assertEquals(evictions(manager), [{ id: peerId(1), reason: "idle" }]);
  clock.pass(100_000);
  assertEquals(evictions(manager), [], "the wanted one stays");
});

Deno.test("evictNext() leaves an idle inbound connection to its dialler, until a newcomer needs the place", () => {
  const { manager, clock } = fixture({ keepConnected: 0, maxInbound: 1, idleMs: 1000 });
  acceptReady(manager, 1);
  clock.pass(999);
  assertEquals(refusal(manager.accepted(peerId(2))), "peers_full");
  clock.pass(1);
  assertEquals(evictions(manager), []);
  acceptReady(manager, 2);
  assertEquals(evictions(manager), [{ id: peerId(1), reason: "capacity" }]);
});

Deno.test("ban() closes, refuses and forgets nothing until it expires", () => {
  const { manager, clock } = fixture();
  manager.add(at(1), { persistent: true });
  const { connection } = connectNext(manager);
  manager.ban(peerId(1), 5000, "flooded us");
  assertEquals(evictions(manager), [{ id: peerId(1), reason: "banned: flooded us" }]);
  manager.disconnected(peerId(1), connection);
  assertEquals(manager.status(peerId(1)), "banned");
  assertStringIncludes(manager.explain(peerId(1))!.why, "flooded us");
  assertEquals(dials(manager), []);
  clock.pass(4999);
  assertEquals(dials(manager), []);
  assertEquals(refusal(manager.accepted(peerId(1))), "peer_banned");
  clock.pass(manager.nextWakeMs()!);
  assertEquals(dials(manager), [peerId(1)], "and it is not given up");
});

Deno.test("report() bans an ordinary peer whose score falls to the floor, and lets it start anew", () => {
  const { manager, clock } = fixture({ banMs: 1000 });
  manager.add(at(1));
  manager.add(at(2), { persistent: true });
  const bearable = [99, 1].flatMap((points) =>
    [1, 2].map((n) => manager.report(peerId(n), { kind: "bad", points, reason: "forged a block" }))
  );
  assertEquals(bearable, [true, true, false, false]);
  assertEquals([1, 2].map((n) => manager.status(peerId(n))), ["banned", "idle"]);
  assertEquals([1, 2].map((n) => manager.explain(peerId(n))!.score), [-100, 100]);
  clock.pass(1000);
  assertEquals(dials(manager), [2, 1].map(peerId));
  assertEquals(manager.explain(peerId(1))!.score, 0);
  assertEquals(manager.explain(peerId(1))!.changes.map(({ reason }) => reason), ["forged a block", "ban served"]);
});

Deno.test("report() costs points, ban() the connection, and explain() says why", () => {
  const { manager } = fixture();
  acceptReady(manager, 1);
  manager.report(peerId(1), { kind: "bad", points: 10, reason: "Frame of 9 GiB" });
  assertEquals(evictions(manager), []);
  manager.ban(peerId(1), 1_000, "enough");
  assertEquals(evictions(manager), [{ id: peerId(1), reason: "banned: enough" }]);
  const { score, changes, status, why } = manager.explain(peerId(1))!;
  assertEquals([score, changes[0].reason, status], [-10, "Frame of 9 GiB", "evicting"]);
  assertStringIncludes(why, "enough");
  assertEquals(manager.explain(peerId(2)), undefined);
});

Deno.test("dialNoMore() takes dialNow() back: the peer is dialled when it would have been, a dial under way goes on", () => {
  const { manager, clock } = fixture({ keepConnected: 1, minBackoffMs: 100, maxBackoffMs: 10_000 });
  manager.add(at(1));
  manager.add(at(2));
  acceptReady(manager, 3);
  assertEquals(dials(manager), []); // connected with enough
  manager.dialNow(peerId(1));
  manager.dialNoMore(peerId(1));
  manager.dialNoMore(peerId(9));
  assertEquals(dials(manager), []);
  manager.dialNow(peerId(2));
  const { address, candidate } = manager.dialNext()!;
  manager.dialNoMore(peerId(2));
  assertEquals([address.id, candidate, manager.status(peerId(2))], [peerId(2), "requested", "dialing"]);
  manager.dialFailed(address, new Error("refused"));
  clock.pass(20_000);
  assertEquals(dials(manager), []);
});

Deno.test("inactivate() puts a peer of another network aside until a handshake with it succeeds", () => {
  const { manager, clock } = fixture({ maxBackoffMs: 10_000 });
  manager.add(at(1));
  manager.add(at(2), { persistent: true });
  for (let i = 0; i < 2; i++) {
    const { address } = manager.dialNext()!;
    manager.dialFailed(address, new Error("network test-7, wanted main"));
    manager.inactivate(address.id, "it is of network test-7");
  }
  assertEquals([1, 2].map((n) => manager.status(peerId(n))), ["inactive", "inactive"]);
  assertStringIncludes(manager.explain(peerId(1))!.why, "test-7");
  clock.pass(9_999);
  assertEquals(dials(manager), []);
  clock.pass(10_000_000);
  assertEquals(dials(manager), [peerId(2)], "only the persistent one is tried, rarely");
  acceptReady(manager, 1);
  assertEquals(manager.status(peerId(1)), "ready", "its handshake proved the network");
});

Deno.test("the book forgets the least worthy first, and never persistent, wanted or connected peers", () => {
  const { manager } = fixture({ maxConnected: 3, maxUpgrades: 0, maxPeers: 5, keepConnected: 3 });
  manager.add(at(1), { persistent: true });
  manager.want([peerId(2)]);
  manager.add(at(2));
  acceptReady(manager, 3);
  manager.add(at(4));
  manager.add(at(5));
  assertEquals(manager.add(at(6)), false, "hearsay does not displace hearsay");
  manager.report(peerId(4), { kind: "bad", points: 1, reason: "lied" });
  assertEquals(manager.add(at(6)), true);
  manager.ban(peerId(5), 1000, "test");
  assertEquals(manager.add(at(7)), true, "bans cannot fill the book");
  assertEquals([...manager.records()].map(({ id }) => Number(`0x${id}`)).sort(), [1, 2, 3, 6, 7]);
});

Deno.test("peers, scores, bans and places survive a restart; back-off does not", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const { clock } = fixture();
    {
      using store = SqlitePeerStore.open(`${directory}/peers.db`);
      using manager = fixture({ store, clock }).manager;
      for (let n = 1; n <= 4; n++) manager.add(at(n), n === 1 ? { persistent: true } : {});
      manager.dialFailed(manager.dialNext()!.address, new Error("refused"));
      manager.report(peerId(2), { kind: "good", points: 7, reason: "helped" });
      manager.ban(peerId(3), 60_000, "flood");
      manager.inactivate(peerId(4), "other network");
      acceptReady(manager, 5);
    }
    clock.pass(1000);
    using store = SqlitePeerStore.open(`${directory}/peers.db`);
    using manager = fixture({ store, clock }).manager;
    assertEquals([1, 2, 3, 4, 5].map((n) => manager.status(peerId(n))), [
      "idle",
      "idle",
      "banned",
      "inactive",
      "unknown",
    ], "a stranger without a place is not worth a row");
    assertEquals(manager.explain(peerId(2))!.changes[0].reason, "helped");
    assertEquals(manager.explain(peerId(1))!.endpoints[0].lastError, "refused");
    assertEquals(dials(manager), [peerId(1), peerId(2)]);
    clock.pass(59_000);
    assertEquals(dials(manager), [peerId(3)]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("open() reports a store that cannot be read, and a store that fails later does not stop the node", () => {
  const memory = new MemoryPeerStore();
  let broken = true;
  const store: PeerStore = {
    load: () => memory.load(),
    save(changed, removed) {
      if (broken) throw new P2pError("store_full", "Peer store has no room");
      memory.save(changed, removed);
    },
    close: () => memory.close(),
    [Symbol.dispose]: () => memory.close(),
  };
  const { manager } = fixture({ store });
  manager.add(at(1));
  manager.add(at(2));
  assertEquals(manager.storeFailure?.code, "store_full");
  assertEquals(dials(manager).length, 2, "it goes on in memory");
  broken = false;
  manager.add(at(3));
  assertEquals(manager.storeFailure, undefined);
  assertEquals(memory.load().map(({ id }) => id).sort(), [1, 2, 3].map(peerId), "what had to wait is stored too");
  memory.close();
  assertEquals(assertThrows(() => PeerManager.open(SELF, { store }), P2pError).code, "store_closed");
});

Deno.test("onWork() calls when another component made work", () => {
  const { manager } = fixture();
  let calls = 0;
  manager.onWork(() => calls++);
  const called = (act: () => void) => {
    calls = 0;
    act();
    return calls > 0;
  };
  assert(called(() => manager.add(at(1))));
  assert(called(() => manager.want([peerId(1)])));
  assert(called(() => manager.dialNow(peerId(1))));
  acceptReady(manager, 2);
  assert(called(() => manager.ban(peerId(2), 1, "test")));
  assert(!called(() => manager.add(at(1))), "nothing new");
});

Deno.test("open() refuses options that contradict each other", () => {
  for (
    const options of [{ maxConnected: 0 }, { keepConnected: 300 }, { maxPeers: 10 }, {
      minBackoffMs: 9,
      maxBackoffMs: 8,
    }]
  ) {
    assertThrows(() => PeerManager.open(SELF, options), RangeError);
  }
});

Deno.test("want() gives those that are awaited a second to dial, then dials them", () => {
  const { manager, clock } = fixture({ keepConnected: 0 });
  manager.add(at(1));
  manager.add(at(2));
  manager.want([peerId(1), peerId(2)], [peerId(2)]);
  assertEquals(manager.dialNext()?.address.id, peerId(1));
  assertEquals(manager.dialNext(), undefined);
  assertEquals(manager.evictNext(), undefined);
  assertEquals(manager.nextWakeMs(), 1_000);
  clock.pass(1_000);
  assertEquals(manager.dialNext()?.address.id, peerId(2));
});
