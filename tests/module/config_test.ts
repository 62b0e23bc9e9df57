import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { ConfigError } from "../../src/module/config_error.ts";
import { CONFIG_FIELDS, CONFIG_NAMES, envName } from "../../src/module/config_fields.ts";
import { type ConfigSources, loadConfig, parseConfig } from "../../src/module/load_config.ts";

const SEED = "07".repeat(32);
const key = NodeKey.fromPrivateHex(SEED);
const PEER = `tcp://${key.address}@peer.example:42069`;

/** A key, and whatever else is given. */
function yaml(lines = ""): string {
  return `private_key: "${SEED}"\n${lines}`;
}

async function problems(sources: ConfigSources): Promise<string[]> {
  const error = await assertRejects(() => loadConfig(sources), ConfigError);
  assertEquals(error.code, "config_invalid");
  return error.problems.map(({ path, message }) => `${path}: ${message}`);
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("loadConfig() needs a key and nothing else", async () => {
  const config = await loadConfig({ yamlText: yaml() });
  assertEquals(config.private_key.address, key.address);
  for (const name of CONFIG_NAMES) {
    if (name !== "private_key") assertEquals(config[name], CONFIG_FIELDS[name].fallback as unknown, name);
  }
});

Deno.test("loadConfig() lets the environment override the file, and flags override both", async () => {
  const env: Record<string, string> = { P2P_PORT: "2", P2P_MODE: "classic", P2P_NETWORK: "", P2P_IS_CLIENT_ONLY: "1" };
  const config = await loadConfig({
    yamlText: yaml("port: 1\nnetwork: chain-1\nmax_inbound: 5"),
    env: (name) => env[name],
    flags: { mode: "exact", port: "3", persistent_peers: [PEER, `${PEER},${PEER}`] },
  });
  assertEquals(
    [config.port, config.mode, config.network, config.max_inbound, config.is_client_only],
    [3, "exact", "chain-1", 5, true],
  );
  assertEquals(config.persistent_peers, [PEER, PEER, PEER]);
});

Deno.test("loadConfig() reads lists as YAML lists and as text with commas", async () => {
  const urls = ["http://a.example:1", "https://b.example:2"];
  for (const lines of [`bootstrap_nodes_csv: " ${urls.join(" , ")} "`, `bootstrap_nodes_csv: [${urls.join(", ")}]`]) {
    assertEquals((await loadConfig({ yamlText: yaml(lines) })).bootstrap_nodes_csv, urls);
  }
});

Deno.test("loadConfig() reports every wrong field of every source at once, each with its path", async () => {
  const env: Record<string, string> = { P2P_PORT: "tcp://10.0.0.1:9000", P2P_QUEUE: "lifo" };
  const found = await problems({
    yamlText: `
private_key: abc
prot: 42069
port: 99999
hostname: "not a host"
max_nonces: "1000"
mode: exat
is_client_only: sometimes
advertise: example.org
handshake_timeout_ms: 1.5
network:
bootstrap_nodes_csv: "http://ok.example:1, ftp://no.example:2"
persistent_peers:
  - ${PEER}
  - 7
  - tcp://nobody@example.org:1
`,
    env: (name) => env[name],
    flags: { listen_host: "::g", max_outbound: "-1" },
  });
  const expected = [
    "private_key: Private key has 3 characters, it takes 64 or 128 hex digits",
    'prot: is not a field; did you mean "port"?',
    "port: is 99999, it takes a whole number from 0 to 65535",
    'hostname: is "not a host", it takes a DNS name',
    'max_nonces: is "1000", it takes a whole number',
    'mode: is "exat", it takes "exact" or "classic"; did you mean "exact"?',
    'is_client_only: is "sometimes", it takes true or false',
    'advertise: Service URL "example.org" is not host:port',
    "handshake_timeout_ms: is 1.5, it takes a whole number",
    "network: is empty, it takes text",
    'bootstrap_nodes_csv[1]: is "ftp://no.example:2", it takes http(s)://host:port',
    "persistent_peers[1]: is 7, it takes text",
    'persistent_peers[2]: Node address "tcp://nobody@example.org:1"',
    'env P2P_PORT: is "tcp://10.0.0.1:9000", it takes a whole number',
    'env P2P_QUEUE: is "lifo", it takes "fifo" or "priority" or "wdrr"',
    '--listen-host: is "::g", it takes a DNS name',
    "--max-outbound: is -1, it takes a whole number from 0",
  ];
  assertEquals(found.length, expected.length, found.join("\n"));
  for (const [i, start] of expected.entries()) assertEquals(found[i].slice(0, start.length), start);
});

Deno.test("loadConfig() reports a missing key, two keys, and a key file that cannot be read", async () => {
  assertEquals(await problems({}), ["private_key: is missing, give it or private_key_file"]);
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/good`, `${SEED}\n`);
    await Deno.writeTextFile(`${folder}/bad`, "not a key");
    const file = (name: string) => ({ flags: { private_key_file: `${folder}/${name}` } });
    assertEquals((await loadConfig(file("good"))).private_key.address, key.address);
    assertStringIncludes(
      (await problems({ ...file("good"), yamlText: yaml() })).join(),
      "private_key_file: is given beside",
    );
    const unreadable = await assertRejects(() => loadConfig(file("none")), P2pError, "Cannot read key file");
    assertEquals(unreadable.code, "key_file_unreadable");
    assertEquals((await problems({ ...file("none"), yamlText: "port: x" })).length, 2);
    assertStringIncludes((await problems(file("bad"))).join(), "64 or 128 hex digits");
  });
});

Deno.test("loadConfig() tells the line of what is not YAML, and the file that cannot be read", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/bad.yaml`, yaml("port: [1\nmode: exact\n"));
    const [problem] = await problems({ file: `${folder}/bad.yaml` });
    assert(/bad\.yaml:[34]:\d+: is not YAML: /.test(problem), problem);
    await Deno.writeTextFile(`${folder}/list.yaml`, "- 1\n");
    assertStringIncludes((await problems({ file: `${folder}/list.yaml` }))[0], "list.yaml: is not a list of fields");
    const unreadable = await assertRejects(() => loadConfig({ file: `${folder}/none` }), P2pError);
    assertEquals(unreadable.code, "config_unreadable");
  });
});

