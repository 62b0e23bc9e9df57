import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ECHO_TYPE_URL } from "../../src/admin/echo.ts";
import { BODY_BYTES_MAX } from "../../src/admin/read_body.ts";
import { expectedTraffic } from "../../src/raintree/expectations.ts";
import { bootstrap } from "../../src/discovery/bootstrap.ts";
import { AdminNetwork, TOKEN } from "./_admin_network.ts";

const TEXT = "type.googleapis.com/test.Text";
const hello = new TextEncoder().encode("hello").toBase64();

Deno.test("GET /livez answers before the node is started, /readyz says what is missing", async () => {
  await using network = new AdminNetwork({ nodes: 4 });
  assertEquals((await network.get(0, "/livez")).json, { live: true });
  const before = await network.get(0, "/readyz");
  assertEquals([before.status, before.json.ready, before.json.missing[0].what], [503, false, "start"]);
  assertEquals(before.headers.get("cache-control"), "no-store");
  const tree = await network.get(0, "/tree");
  assertEquals([tree.status, tree.json.error.code], [503, "module_not_started"]);

  const [first, second] = network.nodes;
  await Promise.all([first.module.start(), second.module.start()]);
  await network.until(() => first.module.router.connected.length === 1);
  const alone = await network.get(0, "/readyz");
  assertEquals(alone.status, 503);
  const { levels, missing, validators, peers, staked } = alone.json;
  assertEquals({ validators, peers, staked }, { validators: 4, peers: 1, staked: true });
  const [third, fourth] = network.nodes.slice(2).map(({ module }) => module.address);
  // At 4 nodes the head keeps 2, and hands 1 and 1 over; of the 2 it hands over 1.
  assertEquals(levels, [
    { level: 2, targets: 2, connected: 0, missing: [third, fourth] },
    { level: 1, targets: 1, connected: 1, missing: [] },
  ]);
  assertEquals(missing.map(({ what }: { what: string }) => what), ["targets"]);
  assertStringIncludes(missing[0].detail, third);

  await Promise.all(network.nodes.slice(2).map(({ module }) => module.start()));
  await network.until(async () => (await network.get(0, "/readyz")).status === 200);
  assertEquals((await network.get(0, "/readyz")).json.missing, []);
});

Deno.test("GET /readyz of a node that is not staked needs no targets; of one that drains it is 503, and nothing is sent", async () => {
  await using network = await AdminNetwork.ready({ nodes: 4, staked: 3 });
  assertEquals((await network.get(3, "/readyz")).json.levels, []);
  assertEquals((await network.get(3, "/readyz")).json.staked, false);
  network.nodes[0].admin.drain();
  const { status, json } = await network.get(0, "/readyz");
  assertEquals([status, json.missing[0].what, json.address], [503, "draining", network.nodes[0].module.address]);
  assertEquals((await network.get(0, "/livez")).status, 200);
  const refused = await network.post(0, "/broadcast", { typeUrl: TEXT, value: hello });
  assertEquals([refused.status, refused.json.error.code], [503, "draining"]);
});

Deno.test("GET /readyz says that nobody is known where the bootstrap nodes do not answer", async () => {
  await using network = new AdminNetwork({
    nodes: 1,
    staked: 0,
    config: { bootstrap_nodes_csv: ["http://127.0.0.1:1"] },
  });
  await network.nodes[0].module.start();
  const { status, json } = await network.get(0, "/readyz");
  assertEquals([status, json.missing[0].what], [503, "bootstrap"]);
  assertStringIncludes(json.missing[0].detail, "None of 1 bootstrap nodes");
});

