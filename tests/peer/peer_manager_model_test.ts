import { assert, assertEquals } from "@std/assert";
import { below, type Random, seededRandom } from "../../src/base/random.ts";
import type { Admission } from "../../src/peer/decisions.ts";
import type { PeerManager } from "../../src/peer/peer_manager.ts";
import type { PeerUpdates } from "../../src/peer/peer_updates.ts";
import { type ManualClock, peerId } from "./_clock.ts";
import { at, fixture, SELF } from "./_fixture.ts";

const PEERS = 24;
const LIMITS = {
  maxConnected: 6,
  maxInbound: 4,
  maxOutbound: 4,
  maxUpgrades: 2,
  maxDialing: 3,
  keepConnected: 3,
  maxPeers: 16,
  banMs: 5000,
  idleMs: 2000,
  maxBackoffMs: 60_000,
};

/** What the router would know: dials and connections under way. Drives a manager at random and checks it after every step. */
class Model {
  readonly manager: PeerManager;
  readonly #clock: ManualClock;
  readonly #random: Random;
  readonly #updates: PeerUpdates;
  readonly #dialing = new Set<string>();
  readonly #connections = new Map<number, { id: string; evicting: boolean; ready: boolean }>();
  readonly #bannedUntil = new Map<string, number>();
  readonly #persistent = new Set<string>();
  readonly #up = new Set<string>();
  #wanted = new Set<string>();

  constructor(seed: number) {
    const { manager, clock } = fixture({ ...LIMITS, random: seededRandom(seed) });
    this.manager = manager;
    this.#clock = clock;
    this.#random = seededRandom(seed + 1);
    this.#updates = manager.subscribe(1 + below(this.#random, 8));
  }

