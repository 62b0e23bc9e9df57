import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { ConfigError } from "../../src/module/config_error.ts";
import { loadConfig, parseConfig } from "../../src/module/load_config.ts";
import { P2PModule } from "../../src/module/p2p_module.ts";

const private_key = NodeKey.generate().privateHex();

Deno.test("loadConfig() has no admin API unless a port is given, and an empty variable takes it away again", async () => {
  const yamlText = `private_key: "${private_key}"\nadmin_port: 7070\n`;
  assertEquals(parseConfig({ private_key }).admin_port, "");
  assertEquals((await loadConfig({ yamlText })).admin_port, 7070);
  const env = (name: string) => name === "P2P_ADMIN_PORT" ? "" : undefined;
  assertEquals((await loadConfig({ yamlText, env })).admin_port, "");
  assertEquals((await loadConfig({ yamlText, env, flags: { admin_port: "0" } })).admin_port, 0);
  assertEquals(parseConfig({ private_key }).admin_host, "127.0.0.1");
});

Deno.test("loadConfig() reads the token from its file, and the module takes what it returns", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "a-token\n");
    const yamlText = `private_key: "${private_key}"\nadmin_token_file: ${file}\n`;
    const config = await loadConfig({ yamlText });
    assertEquals([config.admin_token, config.admin_token_file], ["a-token", file]);
    assertEquals(P2PModule.create(config).started, false);
    await Deno.writeTextFile(file, "x".repeat(5000));
    const long = await assertRejects(() => loadConfig({ yamlText }), ConfigError);
    assertEquals(long.problems.map(({ path }) => path), ["admin_token_file"]);
  } finally {
    await Deno.remove(file);
  }
  const missing = await assertRejects(
    () => loadConfig({ yamlText: `private_key: "${private_key}"\nadmin_token_file: ${file}\n` }),
    P2pError,
  );
  assertEquals(missing.code, "secret_file_unreadable");
});

Deno.test("parseConfig() reads no file, and shows no token that is wrong", () => {
  const unread = assertThrows(() => parseConfig({ private_key, admin_token_file: "token" }), ConfigError);
  assertEquals(unread.problems.map(({ path }) => path), ["admin_token_file"]);
  for (const admin_token of ["two words", "é", "x".repeat(1025), 12345678 as unknown as string]) {
    const { problems, message } = assertThrows(() => parseConfig({ private_key, admin_token }), ConfigError);
    assertEquals(problems.map(({ path }) => path), ["admin_token"]);
    assertEquals(message.includes(String(admin_token)), false, message);
  }
});
