import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

const echo = new URL("../../examples/echo.ts", import.meta.url).pathname;

Deno.test("examples/echo.ts serves, and tries a server", async () => {
  const server = new Deno.Command(Deno.execPath(), { args: ["run", "-A", echo], stdout: "piped" }).spawn();
  const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const line = async () => {
    while (!text.includes("\n")) text += (await lines.read()).value;
    const first = text.slice(0, text.indexOf("\n"));
    text = text.slice(first.length + 1);
    return first;
  };
  try {
    const client = new Deno.Command(Deno.execPath(), { args: ["run", "-A", echo, "--dial", await line()] });
    const { code, stdout, stderr } = await client.output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    assertMatch(new TextDecoder().decode(stdout), /^echoed 1, 1000, .* bytes as they were sent/);
    const { level, data } = JSON.parse(await line());
    assertEquals([level, data], [1, "68656c6c6f"]);
    const refused = new Deno.Command(Deno.execPath(), { args: ["run", "-A", echo, "--dial", "/ip4/127.0.0.1/tcp/1"] });
    assertEquals((await refused.output()).code, 1);
  } finally {
    server.kill("SIGTERM");
    await lines.cancel();
    await server.status;
  }
});

Deno.test("examples/echo.ts shows its usage when asked, and with exit code 2 for what it does not take", async () => {
  const cases: [string[], number, string][] = [
    [["--help"], 0, "Usage"],
    [["--prot", "1"], 2, '"--prot" is not known'],
    [["here"], 2, '"here" is not known'],
    [["--port", "70000"], 2, '--port is "70000"'],
    [["--port", "x"], 2, '--port is "x"'],
    [["--dial"], 2, "--dial takes a multiaddr"],
  ];
  await Promise.all(cases.map(async ([args, code, message]) => {
    const run = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", echo, ...args] }).output();
    const text = new TextDecoder().decode(code === 0 ? run.stdout : run.stderr);
    assertEquals(run.code, code, text);
    assertStringIncludes(text, message);
    assertStringIncludes(text, "Usage:");
  }));
});
