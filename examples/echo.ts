// A libp2p host: `echo.ts [--port N]` serves /echo/1.0.0 and prints the RainTree messages it gets, `echo.ts --dial MULTIADDR` tries one.
import { parseArgs } from "@std/cli";
import { decodeRainTreeMessage, encodeRainTreeMessage } from "../src/raintree/mod.ts";
import { handleMessages, Libp2pHost, NodeKey, sendMessage } from "../src/transport/mod.ts";

const { port = "0", dial } = parseArgs(Deno.args, { string: ["port", "dial"] });
const host = new Libp2pHost({ key: NodeKey.generate() });

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
  for (const size of [1, 1_000, 65_536, 1 << 20, 8 << 20]) {
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
}

try {
  if (dial === undefined) serve();
  else await tryOut(dial);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
