import { assert, assertEquals } from "@std/assert";
import { LAYERS_OFF, layerVariants, main } from "../../bench/layers.ts";
import { readManifest } from "../../src/localnet/load_manifest.ts";
import { nodeConfig } from "../../src/localnet/node_config.ts";
import { parseConfig } from "../../src/module/load_config.ts";
import { NodeKey } from "../../src/identity/node_key.ts";

Deno.test("layerVariants() begins with all off, ends with the defaults, and has configurations that the module takes", () => {
  const variants = layerVariants();
  assertEquals([variants[0].name, variants.at(-1)!.name], ["off", "defaults"]);
  assertEquals(variants.at(-1)!.config, {});
  const { network: _name, mode: _mode, log_level: _level, ...layers } = nodeConfig(readManifest({}));
  assertEquals(Object.keys(LAYERS_OFF).sort(), Object.keys(layers).sort(), "a manifest knows the same layers");
  for (const { config } of variants) {
    parseConfig({ ...JSON.parse(JSON.stringify(config)), private_key: NodeKey.generate() });
  }
});

Deno.test("layers prints each variant against all off when run small", async () => {
  const out: string[] = [];
  const err: string[] = [];
  const variants = layerVariants();
  const ends = [variants[0], variants.at(-1)!];
  for (const name of ["broadcast-27-time", "bytes-at-100-per-second"]) {
    const args = [name, "--runs", "1", "--warmup-ms", "10", "--window-ms", "20"];
    assertEquals(
      await main(args, { out: (line) => out.push(line), err: (line) => err.push(line) }, ends),
      0,
      err.join(),
    );
  }
  assertEquals(out.map((line) => JSON.parse(line).name), [
    "layers-broadcast-27-time",
    "layers-bytes-at-100-per-second",
  ]);
  for (const line of out) {
    const { variants } = JSON.parse(line);
    assertEquals(Object.keys(variants), ["off", "defaults"]);
    assertEquals([variants.off.ratio, variants.off.difference], [1, 0]);
    for (const { value, ratio, runs } of [variants.off, variants.defaults]) {
      for (const figure of [value, ratio, ...runs]) assert(Number.isFinite(figure) && figure > 0);
    }
  }
});
