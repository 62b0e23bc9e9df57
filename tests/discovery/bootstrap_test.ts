import { assert, assertEquals, assertRejects } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { bootstrap, type BootstrapOptions, type Fetch } from "../../src/discovery/bootstrap.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { settle, VirtualClock } from "../../src/sim/virtual_clock.ts";

const key = NodeKey.fromSeed(new Uint8Array(32).fill(1));
const peers = [{ address: key.address, service_url: "10.0.0.7:42069", stake: "1" }];

/** What a node answers, by path; a function may take its time. */
type Answers = Record<string, Response | (() => Response | Promise<Response>)>;

/** A good node, with some answers replaced. */
function node(answers: Answers = {}): Answers {
  return {
    "/livez": () => new Response("ok"),
    "/height": () => Response.json({ height: 7 }),
    "/peerstore?height=7": () => Response.json(peers),
    ...answers,
  };
}

/** Fetches from nodes of the test, by host; remembers what was asked. */
function fetchFrom(nodes: Record<string, Answers>): { fetch: Fetch; asked: string[] } {
  const asked: string[] = [];
  const fetch: Fetch = async (url) => {
    asked.push(url);
    const { host, pathname, search } = new URL(url);
    const answer = nodes[host]?.[pathname + search];
    if (answer === undefined) throw new TypeError("connection refused");
    return typeof answer === "function" ? await answer() : answer;
  };
  return { fetch, asked };
}

Deno.test("bootstrap() asks a node for its health, its height, and its peers at that height", async () => {
  const { fetch, asked } = fetchFrom({ "one:1": node() });
  const found = await bootstrap(["http://one:1/"], { fetch });
  assertEquals([found.url, found.height, found.peers.map(({ address }) => address)], ["http://one:1/", 7, [
    key.address,
  ]]);
  assertEquals(asked, ["http://one:1/livez", "http://one:1/height", "http://one:1/peerstore?height=7"]);
});

Deno.test("bootstrap() asks all at once and takes the first good answer", async () => {
  const clock = new VirtualClock();
  const after = (ms: number, response: () => Response) => () =>
    new Promise<Response>((resolve) => clock.after(ms, () => resolve(response())));
  const { fetch, asked } = fetchFrom({
    "slow:1": node({ "/livez": after(500, () => new Response("ok")) }),
    "quick:1": node({ "/livez": after(100, () => new Response("ok")) }),
    "sick:1": node({ "/livez": () => new Response("no", { status: 503 }) }),
  });
  const found = bootstrap(["http://slow:1", "http://gone:1", "http://sick:1", "http://quick:1"], { fetch, clock });
  await settle();
  assertEquals(asked.map((url) => new URL(url).hostname), ["slow", "gone", "sick", "quick"]);
  await clock.advance(100);
  assertEquals((await found).url, "http://quick:1");
  await clock.advance(1_000);
  assertEquals(asked.some((url) => url.startsWith("http://slow:1/height")), false, "nobody asks on after that");
  assertEquals(clock.pending, 0);
});

Deno.test("bootstrap() skips nodes that are unhealthy or answer nonsense, and says of each why", async () => {
  let cancelled = 0;
  const endless = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(32)),
        cancel: () => void cancelled++,
      }),
    );
  const nodes: Record<string, [answers: Answers, says: string]> = {
    "sick:1": [node({ "/livez": () => new Response("no", { status: 503 }) }), "status 503"],
    "html:1": [node({ "/height": () => new Response("<html>") }), "JSON"],
    "negative:1": [node({ "/height": () => Response.json({ height: -1 }) }), "height -1"],
    "none:1": [node({ "/height": () => Response.json(null) }), "height undefined"],
    "long:1": [node({ "/height": endless }), "longer than 1024 bytes"],
    "huge:1": [node({ "/peerstore?height=7": endless }), "longer than 100000 bytes"],
    "empty:1": [node({ "/peerstore?height=7": () => Response.json([]) }), "empty"],
    "liar:1": [node({ "/peerstore?height=7": () => Response.json([{ address: "me" }]) }), "Peer 0"],
    "binary:1": [node({ "/peerstore?height=7": () => new Response(Uint8Array.of(0xff, 0xfe)) }), ""],
    "gone:1": [{}, "connection refused"],
  };
  const hosts = Object.keys(nodes);
  const { fetch } = fetchFrom(Object.fromEntries(hosts.map((host) => [host, nodes[host][0]])));
  const urls = hosts.map((host) => `http://${host}`);
  const error = await rejection("bootstrap_failed", bootstrap(urls, { fetch, peersBytesMax: 100_000 }));
  assert(error.hint?.includes("bootstrap_nodes_csv"));
  assertEquals(cancelled, 2, "what is too long is not read to its end");
  const { errors } = error.cause as AggregateError;
  assertEquals(errors.map(({ code }) => code), hosts.map(() => "bootstrap_node_failed"));
  hosts.forEach((host, i) => {
    assert(errors[i].message.startsWith(`Bootstrap node http://${host}: `), errors[i].message);
    assert(errors[i].message.includes(nodes[host][1]), errors[i].message);
  });
  // One good one among them is enough.
  const { fetch: withGood } = fetchFrom({
    ...Object.fromEntries(hosts.map((host) => [host, nodes[host][0]])),
    "good:1": node(),
  });
  assertEquals(
    (await bootstrap([...urls, "http://good:1"], { fetch: withGood, peersBytesMax: 100_000 })).url,
    "http://good:1",
  );
});

Deno.test("bootstrap() ends at its deadline and with its signal, also where nobody ever answers", async () => {
  const clock = new VirtualClock();
  const silent: Fetch = () => new Promise(() => {});
  const body = new ReadableStream({ start: () => {} });
  const half: Fetch = () => Promise.resolve(new Response(body));
  const late = rejection("bootstrap_failed", bootstrap(["http://one:1"], { clock, fetch: silent, timeoutMs: 300 }));
  await clock.advance(300);
  assert((await late).cause instanceof AggregateError);
  const stuck = rejection("bootstrap_failed", bootstrap(["http://one:1"], { clock, fetch: half, timeoutMs: 300 }));
  await clock.advance(300);
  await stuck;
  const stop = new AbortController();
  const options: BootstrapOptions = { clock, fetch: silent, signal: stop.signal };
  const stopped = rejection("enough", bootstrap(["http://one:1"], options));
  stop.abort(new P2pError("enough", "Enough"));
  await stopped;
  await rejection("enough", bootstrap(["http://one:1"], options));
  assertEquals(clock.pending, 0);
});

Deno.test("bootstrap() works over HTTP", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    const answer = node()[pathname + search];
    return typeof answer === "function" ? answer() : new Response("no", { status: 404 });
  });
  const { port } = server.addr;
  const found = await bootstrap([`http://127.0.0.1:${port}`, `http://127.0.0.1:${port}/elsewhere`]);
  assertEquals([found.url, found.height, found.peers.length], [`http://127.0.0.1:${port}`, 7, 1]);
});

async function rejection(code: string, work: Promise<unknown>): Promise<P2pError> {
  const error = await assertRejects(() => work, P2pError);
  assertEquals(error.code, code);
  return error;
}
