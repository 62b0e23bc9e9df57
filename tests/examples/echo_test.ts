import { assertEquals } from "@std/assert";

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
    const { code, stderr } = await client.output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
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
