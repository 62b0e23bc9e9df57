import { assertEquals } from "@std/assert";
import { logger } from "../../src/base/log.ts";

Deno.test("logger() is silent without LogTape, and reaches a sink that is configured after it was made", async () => {
  const log = logger("log_test");
  log.warn("nobody hears {what}", { what: "this" });

  const { configureSync, resetSync } = await import("@logtape/logtape");
  const heard: unknown[] = [];
  configureSync({
    sinks: {
      list: ({ category, level, rawMessage, properties }) => heard.push([category, level, rawMessage, properties]),
    },
    loggers: [
      { category: "raintree", sinks: ["list"], lowestLevel: "info" },
      { category: ["logtape", "meta"], lowestLevel: "fatal" },
    ],
  });
  log.debug("below the level");
  log.info("without fields");
  log.warn("peer {peer}", { peer: "a" });
  log.error("peer {peer}", { peer: "b" });
  resetSync();
  log.error("nobody hears this");

  const category = ["raintree", "log_test"];
  assertEquals(heard, [
    [category, "info", "without fields", {}],
    [category, "warning", "peer {peer}", { peer: "a" }],
    [category, "error", "peer {peer}", { peer: "b" }],
  ]);
});

Deno.test("mod.ts does not load LogTape: a library user who configures no logs does not pay for it", async () => {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", 'await import("@raintree/p2p"); console.log(Symbol.for("logtape.rootLogger") in globalThis)'],
    cwd: new URL("../../", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals([success, new TextDecoder().decode(stdout)], [true, "false\n"]);
});
