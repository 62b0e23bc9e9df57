import { assert, assertEquals, assertGreaterOrEqual, assertStringIncludes } from "@std/assert";
import { loadConfig } from "../../src/module/load_config.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { files, find, type Manifest, resources } from "./manifests.ts";

const base = await resources("base");
const labels = { partOf: "app.kubernetes.io/part-of", component: "app.kubernetes.io/component" };
const withPods = (manifests: Manifest[]) => manifests.filter(({ spec }) => spec?.template?.spec !== undefined);
const validator = find(base, "StatefulSet", "validator").spec;
const [node] = validator.template.spec.containers;

Deno.test("k8s/base has the objects under the names that everything else relies on", () => {
  assertEquals(base.map(({ kind, metadata }) => `${kind}/${metadata.name}`).sort(), [
    "ConfigMap/node",
    "Job/genesis",
    "Namespace/raintree",
    "NetworkPolicy/client",
    "NetworkPolicy/default-deny",
    "NetworkPolicy/names-and-api",
    "NetworkPolicy/validator",
    "PodDisruptionBudget/validator",
    "Role/client",
    "Role/genesis",
    "Role/validator",
    "RoleBinding/client",
    "RoleBinding/genesis",
    "RoleBinding/validator",
    "Service/validators",
    "ServiceAccount/client",
    "ServiceAccount/genesis",
    "ServiceAccount/validator",
    "StatefulSet/validator",
  ]);
  for (const { kind, metadata } of base) {
    assertEquals(metadata.labels?.[labels.partOf], "raintree", `${kind}/${metadata.name}`);
    assertEquals(metadata.namespace, undefined, "the kustomization says it, once");
  }
});

Deno.test("k8s/ holds no Secret and nothing that could be a key", async () => {
  for (const [path, text] of await files()) {
    assert(!/^kind: Secret$/m.test(text), `${path} holds a Secret`);
    assert(!/\b[0-9a-f]{64}\b/i.test(text) && !text.includes("PRIVATE KEY"), `${path} holds what looks like a key`);
  }
});

Deno.test("every pod keeps to the restricted standard, reads only, says what it needs, and has no permission too many", async () => {
  for (const { kind, metadata, spec } of withPods([...base, ...await resources("components/assertions")])) {
    const at = `${kind}/${metadata.name}`;
    const pod = spec.template.spec;
    assertEquals(pod.securityContext.runAsNonRoot, true, at);
    assertGreaterOrEqual(pod.securityContext.runAsUser, 1000, at);
    assertEquals(pod.securityContext.seccompProfile, { type: "RuntimeDefault" }, at);
    assertEquals(pod.enableServiceLinks, false, `${at}: variables of services are not P2P_* of somebody's choice`);
    for (const name of ["hostNetwork", "hostPID", "hostIPC"]) assertEquals(pod[name], undefined, at);
    for (const volume of pod.volumes ?? []) assertEquals(volume.hostPath, undefined, at);
    for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
      assertEquals(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      }, at);
      assertEquals(container.image, "localhost/raintree:dev", at);
      assertEquals(container.imagePullPolicy, "IfNotPresent", at);
      for (const need of [container.resources.requests.cpu, container.resources.requests.memory]) assert(need, at);
      assert(container.resources.limits.memory, at);
      const permissions = container.args.slice(0, container.args.indexOf("mod.ts"));
      assertEquals(
        permissions.map((arg: string) => arg.split("=")[0]),
        ["--allow-net", "--allow-env", "--allow-read"],
        at,
      );
    }
    assertEquals(
      base.filter((other) => other.kind === "ServiceAccount" && other.metadata.name === pod.serviceAccountName).length,
      1,
    );
  }
});

Deno.test("the roles of k8s/base allow what each part does, by name where that is possible, and nothing else", () => {
  const rules = Object.fromEntries(
    base.filter(({ kind }) => kind === "Role").map(({ metadata, rules }) => [
      metadata.name,
      rules.map(({ resources, resourceNames = ["*"], verbs }) => `${verbs} ${resources} ${resourceNames}`),
    ]),
  );
  assertEquals(rules.validator, ["get,list,watch endpointslices *"]);
  assertEquals(rules.genesis, [
    "create secrets *",
    "get secrets validator-keys,admin-token",
    "create configmaps *",
    "get configmaps genesis",
  ]);
  for (const rule of rules.client) assert(!rule.includes("validator-keys") && !rule.includes("secrets *"), rule);
});