for (const mode of ["exact", "classic"] as const) {
  Deno.test(`POST /broadcast reaches everyone, and /messages of all nodes draws its true tree (${mode})`, async () => {
    await using network = await AdminNetwork.ready({ nodes: 9, config: { mode } });
    const origin = 4;
    const sent = await network.post(origin, "/broadcast", { typeUrl: TEXT, value: hello });
    assertEquals(sent.status, 200);
    const { nonce } = sent.json;
    assertMatch(nonce, /^\d{1,20}$/);
    await network.until(() =>
      network.nodes.every(({ events }, i) => i === origin || events.some(({ type }) => type === "message"))
    );
    const views = await Promise.all(network.nodes.map((_, i) => network.get(i, `/messages/${nonce}`)));
    const addresses = network.nodes.map(({ module }) => module.address);
    const handovers = new Set<string>();
    const arrivals = new Set<string>();
    views.forEach(({ json }, i) => {
      assertEquals(json.origin, i === origin);
      for (const { to, kind, level, segment } of json.handovers) {
        assertEquals(kind, mode === "exact" ? "segment" : "level");
        handovers.add(`${addresses[i]} ${to} ${level ?? segment}`);
      }
      for (const { from, level, segment, atMs } of json.arrivals) {
        if (from !== undefined) arrivals.add(`${from} ${addresses[i]} ${level ?? segment}`);
        assert(Math.abs(Date.now() - atMs) < 60_000);
      }
    });
    assertEquals([...arrivals].sort(), [...handovers].sort());
    const expected = expectedTraffic(mode, 9, [origin]);
    assertEquals(views.map(({ json }) => json.handovers.length), expected.writes);
    assertEquals(
      views.map(({ json }) => json.arrivals.filter(({ kind }: { kind: string }) => kind !== "origin").length),
      expected.reads,
    );
    // The tree that any node draws beforehand is the one that was.
    const tree = (await network.get(0, `/tree?originator=${origin}`)).json;
    const drawn = tree.sends.map(([from, to, value]: number[]) => `${addresses[from]} ${addresses[to]} ${value}`);
    assertEquals(drawn.sort(), [...handovers].sort());
    const hex = await network.get(0, `/messages/0x${BigInt(nonce).toString(16)}`);
    assertEquals(hex.json, views[0].json);
  });
}

Deno.test("GET /messages tells what is unknown from what is no nonce", async () => {
  await using network = await AdminNetwork.ready({ nodes: 1 });
  const unknown = await network.get(0, "/messages/12345");
  assertEquals([unknown.status, unknown.json.error.code], [404, "message_unknown"]);
  for (const text of ["x", "0", "-1", "18446744073709551616", "0x", "1e3"]) {
    const { status, json } = await network.get(0, `/messages/${text}`);
    assertEquals([status, json.error.code], [400, "nonce_malformed"], text);
  }
});

Deno.test("GET /messages lists what came from a place on", async () => {
  await using network = await AdminNetwork.ready({ nodes: 4 });
  const nonces: string[] = [];
  for (let i = 0; i < 3; i++) {
    nonces.push((await network.post(i, "/broadcast", { typeUrl: TEXT, value: hello })).json.nonce);
  }
  const told = (i: number, query = "") => network.get(i, `/messages${query}`);
  await network.until(async () => (await told(3)).json.messages.length === 3);
  const { json } = await told(3);
  assertEquals(json.messages.map(({ nonce }: { nonce: string }) => nonce).sort(), [...nonces].sort());
  assertEquals([json.next, json.forgotten], [3, 0]);
  assertEquals(new Date(json.since).toISOString(), json.since);
  assertEquals((await told(3, "?after=1&limit=1")).json, { ...json, next: 2, messages: [json.messages[1]] });
  assertEquals((await told(3, "?after=3")).json.messages, []);
  await network.until(async () => (await told(0)).json.messages.length === 3);
  const own = (await told(0)).json.messages.filter(({ origin }: { origin: boolean }) => origin);
  assertEquals(own.map(({ nonce }: { nonce: string }) => nonce), [nonces[0]]);
  for (const query of ["?after=-1", "?limit=0", "?limit=10001"]) assertEquals((await told(0, query)).status, 400);
});

