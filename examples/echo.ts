// A libp2p host: `echo.ts [--port N]` serves /echo/1.0.0 and prints the RainTree messages it gets, `echo.ts --dial MULTIADDR` tries one.
import { parseArgs } from "@std/cli";
import { decodeRainTreeMessage, encodeRainTreeMessage } from "../src/raintree/mod.ts";
import { handleMessages, Libp2pHost, NodeKey, sendMessage } from "../src/transport/mod.ts";

const USAGE = `Usage: deno run -A examples/echo.ts [--port N | --dial MULTIADDR]

  --port N          Serve /echo/1.0.0 on this TCP port of 127.0.0.1, 0 to 65535 (default 0: the system chooses) and print the multiaddr
  --dial MULTIADDR  Send to such a server, and check what comes back
`;

const unknown: string[] = [];
const { port = "0", dial, help } = parseArgs(Deno.args, {
  string: ["port", "dial"],
  boolean: ["help"],
  alias: { help: "h" },
  unknown: (arg) => (unknown.push(arg), false),
});
if (help) {
  console.log(USAGE);
  Deno.exit(0);
}
if (unknown.length > 0) refuse(`"${unknown[0]}" is not known`);
if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) refuse(`--port is "${port}", it takes 0 to 65535`);
if (dial === "") refuse("--dial takes a multiaddr");
const host = new Libp2pHost({ key: NodeKey.generate() });

function refuse(what: string): never {
  console.error(`${what}\n\n${USAGE}`);
  Deno.exit(2);
}

function serve(): void {
  host.handle("/echo/1.0.0", async (stream) => {
    for await (const chunk of stream) await stream.write(chunk);
    stream.closeWrite();
  });
  handleMessages(host, "pokt/raintree/v1.0.0", {}, ({ remote }, bytes) => {
    const { level, data } = decodeRainTreeMessage(bytes);
    console.log(JSON.stringify({ from: remote.peerId, level, data: data.toHex() }));
  });
  console.log(host.listen({ host: "127.0.0.1", port: Number(port) }).multiaddr);
}

async function tryOut(multiaddr: string): Promise<void> {
  const connection = await host.dial(multiaddr);
  const sizes = [1, 1_000, 65_536, 1 << 20, 8 << 20];
  for (const size of sizes) {
    const sent = new Uint8Array(size).map((_, i) => i);
    const stream = connection.newStream("/echo/1.0.0");
    const sending = stream.write(sent).then(() => stream.closeWrite());
    const [echoed] = await Promise.all([stream.readAll(size), sending]);
    if (echoed.length < size || echoed.some((byte, i) => byte !== sent[i])) {
      throw new Error(`${size} bytes came back wrong`);
    }
  }
  const message = encodeRainTreeMessage({ level: 1, data: new TextEncoder().encode("hello") });
  await sendMessage(host, connection, "pokt/raintree/v1.0.0", message);
  await host.close();
  console.log(`echoed ${sizes.join(", ")} bytes as they were sent, and sent one RainTree message`);
}

try {
  if (dial === undefined) serve();
  else await tryOut(dial);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