Deno.test("the ConfigMap and the environment of a validator are a configuration that a node takes", async () => {
  const { data } = find(base, "ConfigMap", "node");
  const pod: Record<string, string> = { POD_NAME: "validator-3", POD_NAMESPACE: "raintree" };
  for (const { name, value } of node.env) {
    if (value) {
      pod[name] = value.replaceAll(/\$\((\w+)\)/g, (_: string, key: string) => pod[key]);
    }
  }
  const env: Record<string, string> = { ...data, ...pod };
  // What the pod finds in mounted files is not here.
  delete env.P2P_PRIVATE_KEY_FILE;
  delete env.P2P_ADMIN_TOKEN_FILE;
  const asked = new Set<string>();
  const config = await loadConfig({
    env: (name) => (asked.add(name), name === "P2P_PRIVATE_KEY" ? NodeKey.generate().privateHex() : env[name]),
  });
  const unknown = Object.keys({ ...data, ...env }).filter((name) => name.startsWith("P2P_") && !asked.has(name));
  assertEquals(unknown, [], "variables that no node looks up");
  assertEquals(config.hostname, "validator-3.validators.raintree.svc.cluster.local");
  const ports = { p2p: config.port, admin: Number(config.admin_port) };
  assertEquals(ports, { p2p: 42069, admin: 8080 });
  assertEquals(
    Object.fromEntries(
      node.ports.map((port: { name: string; containerPort: number }) => [port.name, port.containerPort]),
    ),
    ports,
  );
  const service = find(base, "Service", "validators").spec;
  assertEquals(
    Object.fromEntries(service.ports.map((port: { name: string; port: number }) => [port.name, port.port])),
    ports,
  );
});

Deno.test("a validator mounts the file that each path of its configuration names, and of the keys only its own", () => {
  const { data } = find(base, "ConfigMap", "node");
  const mounts: { name: string; mountPath: string; subPath?: string; subPathExpr?: string; readOnly: boolean }[] =
    node.volumeMounts;
  const at = (path: string) => mounts.filter(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`));
  for (const name of Object.keys(data).filter((name) => name.endsWith("_FILE"))) {
    assertEquals(at(data[name]).length, 1, `${name}=${data[name]}`);
    const allowed = node.args.find((arg: string) => arg.startsWith("--allow-read=")).slice("--allow-read=".length)
      .split(",");
    assert(allowed.some((folder: string) => data[name].startsWith(`${folder}/`)), `${data[name]} may not be read`);
  }
  for (const { mountPath, readOnly } of mounts) assertEquals(readOnly, true, mountPath);
  assertEquals(at(data.P2P_PRIVATE_KEY_FILE)[0].subPathExpr, "$(POD_NAME).key");
  assertEquals(mounts.filter(({ name }) => name === "validator-keys").length, 1);
});

Deno.test("validators start at once, find each other before they are ready, and outlive 10 s of silence", () => {
  assertEquals(validator.podManagementPolicy, "Parallel");
  assertEquals(validator.serviceName, "validators");
  const service = find(base, "Service", "validators").spec;
  assertEquals([service.clusterIP, service.publishNotReadyAddresses], ["None", true]);
  assertEquals(validator.template.spec.shareProcessNamespace, true);
  assertEquals(node.name, "node");
  const { livenessProbe, readinessProbe, startupProbe } = node;
  assertEquals([livenessProbe, readinessProbe, startupProbe].map(({ httpGet }) => httpGet.path), [
    "/livez",
    "/readyz",
    "/livez",
  ]);
  assertGreaterOrEqual(livenessProbe.periodSeconds * livenessProbe.failureThreshold, 30);
  const grace = validator.template.spec.terminationGracePeriodSeconds;
  assertGreaterOrEqual(grace - node.lifecycle.preStop.sleep.seconds, 10, "a node ends within 10 s of SIGTERM");
});

Deno.test("selectors of k8s/base select pods that are there", () => {
  const pods = withPods(base).map(({ spec }) => spec.template.metadata.labels as Record<string, string>);
  const selects = (match: Record<string, string>) =>
    pods.some((pod) => Object.entries(match).every(([key, value]) => pod[key] === value));
  for (const { kind, metadata, spec } of base) {
    if (kind === "Service") assert(selects(spec.selector), metadata.name);
    if (kind === "PodDisruptionBudget" || kind === "StatefulSet") {
      assert(selects(spec.selector.matchLabels), metadata.name);
    }
  }
  const policies = base.filter(({ kind }) => kind === "NetworkPolicy");
  const everything = policies.find(({ metadata }) => metadata.name === "default-deny");
  assertEquals(everything?.spec, { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
  const named = policies.flatMap(({ spec }) => [...(spec.ingress ?? []), ...(spec.egress ?? [])]).flatMap(({ ports }) =>
    ports
  )
    .map(({ port }) => port).filter((port) => typeof port === "string");
  for (const name of named) assert(node.ports.some((port: { name: string }) => port.name === name), name);
});

Deno.test("the image is built from one file, on a base that can be chosen, for whoever is not root", async () => {
  const dockerfile = await Deno.readTextFile(new URL("../../k8s/image/Dockerfile", import.meta.url));
  assertStringIncludes(dockerfile, "ARG BASE=denoland/deno:2.9.6");
  assertEquals([...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image), ["${BASE}", "${BASE}"]);
  assertEquals(dockerfile.match(/^USER (.*)$/m)?.[1], `${validator.template.spec.securityContext.runAsUser}:65532`);
  assertStringIncludes(dockerfile, '"--cached-only"');
  // What is copied has to pass the list of what the build may see.
  const ignore = await Deno.readTextFile(new URL("../../.dockerignore", import.meta.url));
  const seen = ignore.split("\n").filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, names]) => names.split(" "));
  assertEquals(copied.toSorted(), seen.toSorted());
});