Deno.test("POST /broadcast with a receipt says who confirmed", async () => {
  await using network = await AdminNetwork.ready({ nodes: 4 });
  for (const receipt of [true, "signed"]) {
    const { status, json } = await network.post(1, "/broadcast", { typeUrl: TEXT, value: hello, receipt });
    assertEquals([status, json.receipt.reached, json.receipt.missing], [200, 3, []]);
    assert(json.receipt.elapsedMs >= 0);
    assertMatch(json.nonce, /^\d+$/);
  }
});

Deno.test("POST /send and /request reach one peer with what they were given, up to 4 MiB", async () => {
  await using network = await AdminNetwork.ready({ nodes: 4, staked: 3 });
  const large = new Uint8Array(4 * 1024 * 1024 - 200).fill(7);
  for (const to of [2, 3]) { // staked, and not
    const peer = network.nodes[to];
    peer.module.addPeer({ protocol: "memory", id: network.nodes[0].module.address });
    network.nodes[0].module.addPeer({ protocol: "memory", id: peer.module.address });
    for (const value of [Uint8Array.of(1), large]) {
      const before = peer.events.filter(({ type }) => type === "message").length;
      const { status, json } = await network.post(0, "/send", {
        to: peer.module.address,
        typeUrl: TEXT,
        value: value.toBase64(),
      });
      assertEquals(status, 200, JSON.stringify(json));
      await network.until(() => peer.events.filter(({ type }) => type === "message").length > before);
      const last = peer.events.findLast(({ type }) => type === "message");
      assert(last?.type === "message");
      assertEquals([last.content.typeUrl, last.content.value.length], [TEXT, value.length]);
      const { arrivals } = (await network.get(to, `/messages/${json.nonce}`)).json;
      assertEquals(arrivals.map(({ kind, from }: { kind: string; from: string }) => [kind, from]), [
        ["direct", network.nodes[0].module.address],
      ]);
      const out = (await network.get(0, `/messages/${json.nonce}`)).json;
      assertEquals(out.handovers.map(({ to, kind }: { to: string; kind: string }) => [to, kind]), [
        [peer.module.address, "direct"],
      ]);
    }
    const asked = { to: peer.module.address, typeUrl: ECHO_TYPE_URL, value: hello };
    const answered = await network.post(0, "/request", asked);
    assertEquals([answered.status, answered.json.typeUrl, answered.json.value], [200, ECHO_TYPE_URL, hello]);
    const other = await network.post(0, "/request", { ...asked, typeUrl: TEXT });
    assertEquals([other.status, other.json.error.code], [502, "request_failed"]);
  }
});

Deno.test("POST is for those who hold the token", async () => {
  await using network = await AdminNetwork.ready({ nodes: 1 });
  await using closed = await AdminNetwork.ready({ nodes: 1, admin: { token: "" } });
  const body = { typeUrl: TEXT, value: hello };
  for (const path of ["/broadcast", "/send", "/request"]) {
    for (const authorization of ["", "Bearer", `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`]) {
      const { status, json, headers } = await network.post(0, path, body, { authorization });
      assertEquals([status, json.error.code], [401, "admin_unauthorized"], authorization);
      assertMatch(headers.get("www-authenticate")!, /^Bearer/);
    }
    // The header for the token alone goes before the right bearer.
    const other = await network.post(0, path, body, { "x-raintree-token": `${TOKEN}x` });
    assertEquals([other.status, other.json.error.code], [401, "admin_unauthorized"]);
    const none = await closed.post(0, path, body);
    assertEquals([none.status, none.json.error.code], [403, "admin_no_token"]);
    assertStringIncludes(none.json.error.hint, "admin_token_file");
  }
  assertEquals((await network.post(0, "/broadcast", body)).status, 200);
  assertEquals((await network.post(0, "/broadcast", body, { authorization: `bearer ${TOKEN}` })).status, 200);
  const proxied = { authorization: "Bearer of the proxy", "x-raintree-token": TOKEN };
  assertEquals((await network.post(0, "/broadcast", body, proxied)).status, 200);
});