  step(): void {
    const n = below(this.#random, PEERS);
    const id = n === 0 ? SELF : peerId(n);
    switch (below(this.#random, 16)) {
      case 0:
      case 1: {
        // A few persistent peers; with more the book could be full of them.
        const persistent = n >= 1 && n <= 4 && this.#random.next() < 0.5;
        if (persistent) this.#persistent.add(id);
        this.manager.add({ ...at(n, 1 + below(this.#random, 10)), id }, persistent ? { persistent } : {});
        break;
      }
      case 2:
        this.#wanted = new Set(Array.from({ length: 3 }, () => peerId(5 + below(this.#random, 6))));
        this.manager.want(this.#wanted);
        break;
      case 3:
      case 4:
        this.#dial();
        break;
      case 5:
        this.#anyDial((id) => this.#admit(id, this.manager.dialed(id)));
        break;
      case 6:
        this.#anyDial((id) => this.manager.dialFailed({ ...at(1), id }, new Error("refused")));
        break;
      case 7:
      case 8:
        this.#admit(id, this.manager.accepted(id, { endpoints: [at(n === 0 ? 1 : n)] }));
        break;
      case 9:
      case 10:
        this.#anyConnection((connection, link) => {
          const first = !link.ready;
          link.ready = true;
          assertEquals(this.manager.ready(link.id, connection), first);
        });
        break;
      case 11:
        this.#anyConnection((connection, link) => {
          this.#connections.delete(connection);
          assertEquals(this.manager.disconnected(link.id, connection), true);
        });
        break;
      case 12:
        this.#evict();
        break;
      case 13: {
        const kind = this.#random.next() < 0.6 ? "good" : "bad";
        this.manager.report(id, {
          kind,
          points: 1 + below(this.#random, 40),
          reason: `reason ${below(this.#random, 3)}`,
        });
        break;
      }
      case 14:
        this.#clock.pass(below(this.#random, 3000));
        break;
      case 15:
        this.#rare(id);
        break;
    }
    this.check();
  }

  #rare(id: string): void {
    const kind = below(this.#random, 4);
    if (kind === 0 && id !== SELF) {
      this.manager.ban(id, 1000, "test");
      if (this.manager.status(id) !== "unknown") this.#bannedUntil.set(id, this.#clock.wall() + 1000);
    } else if (kind === 1) this.manager.inactivate(id, "other network");
    else if (kind === 2) this.manager.dialNoMore(id);
    else if (this.manager.status(id) === "idle" && this.manager.explain(id)!.endpoints.length > 0) {
      this.manager.dialNow(id);
    }
  }

  #dial(): void {
    const next = this.manager.dialNext();
    if (next === undefined) return;
    const { id } = next.address;
    assert(id !== SELF, "dials itself");
    assert(!this.#dialing.has(id), "dials twice at once");
    assert(![...this.#connections.values()].some((link) => link.id === id), "dials a connected peer");
    assert((this.#bannedUntil.get(id) ?? 0) <= this.#clock.wall(), "dials a banned peer");
    this.#dialing.add(id);
    assert(this.#dialing.size <= LIMITS.maxDialing);
  }

  #evict(): void {
    const eviction = this.manager.evictNext();
    if (eviction === undefined) return;
    const link = this.#connections.get(eviction.connection);
    assertEquals(link?.id, eviction.id);
    assertEquals(link!.evicting, false, "evicts twice");
    link!.evicting = true;
    if (eviction.reason !== "capacity" && eviction.reason !== "idle") return;
    assert(
      !this.#wanted.has(eviction.id) && !this.#persistent.has(eviction.id),
      `evicts a pinned peer: ${eviction.reason}`,
    );
  }

  #admit(id: string, admission: Admission): void {
    if (!admission.admitted) return;
    assert(id !== SELF && (this.#bannedUntil.get(id) ?? 0) <= this.#clock.wall());
    const old = [...this.#connections].find(([, link]) => link.id === id)?.[0];
    assertEquals(admission.replaces, old, "names the connection that it replaces, if any");
    if (old !== undefined) this.#connections.delete(old);
    assert(!this.#connections.has(admission.connection), "numbers are never given twice");
    this.#connections.set(admission.connection, { id, evicting: false, ready: false });
  }

  #anyDial(act: (id: string) => void): void {
    const id = [...this.#dialing][below(this.#random, this.#dialing.size)];
    if (id === undefined) return;
    this.#dialing.delete(id);
    act(id);
  }

  #anyConnection(act: (connection: number, link: { id: string; evicting: boolean; ready: boolean }) => void): void {
    const entry = [...this.#connections][below(this.#random, this.#connections.size)];
    if (entry !== undefined) act(...entry);
  }

  check(): void {
    // A full book forgets banned peers first, and their bans with them.
    for (const id of this.#bannedUntil.keys()) if (this.manager.status(id) === "unknown") this.#bannedUntil.delete(id);
    const counts = this.manager.counts();
    assertEquals(counts.dialing, this.#dialing.size);
    assertEquals(counts.inbound + counts.outbound + counts.evicting, this.#connections.size);
    assert(
      this.#connections.size + this.#dialing.size <= LIMITS.maxConnected + LIMITS.maxUpgrades,
      "too many connections",
    );
    assert(counts.known <= LIMITS.maxPeers, "too many peers");
    const ready = [...this.#connections.values()].filter((link) => this.manager.status(link.id) === "ready");
    const isPinned = ({ id }: { id: string }) => this.#wanted.has(id) || this.#persistent.has(id);
    assert(ready.length <= LIMITS.maxConnected || ready.every(isPinned), "too many are ready");
    for (const id of this.#persistent) assert(this.manager.status(id) !== "unknown", "forgets a persistent peer");
    for (const { id, ready } of this.#connections.values()) {
      const status = this.manager.status(id);
      assert(status === "evicting" || status === (ready ? "ready" : "connected"), status);
    }
    for (let update = this.#updates.take(); update !== undefined; update = this.#updates.take()) {
      assertEquals(this.#up.has(update.id), update.status === "down", "an update that changes nothing");
      if (update.status === "up") this.#up.add(update.id);
      else this.#up.delete(update.id);
    }
    const up = [...this.#connections.values()].filter((link) => link.ready).map((link) => link.id);
    assertEquals([...this.#up].sort(), up.sort(), "subscribers know who is up");
  }

  /** Behaves as a router in good times until every persistent peer is ready; fails if that takes too long. */
  settle(): void {
    for (let i = 0; i < 400; i++) {
      for (const id of [...this.#dialing]) {
        this.#dialing.delete(id);
        this.#admit(id, this.manager.dialed(id));
      }
      for (const [connection, link] of this.#connections) {
        if (!link.ready) this.manager.ready(link.id, connection);
        link.ready = true;
      }
      for (let next = this.manager.evictNext(); next !== undefined; next = this.manager.evictNext()) {
        this.#connections.get(next.connection)!.evicting = true;
      }
      for (const [connection, { id, evicting }] of this.#connections) {
        if (!evicting) continue;
        this.#connections.delete(connection);
        this.manager.disconnected(id, connection);
      }
      this.check();
      while (this.#dialing.size < LIMITS.maxDialing) {
        const before = this.#dialing.size;
        this.#dial();
        if (this.#dialing.size === before) break;
      }
      const left = [...this.#persistent].filter((id) => this.manager.status(id) !== "ready");
      if (left.length === 0) return;
      // The last eviction above may have made room, so that only now nothing may be due any more.
      while (this.manager.evictNext() !== undefined) assert(false, "evictions come when something happened");
      if (this.#dialing.size === 0) {
        const wake = this.manager.nextWakeMs();
        assert(wake !== undefined && wake > 0, `peers ${left} are left but nothing is due: ${wake}`);
        this.#clock.pass(wake);
      }
    }
    assert(false, "a persistent peer is given up");
  }
}

Deno.test("PeerManager keeps its rules under any sequence of calls, and never gives up a persistent peer", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const model = new Model(seed);
    try {
      for (let step = 0; step < 400; step++) model.step();
      // Pinned peers share six places; with nobody else wanted, the persistent ones must all come in.
      model.manager.want([]);
      model.settle();
    } catch (cause) {
      throw new Error(`Replay with seed ${seed}`, { cause });
    }
    model.manager.close();
  }
});
