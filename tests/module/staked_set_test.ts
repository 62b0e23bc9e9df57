import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { ConfigError } from "../../src/module/config_error.ts";
import { parseConfig } from "../../src/module/load_config.ts";
import { P2PModule } from "../../src/module/p2p_module.ts";
import { MemoryNetwork } from "../../src/transport/memory/memory_transport.ts";

const key = NodeKey.fromSeed(new Uint8Array(32).fill(1));

Deno.test("staked_set is the genesis file's unless somebody says otherwise, and kubernetes takes a genesis file", () => {
  assertEquals(parseConfig({ private_key: key }).staked_set, "genesis");
  const error = assertThrows(() => parseConfig({ private_key: key, staked_set: "kubernetes" }), ConfigError);
  assertEquals(error.problems.map(({ path }) => path), ["staked_set"]);
});

Deno.test("P2PModule.start() refuses staked_set kubernetes without a provider, rather than take the whole genesis file", async () => {
  const node = P2PModule.create({
    private_key: key,
    staked_set: "kubernetes",
    genesis_file: "genesis.json",
    connection_type: "memory",
  }, { memory: new MemoryNetwork() });
  assertEquals((await assertRejects(() => node.start(), P2pError)).code, "staked_set_missing");
});
