import { assert, assertEquals, assertMatch } from "@std/assert";
import { METRICS } from "../../src/admin/metrics.ts";
import { renderMetrics } from "../../src/admin/prometheus.ts";
import { AdminNetwork } from "./_admin_network.ts";

const page = new URL("../../docs/metrics.md", import.meta.url);

/** The names that existing dashboards know: they must not change. */
const KEPT = [
  "p2p_nodes_started_counter",
  "event_metrics_namespace_p2p_raintree_message_event_metric",
  "event_metrics_namespace_p2p_broadcast_message_redundancy_per_block_event_metric",
  "p2p_peers",
  "p2p_peers_stored",
  "p2p_peers_connected_success",
  "p2p_peers_connected_failure",
  "p2p_peers_connected_incoming",
  "p2p_peers_connected_outgoing",
  "p2p_peers_evicted",
  "p2p_peer_receive_bytes_total",
  "p2p_peer_send_bytes_total",
  "p2p_peer_pending_send_bytes",
  "p2p_router_peer_queue_recv",
  "p2p_router_peer_queue_send",
  "p2p_router_channel_queue_send",
  "p2p_router_channel_queue_dropped_msgs",
  "p2p_router_channel_queue_msg_size",
];

/** The page in full: change the metrics, then `UPDATE_DOCS=1 deno task test tests/admin/metrics_test.ts`. */
function renderPage(): string {
  const rows = METRICS.map(({ name, type, labels = [], help }) =>
    `| ${[`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(", "), help].join(" | ")} |`
  );
  return `# Metrics of a node

\`GET /metrics\` of the [admin API](admin.md) has them in Prometheus' text format. Numbers are read when they are asked
for: nothing is measured for their sake while messages flow. Those of a node that is not started are absent but for its
own (\`p2p_ready\`, \`process_*\` and the like). Counters begin at 0 when the node starts, those of a peer when it connects.

Labels: \`peer_id\` is an address, \`ch_id\` the number of a channel and \`channel\` its name (\`raintree\`, \`direct\`,
\`request\`, \`raintree_control\`, \`application\`). Series per peer are as many as peers are connected, at most \`max_inbound\`
and \`max_outbound\`.

<!-- deno-fmt-ignore-start -->
| metric | type | labels | meaning |
| --- | --- | --- | --- |
${rows.join("\n")}
<!-- deno-fmt-ignore-end -->
`;
}

interface Parsed {
  types: Map<string, string>;
  help: Map<string, string>;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

/** Reads the text format strictly: a line that is nothing fails. */
function parse(text: string): Parsed {
  const parsed: Parsed = { types: new Map(), help: new Map(), samples: [] };
  assert(text.endsWith("\n"));
  for (const line of text.slice(0, -1).split("\n")) {
    const head = /^# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.+)$/.exec(line);
    if (head !== null) {
      const into = head[1] === "HELP" ? parsed.help : parsed.types;
      assert(!into.has(head[2]), `${line} comes twice`);
      into.set(head[2], head[3]);
      continue;
    }
    const sample = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    assert(sample !== null, `not a sample: ${line}`);
    const labels = [...(sample[2] ?? "").matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)/g)].map((m) => [m[1], m[2]]);
    parsed.samples.push({ name: sample[1], labels: Object.fromEntries(labels), value: Number(sample[3]) });
  }
  return parsed;
}

Deno.test("docs/metrics.md lists the metrics as they are, those of existing dashboards among them", async () => {
  if (Deno.env.get("UPDATE_DOCS")) await Deno.writeTextFile(page, renderPage());
  assertEquals(await Deno.readTextFile(page), renderPage());
  const names = METRICS.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  assertEquals(KEPT.filter((name) => !names.includes(name)), []);
});

