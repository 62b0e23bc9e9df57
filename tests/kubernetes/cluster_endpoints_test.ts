import { assertEquals, assertRejects } from "@std/assert";
import * as client from "@kubernetes/client-node";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { ClusterEndpoints } from "../../src/kubernetes/cluster_endpoints.ts";
import { EndpointsProvider } from "../../src/kubernetes/endpoints_provider.ts";
import type { EndpointEvent } from "../../src/kubernetes/endpoints_watch.ts";
import { StaticProvider } from "../../src/peer/static_provider.ts";
import { FakeApiServer } from "./_fake_api_server.ts";
import { slice } from "./_slices.ts";

/** The real client against a server of ours. */
function clusterOf(server: FakeApiServer, options: { watchMs?: number } = {}): ClusterEndpoints {
  const config = new client.KubeConfig();
  config.loadFromString(server.kubeconfig);
  return new ClusterEndpoints({ config, client, namespace: "test" }, { clock: systemClock, ...options });
}

/** For waits between attempts, which are long. */
const hurried: Clock = { ...systemClock, after: (ms, fire) => systemClock.after(ms / 50, fire) };

const never = new AbortController().signal;

Deno.test("ClusterEndpoints lists the slices of one Service and watches on from there", async () => {
  await using server = new FakeApiServer();
  server.put(slice("a", 1, { "validator-0": "10.0.0.1" }));
  const endpoints = clusterOf(server);
  const { slices, version } = await endpoints.list(never);
  assertEquals(slices.map(({ metadata, endpoints }) => [metadata?.generation, endpoints?.[0].addresses?.[0]]), [
    [1, "10.0.0.1"],
  ]);
  assertEquals([version, server.query.get("labelSelector")], ["1", "kubernetes.io/service-name=validators"]);
  const events: EndpointEvent[] = [];
  const watching = endpoints.watch(version, (event) => {
    events.push(event);
    if (event.type === "gone") server.endWatches();
  }, never);
  server.put(slice("a", 2, {}));
  server.put(slice("b", 1, {}));
  await server.hasAsked(2);
  server.say("BOOKMARK", { metadata: { resourceVersion: "77" } });
  server.remove("a");
  await watching;
  assertEquals(events.map(({ type, slice }) => [type, slice.metadata?.resourceVersion]), [
    ["present", "2"],
    ["present", "3"],
    ["bookmark", "77"],
    ["gone", "4"],
  ]);
  assertEquals([server.query.get("timeoutSeconds"), server.query.get("allowWatchBookmarks")], ["60", "true"]);
});

Deno.test("ClusterEndpoints tells what is too old apart from what else is refused, before a watch and in it", async () => {
  await using server = new FakeApiServer();
  const endpoints = clusterOf(server);
  const refused = async (code: string, work: Promise<unknown>) => {
    assertEquals((await assertRejects(() => work, P2pError)).code, code);
  };
  server.oldest = 5;
  await refused("kubernetes_gone", endpoints.watch("4", () => {}, never));
  const watching = endpoints.watch("5", () => {}, never);
  await server.hasAsked(2);
  server.say("ERROR", { code: 410, message: "too old" });
  await refused("kubernetes_gone", watching);
  // What says nothing ends the watch too: it is listed anew.
  for (const [i, type] of ["ERROR", "MODIFIED"].entries()) {
    const another = endpoints.watch("5", () => {}, never);
    await server.hasAsked(3 + i);
    server.say(type, null);
    await refused("kubernetes_refused", another);
  }
  server.refusal = 403;
  await refused("kubernetes_refused", endpoints.watch("5", () => {}, never));
  await refused("kubernetes_forbidden", endpoints.list(never));
  server.refusal = 500;
  await refused("kubernetes_refused", endpoints.list(never));
});

Deno.test("ClusterEndpoints gives up when told to, and closes its connection", async () => {
  await using server = new FakeApiServer();
  const endpoints = clusterOf(server);
  const stop = new AbortController();
  const watching = endpoints.watch("0", () => {}, stop.signal);
  await server.hasAsked(1);
  stop.abort(new P2pError("interrupted", "enough"));
  assertEquals((await assertRejects(() => watching, P2pError)).code, "interrupted");
});

Deno.test("EndpointsProvider with the real client follows slices through 410, an outage and the end of a watch", async () => {
  await using server = new FakeApiServer();
  server.put(slice("a", 3, { "validator-0": "10.0.0.1", "validator-1": "10.0.0.2" }));
  const hosts = [0, 1, 2].map((i) => `validator-${i}.validators.test.svc.cluster.local`);
  const genesis = new StaticProvider(hosts.map((host, i) => {
    const id = `${i}`.repeat(40);
    return { address: id, nodeAddress: { protocol: "tcp", id, host, port: 42069 }, stake: 1n };
  }));
  await using provider = EndpointsProvider.start({
    genesis,
    source: clusterOf(server),
    clock: hurried,
    random: seededRandom(1),
  });
  const at = async (height: number) =>
    (await provider.getStakedPeerstoreAtHeight(height)).map(({ nodeAddress: { host, port } }) => `${host}:${port}`);
  assertEquals([await provider.getCurrentHeight(), await at(3)], [3, ["10.0.0.1:42069", "10.0.0.2:42069"]]);

  await server.hasAsked(2);
  server.put(slice("a", 4, { "validator-0": "10.0.0.1", "validator-1": "10.0.0.9", "validator-2": "10.0.0.3" }));
  assertEquals(await provider.heightAfter(3), 4);
  assertEquals(await at(4), ["10.0.0.1:42069", "10.0.0.9:42069", "10.0.0.3:42069"]);
  assertEquals(await at(3), ["10.0.0.1:42069", "10.0.0.2:42069"]);
  // As old as this is nothing that is kept.
  assertEquals((await assertRejects(() => provider.getStakedPeerstoreAtHeight(2), P2pError)).code, "height_unknown");

  server.refusal = 503;
  server.endWatches();
  await server.hasAsked(server.asked.length + 2);
  assertEquals([await provider.getCurrentHeight(), (await at(4)).length], [4, 3]);
  server.put(slice("a", 6, { "validator-2": "10.0.0.3" }));
  server.oldest = 100;
  server.refusal = undefined;
  assertEquals([await provider.heightAfter(4), await at(6)], [6, ["10.0.0.3:42069"]]);
});

Deno.test("EndpointsProvider waits for the first answer, and no longer than it may", async () => {
  await using server = new FakeApiServer();
  server.refusal = 500;
  await using provider = EndpointsProvider.start({
    genesis: new StaticProvider([]),
    source: clusterOf(server),
    clock: hurried,
    random: seededRandom(1),
  });
  const stop = new AbortController();
  const asked = provider.getCurrentHeight({ signal: stop.signal });
  await server.hasAsked(2);
  stop.abort(new P2pError("interrupted", "enough"));
  assertEquals((await assertRejects(() => asked, P2pError)).code, "interrupted");
  server.refusal = undefined;
  assertEquals(await provider.getCurrentHeight(), 0);
});
