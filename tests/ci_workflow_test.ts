import { parse } from "@std/yaml";
import { assert, assertEquals, assertMatch } from "@std/assert";

interface Step {
  uses?: string;
  run?: string;
}

const file = new URL("../.github/workflows/ci.yml", import.meta.url);
const root = new URL("../", import.meta.url);
const text = await Deno.readTextFile(file);
const workflow = parse(text) as {
  permissions: unknown;
  jobs: Record<string, { steps: Step[]; "timeout-minutes": number }>;
};
const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);
const commands = steps.map(({ run }) => run ?? "").join("\n");

Deno.test("the workflow pins every action by its commit, may read only, and ends by itself", () => {
  const lines = text.split("\n").filter((line) => line.includes("uses:"));
  assertEquals(lines.length, steps.filter(({ uses }) => uses !== undefined).length);
  for (const line of lines) assertMatch(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  assertEquals(workflow.permissions, { contents: "read" });
  for (const [name, job] of Object.entries(workflow.jobs)) assert(job["timeout-minutes"] <= 60, name);
});

Deno.test("the workflow names tasks and files that are there, and no host to get anything from", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  for (const [, task] of commands.matchAll(/deno task (\S+)/g)) assert(task in tasks, `there is no task ${task}`);
  const paths = [...commands.matchAll(/(?:--file|-f|-k|test|--ignore=)[ "]*((?:examples|k8s|tests)\/[\w./-]+)/g)].map((
    [, path],
  ) => path);
  assert(paths.length >= 5);
  for (const path of paths) if (!path.endsWith("/")) await Deno.stat(new URL(path, root));
  assertEquals(text.replaceAll("app.kubernetes.io", "").match(/https?:|\.io\b|\.com\b|\.org\b/g), null);
});

Deno.test("the workflow runs with the version of Deno that .ci/run has, and all four kinds of tests", async () => {
  const [, version] = /deno@([\d.]+)/.exec(await Deno.readTextFile(new URL(".ci/run", root)))!;
  const versions = [...text.matchAll(/deno-version: ([\d.]+)/g)].map((match) => match[1]);
  assertEquals(new Set(versions), new Set([version]));
  for (const what of ["deno task check", "tests/interop", "localnet assert", "deno task test:cluster", "tilt ci"]) {
    assert(commands.includes(what), what);
  }
});
