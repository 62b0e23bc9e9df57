import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "../../src/cli/main.ts";
import { fakeIo } from "./fake_io.ts";

const MOD = new URL("../../mod.ts", import.meta.url).href;
const EXAMPLE = new URL("../../examples/localnet/minimal.yaml", import.meta.url).pathname;
const ignore = Deno.build.os === "windows";

/** Runs `localnet` in this process. */
async function localnet(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { io, out, err } = fakeIo();
  const code = await main(["localnet", ...args], io);
  return { code, out: out(), err: err() };
}

async function place() {
  const root = await Deno.makeTempDir({ prefix: "raintree-localnet-" });
  return { root, state: `${root}/state`, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}

for (const backend of ["process", "memory"]) {
  Deno.test(`localnet does on back end ${backend} what its JSON says, with the fields that others rely on`, {
    ignore,
  }, async () => {
    await using kept = await place();
    const common = ["-f", EXAMPLE, "--backend", backend, "--state", kept.state];
    const json = [...common, "--json"];
    const none = await localnet("status", ...json);
    assertEquals([none.code, JSON.parse(none.out)], [1, { name: "minimal", backend, ready: false, nodes: [] }]);
    try {
      assertEquals((await localnet("up", ...common)).code, 0);
      const { code, out } = await localnet("status", ...json);
      const status = JSON.parse(out);
      assertEquals([code, status.name, status.backend, status.ready], [0, "minimal", backend, true]);
      assertEquals(Object.keys(status), ["name", "backend", "ready", "nodes"]);
      assertEquals(status.nodes.length, 4);
      assertEquals(Object.keys(status.nodes[0]), ["name", "address", "role", "ready", "height", "peers"]);

      // Who does not say where it runs finds it, who is wrong is told.
      const found = await localnet("status", "-f", EXAMPLE, "--state", kept.state, "--json");
      assertEquals([found.code, JSON.parse(found.out).backend], [0, backend]);
      const other = backend === "memory" ? "process" : "memory";
      const refused = await localnet("down", "-f", EXAMPLE, "--state", kept.state, "--backend", other);
      assertEquals(refused.code, 2);
      assertStringIncludes(refused.err, `is up on back end ${backend}, not ${other}`);

      const asserted = await localnet("assert", ...json);
      const report = JSON.parse(asserted.out);
      assertEquals([asserted.code, report.ok, Object.keys(report)], [0, true, ["ok", "assertions"]]);
      const names = ["ready", "broadcast-each", "broadcast-any", "requests"];
      assertEquals(report.assertions.map(({ name }: { name: string }) => name), names);
      for (const each of report.assertions) {
        assertEquals(Object.keys(each), ["name", "ok", "detail", "evidence", "elapsedMs"]);
      }

      assertEquals((await localnet("fault", "kill", "validator-2", ...common)).code, 0);
      assertEquals((await localnet("status", ...common)).code, 1);
      const failed = await localnet("assert", "ready", ...common);
      assertEquals(failed.code, 1);
      assertStringIncludes(failed.out, "failed: 0 of 1 assertion holds");
      assertEquals((await localnet("up", ...common)).code, 0);
      assertEquals((await localnet("assert", "ready", "broadcast-any", ...common)).code, 0);
      assertMatch((await localnet("logs", "validator-0", "--lines", "1", ...common)).out, /^validator-0 {2}.+\n$/);
    } finally {
      const down = await localnet("down", ...json);
      assertEquals([down.code, JSON.parse(down.out)], [0, { name: "minimal", backend, ended: 4 }]);
    }
    assertEquals(await localnet("down", ...common), { code: 0, out: "Network minimal was not up\n", err: "" });
    assertEquals(await Array.fromAsync(Deno.readDir(kept.root)), []);
  });
}

Deno.test("localnet up that gets Ctrl-C in the middle ends with 130 and leaves nothing", { ignore }, async () => {
  for (const backend of ["process", "memory"]) {
    await using kept = await place();
    const args = ["-f", EXAMPLE, "--backend", backend, "--state", kept.state];
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", MOD, "localnet", "up", ...args],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const output = child.output();
    // Processes are started as soon as the state is there.
    for await (const { paths } of Deno.watchFs(kept.root, { recursive: true })) {
      if (paths.some((path) => path.includes("state.json"))) break;
    }
    child.kill("SIGINT");
    const { code, stderr } = await output;
    assertEquals(code, 130, new TextDecoder().decode(stderr));
    assertEquals(await Array.fromAsync(Deno.readDir(kept.root)), []);
  }
});

Deno.test("localnet down ends what an up that was killed has left", { ignore }, async () => {
  await using kept = await place();
  const common = ["-f", EXAMPLE, "--state", kept.state];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MOD, "localnet", "up", ...common],
    stdout: "null",
    stderr: "null",
  }).spawn();
  for await (const { paths } of Deno.watchFs(kept.root, { recursive: true })) {
    if (paths.some((path) => path.endsWith("/pids/validator-3"))) break;
  }
  child.kill("SIGKILL");
  await child.status;
  assertEquals((await localnet("down", ...common)).code, 0);
  assertEquals(await Array.fromAsync(Deno.readDir(kept.root)), []);
});

