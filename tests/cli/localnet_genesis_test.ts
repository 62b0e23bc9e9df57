import { assertEquals, assertStringIncludes } from "@std/assert";
import { main } from "../../src/cli/main.ts";
import { FakeApiServer } from "../kubernetes/_fake_api_server.ts";
import { fakeIo } from "./fake_io.ts";

const MOD = new URL("../../mod.ts", import.meta.url).href;

/** Runs the command in a process of its own, with a kubeconfig of its own. */
async function genesis(kubeconfig: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const file = await Deno.makeTempFile({ prefix: "raintree-kubeconfig-" });
  try {
    await Deno.writeTextFile(file, kubeconfig);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", MOD, "localnet", "genesis", ...args],
      env: { KUBECONFIG: file, KUBERNETES_SERVICE_HOST: "", NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder();
    return { code, out: text.decode(stdout), err: text.decode(stderr) };
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("localnet genesis makes what is missing, says what it did, and does nothing the second time", async () => {
  await using server = new FakeApiServer();
  const first = await genesis(server.kubeconfig, "--max", "5");
  assertEquals(first, {
    code: 0,
    out: "Secret test/validator-keys created\nConfigMap test/genesis created\nSecret test/admin-token created\n" +
      "Genesis of namespace test has 5 validators\n",
    err: "",
  });
  assertEquals([...server.objects.keys()], ["secrets/validator-keys", "configmaps/genesis", "secrets/admin-token"]);
  for (const { metadata } of server.objects.values()) {
    assertEquals(metadata.labels, { "app.kubernetes.io/part-of": "raintree" });
  }
  const second = await genesis(server.kubeconfig, "--json");
  assertEquals([second.code, JSON.parse(second.out).validators], [0, 5]);
  assertEquals(JSON.parse(second.out).objects.map(({ created }: { created: boolean }) => created), [
    false,
    false,
    false,
  ]);
  assertEquals(server.asked.filter((asked) => asked.startsWith("POST")).length, 3);
});

Deno.test("localnet genesis twice at once ends well, and never shows a key", async () => {
  await using server = new FakeApiServer();
  const both = await Promise.all([genesis(server.kubeconfig), genesis(server.kubeconfig)]);
  assertEquals(both.map(({ code }) => code), [0, 0]);
  const keys = Object.values(server.objects.get("secrets/validator-keys")!.data!).map((text) => atob(text).trim());
  assertEquals(keys.length, 32);
  for (const { out, err } of both) assertEquals(keys.some((key) => (out + err).includes(key)), false);
});

Deno.test("localnet genesis tells who refuses, who is not there, and what is wrong on the command line", async () => {
  let kubeconfig: string;
  {
    await using server = new FakeApiServer();
    ({ kubeconfig } = server);
    server.refusal = 403;
    const refused = await genesis(kubeconfig);
    assertEquals(refused.code, 3);
    assertStringIncludes(refused.err, "Cannot read Secret validator-keys in namespace test: not now");
    assertStringIncludes(refused.err, "hint:");
  }
  const unreachable = await genesis(kubeconfig);
  assertEquals(unreachable.code, 1);
  assertStringIncludes(unreachable.err, "Cannot read Secret validator-keys");
  assertEquals((await genesis("{}")).code, 1);
  const malformed = await genesis("users: [{ name: x, user: { token: secret-token }\nclusters: []\n");
  assertEquals(malformed.code, 3);
  assertStringIncludes(malformed.err, "Cannot read the kubeconfig");
  assertEquals(malformed.err.includes("secret-token"), false);
  for (const args of [["--max", "0"], ["--namespace", "A_B"], ["more"]]) {
    const { io, err } = fakeIo();
    assertEquals(await main(["localnet", "genesis", ...args], io), 2);
    assertStringIncludes(err(), `deno run -A mod.ts localnet genesis --help`);
  }
});

Deno.test("localnet genesis has a help of its own", async () => {
  for (const args of [["localnet", "genesis", "--help"], ["help", "localnet", "genesis"]]) {
    const { io, out } = fakeIo();
    assertEquals(await main(args, io), 0);
    assertStringIncludes(out(), "deno run -A mod.ts localnet genesis --namespace raintree --max 100");
  }
});
