import { configureSync, resetSync } from "@logtape/logtape";
import { assertEquals } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { DialLog } from "../../src/router/dial_log.ts";

/** Levels and messages of what `work` logs. */
function heard(work: (log: DialLog) => void): [string, string][] {
  const records: [string, string][] = [];
  configureSync({
    sinks: { list: ({ level, message }) => records.push([level, message.join("")]) },
    loggers: [
      { category: "raintree", sinks: ["list"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], lowestLevel: "fatal" },
    ],
  });
  try {
    work(new DialLog());
  } finally {
    resetSync();
  }
  return records;
}

Deno.test("DialLog warns once per peer of what does not pass by itself, and again after a connection", () => {
  const error = new P2pError("handshake_wrong_network", "Peer is of another network");
  const levels = heard((log) => {
    log.failed("a", error);
    log.failed("a", error);
    log.failed("b", error);
    log.failed("a", new P2pError("handshake_wrong_version", "Peer is of another version"));
    log.connected("b");
    log.failed("b", error);
  }).map(([level]) => level);
  assertEquals(levels, ["warning", "debug", "warning", "warning", "warning"]);
});

Deno.test("DialLog leaves to the debug log what passes, and gives the hint with a warning", () => {
  const messages = heard((log) => {
    log.failed("a", new P2pError("dial_refused", "nobody there"));
    log.failed("a", new P2pError("dial_forbidden", "Cannot dial", { hint: "Run deno with --allow-net" }));
  });
  assertEquals(messages, [
    ["debug", "dialling peer a failed: nobody there"],
    ["warning", "peer a cannot be connected: Cannot dial. Run deno with --allow-net"],
  ]);
});

Deno.test("DialLog warns of a bounded number of peers", () => {
  const error = new P2pError("handshake_wrong_network", "");
  const levels = heard((log) => {
    for (let i = 0; i < 1_100; i++) log.failed(`${i}`, error);
  }).map(([level]) => level);
  assertEquals(levels.filter((level) => level === "warning").length, 1_000);
});
