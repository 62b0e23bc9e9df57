/**
 * A peer-to-peer module for validator networks: RainTree broadcast over Noise-secured, libp2p-compatible TCP.
 *
 * Import it to run a node; run it (`deno run -A mod.ts`) to see a network of validators at work on this machine.
 *
 * @module
 */

export * from "./src/base/errors.ts";
export * from "./src/identity/address.ts";
export * from "./src/identity/node_address.ts";
export * from "./src/identity/node_key.ts";
export * from "./src/identity/peer_id.ts";
export * from "./src/module/config.ts";
export * from "./src/module/config_error.ts";
export * from "./src/module/load_config.ts";

if (import.meta.main) {
  const { runProcess } = await import("./src/cli/main.ts");
  Deno.exit(await runProcess(Deno.args));
}