Deno.test("localnet refuses what it cannot do before it starts anything", async () => {
  await using kept = await place();
  const manifest = `${kept.root}/localnet.yaml`;
  await Deno.writeTextFile(manifest, "validators: 0\nfullNodes: 3\n");
  const cases: [string[], number, string][] = [
    [[], 2, "takes one of up, status, assert, fault, logs, down, genesis"],
    [["upp"], 2, 'not "upp"'],
    [["up", "now"], 2, 'Unexpected argument "now"'],
    [["up", "--backend", "docker"], 2, '"process", "memory"'],
    [["up", "-f", manifest], 2, "fullNodes: is reserved"],
    [["up", "-f", `${kept.root}/none.yaml`], 3, "Cannot read manifest"],
    [["fault", "explode", "-f", EXAMPLE], 2, 'not "explode"'],
    [["fault", "timeline", "-f", EXAMPLE], 2, "has no faults"],
    [["fault", "scale", "9", "-f", EXAMPLE], 1, "is not up"],
    [["fault", "scale", "9", "10", "-f", EXAMPLE], 2, 'Unexpected argument "10"'],
    [["assert", "everything", "-f", EXAMPLE], 2, 'no assertion "everything"'],
    [["assert", "-f", EXAMPLE], 1, "is not up"],
    [["logs", "-f", EXAMPLE], 1, "is not up"],
  ];
  for (const [args, wanted, message] of cases) {
    const { code, err } = await localnet(...args, "--state", kept.state);
    assertEquals([code, args], [wanted, args], err);
    assertStringIncludes(err, message);
  }
  assert((await localnet("--help")).out.includes("localnet up|status|assert|fault|logs|down"));
  assertEquals([...Deno.readDirSync(kept.root)].map(({ name }) => name), ["localnet.yaml"]);
});

Deno.test("localnet says which permission it lacks", async () => {
  const cases: [string[], string[], string][] = [
    [[], [], 'error: Requires read access to "localnet.yaml"'],
    [[], ["-f", EXAMPLE], `Cannot read manifest "${EXAMPLE}": Requires read access`],
    [["--allow-read"], ["-f", EXAMPLE], `Cannot read manifest "${EXAMPLE}": Requires env access`],
  ];
  for (const [permissions, flags, message] of cases) {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", ...permissions, MOD, "localnet", "up", ...flags],
      env: { NO_COLOR: "1" },
    }).output();
    const err = new TextDecoder().decode(stderr);
    assertEquals([code, permissions], [3, permissions], err);
    assertStringIncludes(err, message);
    assertStringIncludes(err, "hint: Run deno with -A");
  }
});

Deno.test("localnet --backend kubernetes says that there is no cluster", async () => {
  await using kept = await place();
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MOD, "localnet", "up", "--backend", "kubernetes", "-f", EXAMPLE, "--state", kept.state],
    env: { KUBECONFIG: `${kept.root}/none` },
  }).output();
  assertEquals(code, 3);
  assertStringIncludes(new TextDecoder().decode(stderr), "Cannot read the kubeconfig");
});
