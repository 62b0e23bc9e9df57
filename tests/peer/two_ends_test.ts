import { assert, assertEquals } from "@std/assert";
import { below, type Random, seededRandom } from "../../src/base/random.ts";
import type { PeerManager } from "../../src/peer/peer_manager.ts";
import { ManualClock, peerId } from "./_clock.ts";
import { at, fixture } from "./_fixture.ts";

/** One end of a connection: in its handshake, admitted under a number, or closed. */
type End = { state: "shaking" | "open" | "closed"; number: number };
type Connection = { dialler: 0 | 1; ends: [End, End] };

/** Two nodes that want each other, and everything that is on its way between them, in any order. */
class Pair {
  readonly clock = new ManualClock();
  readonly managers: [PeerManager, PeerManager];
  readonly connections: Connection[] = [];
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const options = { clock: this.clock, keepConnected: 0 };
    this.managers = [
      fixture({ ...options, random: seededRandom(seed * 2) }, peerId(1)).manager,
      fixture({ ...options, random: seededRandom(seed * 2 + 1) }, peerId(2)).manager,
    ];
    for (const end of [0, 1] as const) {
      this.managers[end].add(at(2 - end), { persistent: true });
      this.managers[end].want([peerId(2 - end)]);
    }
  }

  /** Everything that may happen next. */
  events(): (() => void)[] {
    const events: (() => void)[] = [];
    for (const end of [0, 1] as const) {
      if (this.managers[end].nextWakeMs() === 0) events.push(() => this.#dial(end));
    }
    for (const connection of this.connections) {
      for (const end of [0, 1] as const) {
        const mine = connection.ends[end];
        const theirs = connection.ends[1 - end];
        if (theirs.state === "closed" && mine.state !== "closed") events.push(() => this.#lost(connection, end));
        // A handshake may end here although the other end has closed since: its last message was on the way.
        if (mine.state === "shaking") events.push(() => this.#shaken(connection, end));
      }
    }
    return events;
  }

  step(): boolean {
    const events = this.events();
    if (events.length === 0) return false;
    events[below(this.#random, events.length)]();
    this.clock.pass(this.#random.next() < 0.3 ? below(this.#random, 200) : 0);
    return true;
  }

  #dial(end: 0 | 1): void {
    assertEquals(this.managers[end].evictNext(), undefined);
    if (this.managers[end].dialNext() === undefined) return;
    const shaking = (): End => ({ state: "shaking", number: 0 });
    this.connections.push({ dialler: end, ends: [shaking(), shaking()] });
  }

  #shaken(connection: Connection, end: 0 | 1): void {
    const mine = connection.ends[end];
    const id = peerId(2 - end);
    const manager = this.managers[end];
    const admission = connection.dialler === end ? manager.dialed(id) : manager.accepted(id);
    if (!admission.admitted) {
      mine.state = "closed";
      return;
    }
    if (admission.replaces !== undefined) {
      const old = this.connections.find(({ ends }) => ends[end].number === admission.replaces)!;
      assertEquals(old.ends[end].state, "open");
      old.ends[end].state = "closed";
    }
    mine.state = "open";
    mine.number = admission.connection;
    manager.ready(id, mine.number);
  }

  #lost(connection: Connection, end: 0 | 1): void {
    const mine = connection.ends[end];
    const manager = this.managers[end];
    if (mine.state === "open") manager.disconnected(peerId(2 - end), mine.number);
    else if (connection.dialler === end) manager.dialFailed(at(2 - end), new Error("closed by the peer"));
    mine.state = "closed";
  }
}

Deno.test("both ends keep the same connection when they dial each other at once, in every order of events", () => {
  let simultaneous = 0;
  for (let seed = 1; seed <= 3000; seed++) {
    const pair = new Pair(seed);
    const start = pair.clock.now();
    const done = () => pair.connections.some(({ ends }) => ends.every(({ state }) => state === "open"));
    for (let step = 0;; step++) {
      assert(step < 200, `seed ${seed}: they do not agree`);
      if (pair.step()) continue;
      if (done()) break;
      pair.clock.pass(Math.min(...pair.managers.map((manager) => manager.nextWakeMs() ?? Infinity)));
    }
    assert(pair.clock.now() - start < 20_000, `seed ${seed}: it takes them too long`);
    if (pair.connections.length > 1) simultaneous++;
    const open = pair.connections.filter(({ ends }) => ends.some(({ state }) => state === "open"));
    assertEquals(open.length, 1, `seed ${seed}: one connection is left`);
    assertEquals(open[0].ends.map(({ state }) => state), ["open", "open"], `seed ${seed}: open at both ends`);
    assertEquals(pair.managers.map((manager, end) => manager.status(peerId(2 - end))), ["ready", "ready"]);
    // Both dialled and both handshakes would have succeeded: the lower address keeps its own, without a second round.
    assert(pair.connections.length <= 3, `seed ${seed}: ${pair.connections.length} dials`);
  }
  assert(simultaneous > 500, `${simultaneous} seeds dialled from both ends`);
});

Deno.test("a node that lost its connections unnoticed comes back in without waiting", () => {
  for (const restarted of [0, 1] as const) {
    for (const dialler of [0, 1] as const) {
      const pair = new Pair(7);
      const stays = (1 - restarted) as 0 | 1;
      const remote = peerId(1 + restarted);
      const manager = pair.managers[stays];
      const old = dialler === stays ? manager.dialed(manager.dialNext()!.address.id) : manager.accepted(remote);
      assert(old.admitted);
      manager.ready(remote, old.connection);
      pair.clock.pass(30_000);
      const back = manager.accepted(remote);
      assert(back.admitted, "the dialler cannot know of the old connection");
      assertEquals(back.replaces, old.connection);
    }
  }
});