Deno.test("GET /metrics has every metric under its help and type, with the labels that are documented", async () => {
  await using network = await AdminNetwork.ready({ nodes: 9 });
  const content = { typeUrl: "type.googleapis.com/test.Text", value: "" };
  for (let i = 0; i < 3; i++) await network.post(0, "/broadcast", { ...content, receipt: true });
  const { status, text, headers } = await network.get(0, "/metrics");
  assertEquals([status, headers.get("content-type")], [200, "text/plain; version=0.0.4; charset=utf-8"]);
  const { types, help, samples } = parse(text);
  for (const { name, type, help: wanted } of METRICS) {
    assertEquals([types.get(name), help.get(name)], [type, wanted]);
    assertMatch(wanted, /^[A-Z0-9].*[.)]$/);
  }
  const byName = Map.groupBy(samples, ({ name }) => name);
  // One histogram so far: its samples carry suffixes, and only its buckets the label.
  const histogram = ["_bucket", "_sum", "_count"].map((suffix) => byName.get(`p2p_receipt_seconds${suffix}`)!);
  const [buckets, sums, counts] = histogram.map((found) => found.map(({ value }) => value));
  assertEquals([buckets.at(-1), counts, buckets], [3, [3], buckets.toSorted((a, b) => a - b)]);
  assert(sums[0] > 0);
  assertEquals(histogram.slice(1).map(([{ labels }]) => labels), [{}, {}]);
  for (const suffix of ["_bucket", "_sum", "_count"]) byName.delete(`p2p_receipt_seconds${suffix}`);
  for (const [name, found] of byName) {
    const { labels = [] } = METRICS.find((metric) => metric.name === name)!;
    for (const sample of found) {
      assertEquals(Object.keys(sample.labels), [...labels], name);
      assert(Number.isFinite(sample.value) && sample.value >= 0, `${name} is ${sample.value}`);
    }
    assertEquals(new Set(found.map(({ labels }) => JSON.stringify(labels))).size, found.length, `${name} repeats`);
  }
  const value = (name: string) => byName.get(name)!.reduce((sum, { value }) => sum + value, 0);
  const { module } = network.nodes[0];
  assertEquals(value("p2p_ready"), 1);
  assertEquals(value("p2p_validators"), 9);
  assertEquals(value("p2p_peers"), module.router.connected.length);
  assertEquals(byName.get("p2p_peer_send_bytes_total")!.length, module.router.connected.length);
  assertEquals(value("p2p_raintree_writes_total"), module.raintree.writes);
  assertEquals(value("p2p_raintree_writes_total"), 3 * 4); // at 9 nodes the originator sends 4
  assertEquals(value("event_metrics_namespace_p2p_raintree_message_event_metric"), 12);
  assertEquals(value("p2p_raintree_targets_connected"), value("p2p_raintree_targets"));
  assertEquals(value("p2p_raintree_targets_by_state"), 4);
  assertEquals(value("p2p_messages_remembered"), 3);
  assertEquals([value("p2p_broadcasts_began_total"), value("p2p_broadcasts_reached_total")], [3, 0]);
  assertEquals([value("p2p_receipts_reached_total"), value("p2p_receipts_missing_total")], [3 * 8, 0]);
  assertEquals(value("p2p_broadcast_sends_total"), 12);
  assertEquals(
    byName.get("p2p_broadcast_sends_total")!.map(({ labels }) => labels.level).toSorted(),
    byName.get("p2p_raintree_targets")!.map(({ labels }) => labels.level).toSorted(),
  );
  assertEquals(value("p2p_routines"), module.routines.count);
  assertEquals(value("p2p_reliability_control_reads_total"), module.reliability.controlReads);
  assert(value("process_resident_memory_bytes") > 1e6);
});

Deno.test("GET /metrics of all nodes together says that every broadcast came to everybody", async () => {
  await using network = await AdminNetwork.ready({ nodes: 9 });
  const content = { typeUrl: "type.googleapis.com/test.Text", value: "" };
  for (let i = 0; i < 9; i++) await network.post(i, "/broadcast", { ...content, receipt: true });
  const sums = { began: 0, reached: 0 };
  for (let i = 0; i < 9; i++) {
    const { samples } = parse((await network.get(i, "/metrics")).text);
    const value = (name: string) => samples.find((sample) => sample.name === name)!.value;
    sums.began += value("p2p_broadcasts_began_total");
    sums.reached += value("p2p_broadcasts_reached_total");
  }
  assertEquals(sums, { began: 9, reached: 9 * 8 });
});

Deno.test("GET /metrics of a node that is not started has its own numbers only", async () => {
  await using network = new AdminNetwork({ nodes: 2 });
  const { status, text } = await network.get(0, "/metrics");
  const { samples, types } = parse(text);
  assertEquals([status, types.size], [200, METRICS.length]);
  const always = METRICS.filter(({ always }) => always).map(({ name }) => name);
  assertEquals(samples.filter(({ name }) => !always.includes(name)), []);
  assertEquals(samples.find(({ name }) => name === "p2p_ready")!.value, 0);
});

Deno.test("GET /metrics counts drops by channel and reason", async () => {
  await using network = await AdminNetwork.ready({ nodes: 2 });
  const { module } = network.nodes[0];
  const stranger = "0".repeat(40);
  module.router.dropped(1, stranger, "full");
  module.router.dropped(1, module.address, "full");
  module.router.dropped(77, stranger, "closed");
  const { samples } = parse((await network.get(0, "/metrics")).text);
  assertEquals(samples.filter(({ name }) => name === "p2p_router_channel_queue_dropped_msgs"), [
    {
      name: "p2p_router_channel_queue_dropped_msgs",
      labels: { ch_id: "1", channel: "raintree", reason: "full" },
      value: 2,
    },
    {
      name: "p2p_router_channel_queue_dropped_msgs",
      labels: { ch_id: "77", channel: "application", reason: "closed" },
      value: 1,
    },
  ]);
});

Deno.test("renderMetrics() escapes labels and help", () => {
  const head = { name: "m", type: "gauge", help: "back\\slash\nline" } as const;
  const text = renderMetrics([[head, [{ labels: { l: 'a"b\\c\nd' }, value: Infinity }, { value: 1.5 }]]]);
  assertEquals(
    text,
    '# HELP m back\\\\slash\\nline\n# TYPE m gauge\nm{l="a\\"b\\\\c\\nd"} +Inf\nm 1.5\n',
  );
});
