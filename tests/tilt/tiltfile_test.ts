import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ASSERTION_NAMES, FAULT_CASES, FAULT_KINDS } from "../../src/localnet/manifest.ts";
import { find, resources } from "../k8s/manifests.ts";

const root = new URL("../../", import.meta.url);
const text = await Deno.readTextFile(new URL("tilt/Tiltfile", root));

/** What a pattern's group finds, each time. */
const all = (pattern: RegExp): string[] => [...text.matchAll(pattern)].map((match) => match[1]);

Deno.test("the Tiltfile of the root is that of tilt/", async () => {
  assertEquals(await Deno.readTextFile(new URL("Tiltfile", root)), 'include("./tilt/Tiltfile")\n');
});

Deno.test("the Tiltfile has a resource for every assertion, and a button for every fault", () => {
  const named = [
    ...all(/^assertion\("([\w-]+)"/gm),
    ...all(/^quick = \[(.*)\]$/gm)[0].split(", ").map((name) => JSON.parse(name)),
  ];
  assertEquals(new Set(named), new Set(ASSERTION_NAMES));
  assertEquals(new Set(all(/^ +fault_button\("(\w+)"/gm)), new Set(FAULT_KINDS));
  assertEquals(JSON.parse(all(/^FAULT_CASES = (\[.*\])$/gm)[0]), [...FAULT_CASES]);
});

Deno.test("the Tiltfile names objects, image, ports and files as k8s/ and the Dockerfile have them", async () => {
  const base = await resources("base");
  for (const [, kind, name] of text.matchAll(/is_a\(object, "(\w+)", "([\w-]+)"\)/g)) find(base, kind, name);
  const { containers } = find(base, "StatefulSet", "validator").spec.template.spec;
  const [image] = all(/^image = "(.*)"$/gm);
  assert(containers[0].image.startsWith(`${image}:`));
  const admin = containers[0].ports.find((port: { name: string }) => port.name === "admin").containerPort;
  assertStringIncludes(text, `port_forward(port, ${admin}, `);
  assertStringIncludes(await Deno.readTextFile(new URL("k8s/image/Dockerfile", root)), "WORKDIR /app");
  assertStringIncludes(text, '"/app/src"');
  const parts: string[] = JSON.parse(all(/^parts = (\[.*\])$/gm)[0]);
  for (const part of parts) await Deno.stat(new URL(part, root));
  const dockerfile = await Deno.readTextFile(new URL("k8s/image/Dockerfile", root));
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, paths]) => paths.split(" "));
  assertEquals(new Set(copied), new Set(parts.filter((part) => part !== "k8s/image")));
});