Deno.test("POST refuses what it cannot send, each with a code", async () => {
  await using network = await AdminNetwork.ready({ nodes: 2, staked: 1 });
  const stranger = "0".repeat(40);
  const cases: [number, string, unknown, number, string][] = [
    [0, "/broadcast", {}, 400, "body_malformed"],
    [0, "/broadcast", [], 400, "body_malformed"],
    [0, "/broadcast", { typeUrl: "" }, 400, "body_malformed"],
    [0, "/broadcast", { typeUrl: TEXT, value: "???" }, 400, "body_malformed"],
    [0, "/broadcast", { typeUrl: TEXT, value: 7 }, 400, "body_malformed"],
    [0, "/broadcast", { typeUrl: TEXT, receipt: "maybe" }, 400, "body_malformed"],
    [0, "/broadcast", { typeUrl: TEXT, receipt: true, deadlineMs: 0 }, 400, "body_malformed"],
    [0, "/broadcast", { typeUrl: TEXT, to: stranger }, 400, "body_malformed"],
    [0, "/send", { typeUrl: TEXT }, 400, "body_malformed"],
    [0, "/send", { typeUrl: TEXT, to: "me" }, 400, "address_malformed"],
    [0, "/send", { typeUrl: TEXT, to: stranger }, 404, "peer_unknown"],
    [0, "/request", { typeUrl: TEXT, to: stranger }, 404, "peer_unknown"],
    [1, "/broadcast", { typeUrl: TEXT }, 409, "raintree_not_staked"],
  ];
  for (const [node, path, body, status, code] of cases) {
    const answer = await network.post(node, path, body);
    assertEquals([answer.status, answer.json.error.code], [status, code], JSON.stringify(body));
    assert(answer.json.error.message.length > 10);
  }
  const misspelt = await network.post(0, "/broadcast", { typeURL: TEXT });
  assertStringIncludes(misspelt.json.error.message, 'did you mean "typeUrl"');
  const text = await network.post(0, "/broadcast", {}, { "content-type": "text/plain" });
  assertEquals([text.status, text.json.error.code], [415, "body_not_json"]);
  const broken = await network.get(0, "/broadcast", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${TOKEN}` },
    body: '{"typeUrl',
  });
  assertEquals([broken.status, broken.json.error.code], [400, "body_malformed"]);
});

Deno.test("POST refuses bodies that are too large, whether they say so or not, and those that never end", async () => {
  await using network = await AdminNetwork.ready({ nodes: 1, admin: { timeoutMs: 200 } });
  const headers = { "content-type": "application/json", authorization: `Bearer ${TOKEN}` };
  const said = await network.get(0, "/broadcast", { method: "POST", headers, body: "x".repeat(BODY_BYTES_MAX + 1) });
  assertEquals([said.status, said.json.error.code], [413, "body_too_large"]);
  let sent = 0;
  const flood = new ReadableStream({
    pull(controller) {
      sent += 65_536;
      if (sent > 2 * BODY_BYTES_MAX) controller.close();
      else controller.enqueue(new Uint8Array(65_536).fill(0x20));
    },
  });
  const unsaid = await network.get(0, "/broadcast", { method: "POST", headers, body: flood }).catch((error) => error);
  // The client may notice that nobody reads on before it reads the answer.
  if (!(unsaid instanceof Error)) assertEquals([unsaid.status, unsaid.json.error.code], [413, "body_too_large"]);
  assert(sent <= 2 * BODY_BYTES_MAX, "everything was read");
  const stop = new AbortController();
  const endless = new ReadableStream({ pull: () => new Promise(() => {}) });
  const late = await network.get(0, "/broadcast", { method: "POST", headers, body: endless, signal: stop.signal });
  assertEquals([late.status, late.json.error.code], [504, "deadline"]);
  stop.abort();
  assertEquals((await network.post(0, "/broadcast", { typeUrl: TEXT })).status, 200);
});

Deno.test("the admin API answers with typed errors where there is nothing, and where the method is wrong", async () => {
  await using network = await AdminNetwork.ready({ nodes: 1 });
  const nothing = await network.get(0, "/nothing");
  assertEquals([nothing.status, nothing.json.error.code], [404, "not_found"]);
  assertStringIncludes(nothing.json.error.hint, "GET /readyz");
  const wrong = await network.get(0, "/broadcast");
  assertEquals([wrong.status, wrong.json.error.code, wrong.headers.get("allow")], [405, "method_not_allowed", "POST"]);
  const put = await network.get(0, "/livez", { method: "PUT" });
  assertEquals([put.status, put.headers.get("allow")], [405, "GET, HEAD"]);
  assertEquals((await network.get(0, "/livez", { method: "HEAD" })).status, 200);
  for (const path of ["/peers?limit=x", "/tree?originator=1", "/tree?format=svg", "/peerstore?height=-1"]) {
    const { status, json } = await network.get(0, path);
    assertEquals([status, json.error.code], [400, "query_malformed"], path);
  }
  const stranger = await network.get(0, `/tree?originator=${"0".repeat(40)}`);
  assertEquals([stranger.status, stranger.json.error.code], [404, "peer_not_staked"]);
});

Deno.test("GET /peers lists connections, why each peer is treated as it is, and numbers", async () => {
  await using network = await AdminNetwork.ready({ nodes: 4 });
  await network.post(0, "/broadcast", { typeUrl: TEXT, value: hello, receipt: true });
  const { counts, peers, omitted } = (await network.get(0, "/peers")).json;
  assertEquals([counts.ready, omitted], [3, 0]);
  assertEquals(
    peers.map(({ address }: { address: string }) => address),
    network.nodes[0].module.router.connected.sort(),
  );
  for (const { staked, state, status, why, connection, drops, target } of peers) {
    assertEquals({ staked, state, status, drops, target }, {
      staked: true,
      state: "alive",
      status: "ready",
      drops: [],
      target: true,
    });
    assertMatch(why, /^Connected (in|out)bound/);
    assert(connection.receivedBytes > 0 && connection.sentBytes > 0);
    assertEquals(connection.queues, []);
  }
  const some = (await network.get(0, "/peers?limit=1")).json;
  assertEquals([some.peers.length, some.omitted], [1, 2]);
});

Deno.test("GET /tree draws the view of this node, as JSON and as text", async () => {
  await using network = await AdminNetwork.ready({ nodes: 9 });
  const { json } = await network.get(2, "/tree");
  assertEquals([json.mode, json.validators, json.position, json.originator], ["exact", 9, 2, 2]);
  assertEquals(json.nodes.length, 9);
  assertEquals(json.sends.length, 8);
  assertEquals(json.levels.map(({ level, targets }: { level: number; targets: number }) => [level, targets]), [
    [2, 2],
    [1, 2],
  ]);
  const { text, headers } = await network.get(2, "/tree?format=text&originator=0");
  assertMatch(headers.get("content-type")!, /^text\/plain/);
  assertMatch(text, /^One exact broadcast over 9 nodes at height 0/);
  assertStringIncludes(text, "answers for 3: 3..5");
  assertStringIncludes(text, `2  ${network.nodes[2].module.address}  this node`);
  await using nobody = await AdminNetwork.ready({ nodes: 1, staked: 0 });
  assertStringIncludes((await nobody.get(0, "/tree?format=text")).text, "Nobody is staked");
  assertEquals((await nobody.get(0, "/tree")).json.sends, []);
});

Deno.test("a node can bootstrap from the admin API of another", async () => {
  await using network = await AdminNetwork.ready({ nodes: 4 });
  const told = await bootstrap([network.nodes[1].admin.url]);
  assertEquals(told.height, 0);
  assertEquals(told.peers, network.nodes[1].module.stakedPeers);
  const later = await network.get(1, "/peerstore?height=7");
  assertEquals([later.status, later.json.error.code], [404, "height_unknown"]);
});
