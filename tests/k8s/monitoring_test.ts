import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { METRICS } from "../../src/admin/metrics.ts";
import { find, k8s, rendered } from "./manifests.ts";

interface Panel {
  title: string;
  targets: { expr: string }[];
}

const folder = new URL("components/monitoring/", k8s);
const read = (name: string) => Deno.readTextFile(new URL(name, folder));
const dashboard = async () => JSON.parse(await read("raintree.json")) as { uid: string; panels: Panel[] };

/** Words of PromQL that name no metric. */
const WORDS = ["sum", "min", "max", "by", "rate", "increase", "histogram_quantile"];

/** The metrics that an expression reads: labels, ranges and PromQL's own words taken away. */
function metricsOf(expr: string): string[] {
  const bare = expr.replaceAll(/\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)|"[^"]*"/g, " ");
  return [...bare.matchAll(/[a-zA-Z_:][\w:]*/g)].map(([word]) => word).filter((word) => !WORDS.includes(word));
}

Deno.test("the dashboard names no metric and no label that docs/metrics.md does not have", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/metrics.md", import.meta.url));
  const histograms = METRICS.filter(({ type }) => type === "histogram").map(({ name }) => name);
  const { panels } = await dashboard();
  for (const { title, targets } of panels) {
    assert(targets.length > 0, title);
    for (const { expr } of targets) {
      const metrics = metricsOf(expr).map((name) =>
        histograms.find((base) => [`${base}_bucket`, `${base}_sum`, `${base}_count`].includes(name)) ?? name
      );
      assert(metrics.length > 0, `${title}: ${expr} reads no metric`);
      for (const metric of metrics) assertStringIncludes(page, `| \`${metric}\` |`, `${title}: ${expr}`);
      const labels = metrics.flatMap((metric) => METRICS.find(({ name }) => name === metric)!.labels ?? []);
      const by = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names]) => names.split(/, */));
      assertEquals(by.filter((label) => !labels.includes(label)), [], `${title}: ${expr}`);
    }
  }
});

Deno.test("the dashboard shows what a broadcast network is judged by", async () => {
  const { panels } = await dashboard();
  const read = new Map(panels.map(({ title, targets }) => [title, targets.flatMap(({ expr }) => metricsOf(expr))]));
  const wanted = {
    "Coverage": ["p2p_broadcasts_reached_total", "p2p_broadcasts_began_total", "p2p_validators"],
    "Time to all": ["p2p_receipt_seconds_bucket"],
    "Sends by level": ["p2p_broadcast_sends_total"],
    "Queue drops": ["p2p_router_channel_queue_dropped_msgs"],
    "Peers": ["p2p_peers"],
  };
  for (const [title, metrics] of Object.entries(wanted)) {
    assertEquals(new Set(metrics).difference(new Set(read.get(title))), new Set(), title);
  }
});

Deno.test("the names that the parts of the monitoring know each other by are the same everywhere", async () => {
  const { uid } = await dashboard();
  assertStringIncludes(await Deno.readTextFile(new URL("../tilt/Tiltfile", k8s)), `/d/${uid}/`);
  assertStringIncludes(await read("datasources.yml"), "http://prometheus:9090");
  const [prometheus, grafana] = await Promise.all([read("prometheus.yaml"), read("grafana.yaml")]);
  assertStringIncludes(prometheus, "port: 9090");
  const path = "/var/lib/grafana-dashboards";
  assertStringIncludes(await read("dashboards.yml"), `path: ${path}`);
  assertStringIncludes(grafana, `mountPath: ${path}`);
});

Deno.test("overlay monitoring is overlay dev with Prometheus and Grafana, as strict as the rest", async () => {
  const [watched, dev] = await Promise.all([rendered("overlays/monitoring"), rendered("overlays/dev")]);
  if (watched === undefined || dev === undefined) {
    // Without kubectl: what is rendered from is there.
    assertStringIncludes(await Deno.readTextFile(new URL("overlays/monitoring/kustomization.yaml", k8s)), "../dev");
    return;
  }
  const names = (manifests: typeof dev) => new Set(manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
  assertEquals(names(dev).difference(names(watched)), new Set());
  for (const name of ["prometheus", "grafana"]) {
    const { metadata, spec } = find(watched, "Deployment", name);
    assertEquals(metadata.namespace, "raintree");
    assertEquals(metadata.labels?.["app.kubernetes.io/part-of"], "raintree");
    const pod = spec.template.spec;
    assertEquals([pod.securityContext.runAsNonRoot, pod.securityContext.seccompProfile.type], [true, "RuntimeDefault"]);
    const { securityContext, resources } = pod.containers[0];
    assertEquals(securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    assert(resources.limits.memory !== undefined);
    // The validators let nobody in whose label is another.
    const { "app.kubernetes.io/name": label } = spec.template.metadata.labels;
    assertEquals(label, name);
  }
  const { rules } = find(watched, "Role", "prometheus");
  assertEquals(rules, [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] }]);
});
