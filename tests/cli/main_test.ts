import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { main } from "../../src/cli/main.ts";
import { P2pError, ProtocolError } from "../../src/base/errors.ts";
import { exitCodeOf } from "../../src/cli/exit_codes.ts";
import { writeOutput } from "../../src/cli/io.ts";
import { fakeIo } from "./fake_io.ts";

async function run(args: string[], options = {}) {
  const { io, out, err } = fakeIo(options);
  const code = await main(args, io);
  return { code, out: out(), err: err() };
}

Deno.test("main() prints the version of deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  for (const asked of ["--version", "-V", "version"]) {
    assertEquals(await run([asked]), { code: 0, out: `raintree ${version}\n`, err: "" });
  }
});

Deno.test("main() takes help as a command, alone and with the name of one", async () => {
  assertEquals(await run(["help"]), await run(["--help"]));
  assertEquals(await run(["help", "keys"]), await run(["keys", "--help"]));
  assertEquals((await run(["help", "kyes"])).code, 2);
});

Deno.test("main() answers an unknown command with the nearest one and exit code 2", async () => {
  const { code, out, err } = await run(["kyes"]);
  assertEquals([code, out], [2, ""]);
  assertStringIncludes(err, 'Unknown command "kyes"; did you mean "keys"?');
});

Deno.test("main() answers an unknown flag with the nearest one and exit code 2", async () => {
  const { code, out, err } = await run(["keys", "--jsno"]);
  assertEquals([code, out], [2, ""]);
  assertStringIncludes(err, 'Unknown flag "--jsno"; did you mean "--json"?');
  assertStringIncludes(err, "keys --help");
});

Deno.test("main() does not take names of Object.prototype for commands", async () => {
  assertEquals((await run(["constructor"])).code, 2);
  assertEquals((await run(["__proto__"])).code, 2);
});

Deno.test("main() shows usage, flags and examples of a command under --help and -h", async () => {
  const long = await run(["keys", "--help"]);
  assertEquals(long.code, 0);
  for (const part of ["Usage", "Flags", "--out FILE", "Examples", "keys --out node.key"]) {
    assertStringIncludes(long.out, part);
  }
  assertEquals(await run(["keys", "-h"]), long);
});

Deno.test("main() shows an expected failure with its hint, and a stack only under --debug or P2P_DEBUG", async () => {
  const args = ["keys", "show", "/nowhere/at/all.key"];
  const quiet = await run(args);
  assertEquals(quiet.code, 3);
  assertMatch(quiet.err, /^error: Cannot read key file "\/nowhere\/at\/all.key".*\nhint: .*\n$/);
  for (const loud of [await run(["--debug", ...args]), await run(args, { env: { P2P_DEBUG: "1" } })]) {
    assertEquals(loud.code, 3);
    assertStringIncludes(loud.err, "key_file.ts");
  }
});

Deno.test("main() colours only what a terminal shows, and nothing under NO_COLOR", async () => {
  assertStringIncludes((await run(["keys", "--help"], { terminal: true })).out, "\x1b[1mUsage");
  for (const options of [{}, { terminal: true, env: { NO_COLOR: "1" } }, { terminal: true, env: { TERM: "dumb" } }]) {
    assertEquals((await run(["keys", "--help"], options)).out.includes("\x1b"), false);
  }
});

Deno.test("main() exits with 130 and one word when the interrupt ends the command", async () => {
  const stop = new AbortController();
  const { io, err } = fakeIo({ signal: stop.signal });
  io.stdin = () => {
    stop.abort(new P2pError("interrupted", "Interrupted"));
    return Promise.reject(stop.signal.reason);
  };
  assertEquals([await main(["keys", "show", "-"], io), err()], [130, "interrupted\n"]);
});

Deno.test("interruptSignal() aborts at the first SIGTERM, and the second one ends the process", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const module = new URL("../../src/cli/io.ts", import.meta.url);
  const code = `
    import { interruptSignal } from ${JSON.stringify(module)};
    const alive = setInterval(() => {}, 1000);
    const { signal } = interruptSignal(() => Deno.exit(130));
    signal.addEventListener("abort", () => console.log("aborted " + signal.reason.code));
    console.log("ready");
  `;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", config, code],
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  assertEquals((await lines.next()).value, "ready\n");
  child.kill("SIGTERM");
  assertEquals((await lines.next()).value, "aborted interrupted\n");
  child.kill("SIGTERM");
  assertEquals(await lines.next(), { done: true, value: undefined });
  assertEquals((await child.status).code, 130);
});

Deno.test("main() on the process ends at once at SIGINT where a command computes without a pause", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const io = new URL("../../src/cli/io.ts", import.meta.url);
  const code = `
    import { interruptSignal, systemIo } from ${JSON.stringify(io)};
    using interrupt = interruptSignal(() => {});
    systemIo(interrupt).stdout("computing\\n");
    for (;;);
  `;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const args = ["eval", "--config", config, code];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  assertEquals((await lines.next()).value, "computing\n");
  child.kill("SIGINT");
  const { code: exit, signal } = await child.status;
  assertEquals([exit, signal, await lines.next()], [130, "SIGINT", { done: true, value: undefined }]);
});

Deno.test("main() says that the output cannot be written, as a fault of the environment", () => {
  const full = {
    writeSync(): number {
      throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
    },
  };
  const error = assertThrows(() => writeOutput(full, "x"), P2pError);
  assertEquals([error.message, exitCodeOf(error)], ["Cannot write the output: no space left on device", 3]);
  const left = {
    writeSync: (): number => {
      throw new Deno.errors.BrokenPipe();
    },
  };
  assertThrows(() => writeOutput(left, "x"), Deno.errors.BrokenPipe);
});

Deno.test("exitCodeOf() is 130 for an interrupt, also as the cause of another failure", () => {
  const reason = new P2pError("interrupted", "Interrupted");
  assertEquals(exitCodeOf(reason), 130);
  assertEquals(exitCodeOf(new P2pError("start_failed", "Cannot start", { cause: reason })), 130);
});

Deno.test("exitCodeOf() tells configuration, machine, peer and bug apart", () => {
  const cases: [unknown, number][] = [
    [new P2pError("usage", ""), 2],
    [new P2pError("config_invalid", ""), 2],
    [new P2pError("key_malformed", ""), 2],
    [new P2pError("config_unreadable", ""), 3],
    [new P2pError("listen_failed", "", { cause: new Deno.errors.AddrInUse() }), 3],
    [new P2pError("anything", "", { cause: new Deno.errors.AddrInUse() }), 3],
    [new P2pError("key_file_exists", ""), 3],
    [Object.assign(new Error("no space left"), { code: "ENOSPC" }), 3],
    [new P2pError("dial_refused", "", { cause: new Deno.errors.ConnectionRefused() }), 1],
    [new ProtocolError("key_malformed", ""), 1],
    [new TypeError("a bug"), 1],
    ["thrown text", 1],
  ];
  for (const [error, code] of cases) assertEquals(exitCodeOf(error), code, Deno.inspect(error));
});
