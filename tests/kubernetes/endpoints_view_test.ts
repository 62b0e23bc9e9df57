import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { EndpointsView } from "../../src/kubernetes/endpoints_view.ts";
import { slice } from "./_slices.ts";

const PODS = ["validator-0", "validator-1", "validator-2", "validator-3"];

Deno.test("EndpointsView knows the pods of all slices, at the sum of their generations", () => {
  const view = new EndpointsView();
  assertEquals([view.height, view.places.size], [0, 0]);
  assertEquals(
    view.replace([slice("a", 4, { "validator-0": "10.0.0.1" }), slice("b", 3, { "validator-1": "10.0.0.2" })]),
    true,
  );
  assertEquals(view.height, 7);
  assertEquals([...view.places], [["validator-0", "10.0.0.1"], ["validator-1", "10.0.0.2"]]);
  assertEquals(view.set(slice("b", 4, {})), true);
  assertEquals([view.height, [...view.places.keys()]], [8, ["validator-0"]]);
});

Deno.test("EndpointsView moves on with the generation where the pods stay, so that who comes later finds the same height", () => {
  const view = new EndpointsView();
  view.replace([slice("a", 1, { "validator-0": "10.0.0.1" })]);
  const { places } = view;
  assertEquals(view.set(slice("a", 2, { "validator-0": "10.0.0.1" })), true);
  assertEquals(view.height, 2);
  assertStrictEquals(view.places, places);
  assertEquals(view.set(slice("a", 2, { "validator-0": "10.0.0.1" })), false);
});

Deno.test("EndpointsView leaves out pods that are told to end, that have no address, and what is no pod", () => {
  const view = new EndpointsView();
  view.replace([
    {
      metadata: { name: "a", generation: 1 },
      addressType: "IPv4",
      endpoints: [
        { addresses: ["10.0.0.1"], targetRef: { kind: "Pod", name: "validator-0" }, conditions: { terminating: true } },
        { addresses: [], targetRef: { kind: "Pod", name: "validator-1" } },
        { addresses: ["10.0.0.3"], targetRef: { kind: "Node", name: "validator-2" } },
        { addresses: ["10.0.0.4"], hostname: "validator-3" },
        { addresses: ["10.0.0.5"] },
      ],
    },
    {},
    { metadata: { name: "b" }, endpoints: undefined },
  ]);
  assertEquals([...view.places], [["validator-3", "10.0.0.4"]]);
});

Deno.test("EndpointsView takes the IPv4 address of a pod that has both, in whatever order the slices come", () => {
  const four = slice("a", 1, { "validator-0": "10.0.0.1" });
  const six = { ...slice("b", 1, { "validator-0": "fd00::1" }), addressType: "IPv6" };
  for (const slices of [[four, six], [six, four]]) {
    const view = new EndpointsView();
    view.replace(slices);
    assertEquals(view.places.get("validator-0"), "10.0.0.1");
  }
});

Deno.test("EndpointsView never goes back: a Service made anew begins at 1, and each change of the pods still is a new height", () => {
  const view = new EndpointsView();
  view.replace([slice("a", 40, { "validator-0": "10.0.0.1" })]);
  assertEquals([view.remove(slice("a", 40, {})), view.height, view.places.size], [true, 41, 0]);
  assertEquals([view.set(slice("z", 1, { "validator-0": "10.0.0.1" })), view.height], [true, 42]);
  assertEquals([view.set(slice("z", 2, { "validator-0": "10.0.0.1" })), view.height], [false, 42]);
  assertEquals([view.replace([slice("z", 43, { "validator-0": "10.0.0.1" })]), view.height], [true, 43]);
});

Deno.test("EndpointsView: whatever comes, the height never falls, and grows when the pods change", () => {
  const change = fc.record({
    name: fc.constantFrom("a", "b", "c"),
    grow: fc.nat(3),
    pods: fc.uniqueArray(fc.constantFrom(...PODS)),
    kind: fc.constantFrom("set", "set", "set", "remove", "replace"),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const view = new EndpointsView();
      const generations: Record<string, number> = {};
      for (const { name, grow, pods, kind } of changes) {
        const { height, places } = view;
        const one = slice(
          name,
          generations[name] = (generations[name] ?? 0) + grow,
          Object.fromEntries(pods.map((pod) => [pod, "10.0.0.1"])),
        );
        const changed = kind === "replace" ? view.replace([one]) : kind === "remove" ? view.remove(one) : view.set(one);
        assertEquals(changed, view.height > height);
        if (!changed) assertStrictEquals(view.places, places);
        else if (view.height < height) throw new Error(`from ${height} back to ${view.height}`);
      }
    }),
    { seed: 5 },
  );
});

Deno.test("EndpointsView counts no generation that is none", () => {
  const view = new EndpointsView();
  for (const generation of ["7", -5, 1e308, 0.5, NaN, null] as number[]) {
    view.replace([slice("a", generation, {})]);
    assertEquals(view.height, 0, String(generation));
  }
  view.replace([slice("a", 2, {}), slice("b", 1e308, { "validator-0": "10.0.0.1" })]);
  assertEquals(view.height, 2);
});
