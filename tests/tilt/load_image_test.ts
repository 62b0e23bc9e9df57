import { assertEquals, assertStringIncludes } from "@std/assert";

const root = new URL("../../", import.meta.url).pathname;

interface Run {
  code: number;
  stderr: string;
  /** The programs that were called, with their arguments. */
  calls: string[];
}

/** Runs the script with programs in place of the real ones that note how they are called; `failing` is one that fails. */
async function run(context: string, env: Record<string, string>, failing = ""): Promise<Run> {
  const folder = await Deno.makeTempDir();
  try {
    const log = `${folder}/log`;
    await Deno.writeTextFile(log, "");
    for (const name of ["docker", "k3d", "buildah", "kube"]) {
      const script = `#!/bin/sh\nline="${name} $*"\necho "$line" >>"$LOG"\ncase $line in "$FAILING"*) exit 1 ;; esac\n`;
      await Deno.writeTextFile(`${folder}/${name}`, script, { mode: 0o755 });
    }
    const { code, stderr } = await new Deno.Command("sh", {
      args: [`${root}tilt/load_image.sh`, context],
      cwd: root,
      env: { PATH: `${folder}:/usr/bin:/bin`, LOG: log, FAILING: failing || "none", TMPDIR: folder, ...env },
      clearEnv: true,
    }).output();
    const calls = (await Deno.readTextFile(log)).trimEnd().replaceAll(folder, "TMP").replaceAll(
      /TMP\/tmp\.\w+\/image\.tar/g,
      "FILE",
    );
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.startsWith("tmp."));
    assertEquals(left, [], "a temporary file is left");
    return { code, stderr: new TextDecoder().decode(stderr), calls: calls === "" ? [] : calls.split("\n") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const EXPECTED_REF = "localhost/raintree:tilt-build-1";
const build = "docker build --file k8s/image/Dockerfile --tag";

Deno.test("load_image.sh brings the image into devkube without registry and Docker, under the name that Tilt wants", async () => {
  const { code, calls } = await run("devkube", { EXPECTED_REF });
  assertEquals(code, 0);
  assertEquals(calls.map((call) => call.split(" ").slice(0, 2).join(" ")), [
    "buildah inspect",
    "buildah build",
    "buildah push",
    "kube load",
  ]);
  assertStringIncludes(calls[1], "--build-arg BASE=localhost/deno:2.9.6");
  assertStringIncludes(calls[1], "--file k8s/image/Dockerfile --tag localhost/raintree:tilt .");
  assertEquals(calls[2], `buildah push --quiet localhost/raintree:tilt docker-archive:FILE:${EXPECTED_REF}`);
  assertEquals(calls[3], "kube load FILE");
});

Deno.test("load_image.sh makes the base image where devkube has none, with the program that is named", async () => {
  const { calls } = await run("devkube", { EXPECTED_REF, RAINTREE_KUBE: "kube" }, "buildah inspect");
  assertEquals(calls[1], "kube base localhost/deno:2.9.6");
});

Deno.test("load_image.sh imports into k3d, or pushes where k3d has a registry", async () => {
  assertEquals((await run("k3d-dev", { EXPECTED_REF })).calls, [
    `${build} ${EXPECTED_REF} .`,
    `k3d image import --cluster dev ${EXPECTED_REF}`,
  ]);
  const ref = "registry:5000/raintree:tilt-build-1";
  assertEquals((await run("k3d-dev", { EXPECTED_REF: ref, EXPECTED_REGISTRY: "registry:5000" })).calls, [
    `${build} ${ref} .`,
    `docker push ${ref}`,
  ]);
});

Deno.test("load_image.sh fails when a step fails, without a name, and for a context that it does not know", async () => {
  const failed = await run("devkube", { EXPECTED_REF }, "buildah build");
  assertEquals([failed.code === 0, failed.calls.length], [false, 2]);
  const unnamed = await run("devkube", {});
  assertEquals([unnamed.code === 0, unnamed.calls], [false, []]);
  assertStringIncludes(unnamed.stderr, "EXPECTED_REF");
  const unknown = await run("production", { EXPECTED_REF });
  assertEquals([unknown.code, unknown.calls], [1, []]);
  assertStringIncludes(unknown.stderr, "production");
});
