import { assertEquals } from "@std/assert";
import { configFlags, configValues } from "../../src/cli/config_flags.ts";
import { parseFlags } from "../../src/cli/flags.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { CONFIG_FIELDS, CONFIG_NAMES } from "../../src/module/config_fields.ts";
import { loadConfig } from "../../src/module/load_config.ts";

const key = NodeKey.fromSeed(new Uint8Array(32).fill(7));
const env = (name: string) => name === "P2P_PRIVATE_KEY" ? key.privateHex() : undefined;

Deno.test("configFlags() has a flag for every field but the secret one", () => {
  const names = configFlags().map((flag) => flag.name.replaceAll("-", "_"));
  assertEquals(names, CONFIG_NAMES.filter((name) => !CONFIG_FIELDS[name].secret));
});

Deno.test("configValues() brings what was given on the command line into the configuration", async () => {
  const peers = [1, 2, 3].map((port) => `tcp://${key.address}@h:${port}`);
  const args = ["--port", "7", "--is-client-only", "--mode=classic", "--persistent-peers", peers[0]];
  const parsed = parseFlags([...args, "--persistent-peers", `${peers[1]},${peers[2]}`], configFlags());
  const config = await loadConfig({ env, flags: configValues(parsed) });
  assertEquals([config.port, config.is_client_only, config.mode], [7, true, "classic"]);
  assertEquals(config.persistent_peers, peers);
});

Deno.test("configValues() of no flags changes nothing", async () => {
  const flags = configValues(parseFlags([], configFlags()));
  assertEquals(flags, {});
  assertEquals((await loadConfig({ env, flags })).port, CONFIG_FIELDS.port.fallback);
});

Deno.test("configValues() overrides a switch and a path of the file with false and with nothing", async () => {
  const yamlText = "is_client_only: true\nstore_path: peers.db\n";
  const flags = configValues(parseFlags(["--is-client-only=false", "--store-path", ""], configFlags()));
  const config = await loadConfig({ yamlText, env, flags });
  assertEquals([config.is_client_only, config.store_path], [false, ""]);
  const emptied = (name: string) => name === "P2P_STORE_PATH" || name === "P2P_PORT" ? "" : env(name);
  const { store_path, port } = await loadConfig({ yamlText: `${yamlText}port: 7`, env: emptied });
  assertEquals([store_path, port], ["", 7]);
});