Deno.test("loadConfig() never shows the private key, whatever is wrong with it", async () => {
  const wrong = [
    `private_key: "${SEED}00"`,
    `private_key: ${"12".repeat(32)}`,
    `private_key: "${SEED}\nport: 1`,
    `private_key: [${SEED}]`,
    `private_key: {${SEED}: 1`,
    `private_key: "${SEED}"\nprivate_key: "${SEED}"`,
    `private_key: "${SEED}"\nport: x`,
    `private_key: *${SEED}`,
    `"${SEED}"`,
  ];
  for (const yamlText of wrong) {
    const error = await assertRejects(() => loadConfig({ yamlText }), ConfigError);
    const shown = Deno.inspect(error) + error.message + JSON.stringify(error.problems);
    for (const part of [SEED.slice(0, 16), "12".repeat(8)]) assert(!shown.includes(part), `shown: ${shown}`);
  }
  const config = await loadConfig({ yamlText: yaml() });
  assert(!Deno.inspect(config).includes(SEED) && !JSON.stringify(config).includes(SEED));
});

Deno.test("parseConfig() checks what a program made, and takes a NodeKey as it is", () => {
  const config = parseConfig({ private_key: key, port: 0, persistent_peers: [PEER], network: undefined });
  assertEquals([config.private_key, config.port, config.network], [key, 0, "local"]);
  assertEquals(parseConfig({ private_key: SEED }).private_key.address, key.address);
  assertEquals(parseConfig({ private_key: key, connection_type: "empty" }).connection_type, "memory");
  const error = assertThrows(() => parseConfig({ port: 70000 }), ConfigError);
  assertEquals(error.problems.map(({ path }) => path), ["port", "private_key"]);
  assertThrows(() => parseConfig({ private_key_file: "node.key" }), ConfigError, "give `await readKeyFile(path)`");
  assertThrows(() => parseConfig(null as never), ConfigError, "is not a list of fields");
});

Deno.test("parseConfig() reads hosts and ports as the network has them", () => {
  const good = {
    hostname: ["a", "a.example.org", "a.example.", "10.0.0.255", "::1", "2001:db8::7"],
    advertise: ["[::1]:1", "a.b:65535", ""],
  };
  const bad = {
    hostname: ["", "a b", "a..b", "-a", "1.2.3", "1.2.3.256", "1.2.3.4.5", "a:1", "[::1]", `${"a".repeat(64)}.org`],
    advertise: ["a", "a:0", "a:65536", "::1:1", ":1", "a:"],
  };
  for (const name of ["hostname", "advertise"] as const) {
    for (const value of good[name]) assertEquals(parseConfig({ private_key: key, [name]: value })[name], value);
    for (const value of bad[name]) {
      const error = assertThrows(() => parseConfig({ private_key: key, [name]: value }), ConfigError, undefined, value);
      assertEquals(error.problems.length, 1);
    }
  }
});

Deno.test("parseConfig() returns or throws ConfigError, whatever the fields hold", () => {
  fc.assert(
    fc.property(fc.constantFrom(...CONFIG_NAMES), fc.anything(), (name, value) => {
      try {
        parseConfig({ private_key: key, [name]: value });
      } catch (error) {
        assertInstanceOf(error, ConfigError);
        for (const { path } of error.problems) assert(path.startsWith(name), path);
      }
    }),
    { seed: 42, numRuns: 2000 },
  );
});

Deno.test("CONFIG_FIELDS has defaults that its own checks accept, and a sentence for each", () => {
  for (const name of CONFIG_NAMES) {
    const { fallback, kind, doc } = CONFIG_FIELDS[name];
    assert(doc.length > 10 && !doc.endsWith("."), name);
    assertEquals(envName(name), `P2P_${name.toUpperCase()}`);
    if (fallback === undefined || fallback === "") continue;
    const read = kind.read(fallback, (message) => {
      throw new Error(`${name}: ${message}`);
    });
    assertEquals<unknown>(read, fallback);
  }
});
