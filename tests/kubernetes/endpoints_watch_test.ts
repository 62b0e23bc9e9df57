import { assert, assertEquals } from "@std/assert";
import { abortable } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { type EndpointSlice, EndpointsView } from "../../src/kubernetes/endpoints_view.ts";
import { type EndpointEvent, type EndpointSource, EndpointsWatch } from "../../src/kubernetes/endpoints_watch.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { slice } from "./_slices.ts";

/** A cluster that does as the test says. */
class FakeSource implements EndpointSource {
  slices: EndpointSlice[] = [];
  version = "1";
  /** What a list is refused with. */
  failure: Error | undefined;
  /** `list`, or `watch VERSION`, in order. */
  readonly asked: string[] = [];
  /** The watch that is open. */
  open: { onEvent(event: EndpointEvent): void; end(error?: Error): void } | undefined;

  list(signal: AbortSignal) {
    this.asked.push("list");
    signal.throwIfAborted();
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve({ slices: this.slices, version: this.version });
  }

  watch(version: string, onEvent: (event: EndpointEvent) => void, signal: AbortSignal): Promise<void> {
    this.asked.push(`watch ${version}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.open = { onEvent, end: (error) => error === undefined ? resolve() : reject(error) };
    return abortable(promise, signal);
  }
}

function setUp() {
  const clock = new VirtualClock();
  const source = new FakeSource();
  source.slices = [slice("a", 1, { "validator-0": "10.0.0.1" })];
  const view = new EndpointsView();
  const heights: number[] = [];
  const start = () =>
    EndpointsWatch.start({ source, view, clock, random: seededRandom(1), onChange: () => heights.push(view.height) });
  return { clock, source, view, heights, start };
}

const UNREACHABLE = new Error("connection refused");
const GONE = new P2pError("kubernetes_gone", "too old");

Deno.test("EndpointsWatch lists, watches from there, and takes a burst of events as one change", async () => {
  const { clock, source, view, heights, start } = setUp();
  await using _watch = start();
  await clock.advance(0);
  assertEquals([source.asked, heights], [["list", "watch 1"], [1]]);
  for (let i = 2; i <= 6; i++) {
    source.open!.onEvent({ type: "present", slice: slice("a", i, { [`validator-${i}`]: "10.0.0.1" }) });
    await clock.advance(5);
  }
  assertEquals(heights, [1]);
  await clock.advance(50);
  assertEquals([heights, [...view.places.keys()]], [[1, 6], ["validator-6"]]);
  source.open!.onEvent({ type: "gone", slice: slice("a", 6, {}, 7) });
  await clock.advance(50);
  assertEquals([heights, view.places.size], [[1, 6, 7], 0]);
});

Deno.test("EndpointsWatch tells of the first list also where there is nothing", async () => {
  const { clock, source, heights, start } = setUp();
  source.slices = [];
  await using _watch = start();
  await clock.advance(0);
  assertEquals(heights, [0]);
});

Deno.test("EndpointsWatch goes on where it was when the server ends a watch in order, bookmarks included", async () => {
  const { clock, source, heights, start } = setUp();
  await using _watch = start();
  await clock.advance(30_000);
  source.open!.onEvent({ type: "bookmark", slice: { metadata: { resourceVersion: "90" } } });
  await clock.advance(30_000);
  source.open!.end();
  await clock.advance(0);
  assertEquals([source.asked, heights], [["list", "watch 1", "watch 90"], [1]]);
});

Deno.test("EndpointsWatch lists again at once after 410 Gone, and waits where that comes again", async () => {
  const { clock, source, heights, start } = setUp();
  await using _watch = start();
  await clock.advance(10);
  source.slices = [slice("a", 9, { "validator-1": "10.0.0.2" })];
  source.version = "400";
  source.open!.end(GONE);
  await clock.advance(0);
  assertEquals(source.asked, ["list", "watch 1", "list", "watch 400"]);
  await clock.advance(50);
  assertEquals(heights, [1, 9]);
  source.open!.end(GONE);
  await clock.advance(0);
  assertEquals(source.asked.length, 4);
  await clock.advance(1_000);
  assertEquals(source.asked.slice(4), ["list", "watch 400"]);
});

Deno.test("EndpointsWatch keeps the view while the API server is away, asks less and less often, and catches up", async () => {
  const { clock, source, view, heights, start } = setUp();
  await using _watch = start();
  await clock.advance(10);
  source.failure = UNREACHABLE;
  source.open!.end(UNREACHABLE);
  await clock.advance(10 * 60_000);
  const asked = source.asked.length - 2;
  // At most 250 ms, 500 ms, ... 15 s apart, at least half of that.
  assert(asked >= 40 && asked <= 90, `${asked} times in ten minutes`);
  assertEquals([heights, [...view.places.keys()]], [[1], ["validator-0"]]);
  source.failure = undefined;
  source.slices = [slice("a", 5, { "validator-0": "10.0.0.9" })];
  await clock.advance(15_100);
  assertEquals([heights, view.places.get("validator-0")], [[1, 5], "10.0.0.9"]);
  // All is well again: the next failure waits the shortest time.
  source.open!.onEvent({ type: "present", slice: slice("a", 6, {}) });
  const before = source.asked.length;
  source.open!.end(UNREACHABLE);
  await clock.advance(500);
  assertEquals(source.asked.slice(before), ["list", `watch 1`]);
});

Deno.test("EndpointsWatch does not run down a server that ends every watch at once", async () => {
  const { clock, source, start } = setUp();
  const watch = source.watch.bind(source);
  source.watch = (...args) => {
    const watching = watch(...args);
    source.open!.end();
    return watching;
  };
  await using _watch = start();
  await clock.advance(60_000);
  assert(source.asked.length < 30, `${source.asked.length} requests in a minute`);
});

Deno.test("EndpointsWatch waits for a server that is away from the start", async () => {
  const { clock, source, heights, start } = setUp();
  source.failure = UNREACHABLE;
  await using _watch = start();
  await clock.advance(5_000);
  assertEquals(heights, []);
  source.failure = undefined;
  await clock.advance(15_000);
  assertEquals(heights, [1]);
});

Deno.test("EndpointsWatch.close() ends a watch, a wait and a burst, and leaves no timer", async () => {
  for (const state of ["watching", "waiting", "burst"]) {
    const { clock, source, heights, start } = setUp();
    const watch = start();
    await clock.advance(0);
    if (state === "burst") source.open!.onEvent({ type: "present", slice: slice("a", 2, {}) });
    if (state === "waiting") {
      source.failure = UNREACHABLE;
      source.open!.end(UNREACHABLE);
      await clock.advance(0);
    }
    await watch.close();
    await watch.close();
    assertEquals([state, clock.pending], [state, 0]);
    await clock.advance(60_000);
    assertEquals(heights, [1]);
  }
});
