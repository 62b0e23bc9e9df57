import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import { SocketLifecycle, type SocketState, TRANSITIONS } from "../../src/socket/socket_state.ts";

const STATES = Object.keys(TRANSITIONS) as SocketState[];

/** A shortest way from `opening` to each state. */
const WAYS: Record<SocketState, SocketState[]> = {
  opening: [],
  connecting: ["connecting"],
  authenticating: ["connecting", "authenticating"],
  authenticated: ["connecting", "authenticating", "authenticated"],
  connected: ["connecting", "authenticating", "authenticated", "connected"],
  open: ["connecting", "authenticating", "authenticated", "connected", "open"],
  errored: ["errored"],
  closing: ["closing"],
  closed: ["closing", "closed"],
};

/** The transitions as the design draws them, written down a second time. */
const LEGAL = new Set([
  "opening>connecting",
  "connecting>authenticating",
  "authenticating>authenticated",
  "authenticated>connected",
  "connected>open",
  ...["opening", "connecting", "authenticating", "authenticated", "connected", "open"].flatMap((from) => [
    `${from}>errored`,
    `${from}>closing`,
  ]),
  "errored>closing",
  "closing>closed",
]);

function at(state: SocketState, strict: boolean, changes: string[] = []): SocketLifecycle {
  const lifecycle = new SocketLifecycle(strict, (to, from) => void changes.push(`${from}>${to}`));
  for (const step of WAYS[state]) lifecycle.go(step);
  assertEquals(lifecycle.state, state);
  return lifecycle;
}

Deno.test("SocketLifecycle has nine states and only the transitions of the design, each told once", () => {
  assertEquals(STATES.length, 9);
  for (const from of STATES) {
    for (const to of STATES) {
      const changes: string[] = [];
      const lifecycle = at(from, false, changes);
      changes.length = 0;
      const legal = LEGAL.has(`${from}>${to}`);
      assertEquals(lifecycle.go(to), legal, `${from} to ${to}`);
      assertEquals(lifecycle.state, legal ? to : from);
      assertEquals(changes, legal ? [`${from}>${to}`] : []);
      assertEquals(lifecycle.illegalTransitions, legal ? 0 : 1);
    }
  }
});

Deno.test("SocketLifecycle throws on an illegal transition when strict, and stays where it is", () => {
  for (const from of STATES) {
    for (const to of STATES) {
      if (LEGAL.has(`${from}>${to}`)) continue;
      const lifecycle = at(from, true);
      const error = assertThrows(() => lifecycle.go(to), P2pError, `Socket is ${from}, it cannot become ${to}`);
      assertEquals([error.code, lifecycle.state], ["socket_illegal_transition", from]);
    }
  }
});

Deno.test("SocketLifecycle never leaves closed and never returns to a state, whatever is asked of it", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...STATES), { maxLength: 40 }), (asked) => {
      const visited: SocketState[] = ["opening"];
      const lifecycle = new SocketLifecycle(false, (state, from) => {
        assertEquals(from, visited.at(-1));
        visited.push(state);
      });
      const moves = asked.filter((state) => lifecycle.go(state)).length;
      assertEquals(lifecycle.illegalTransitions, asked.length - moves);
      assertEquals(new Set(visited).size, visited.length);
      assertEquals(visited.includes("closed") ? visited.at(-1) : "closed", "closed");
    }),
    { seed: 71, numRuns: 500 },
  );
});
