import { assert } from "@std/assert";
import { setImmediate } from "node:timers";
import { letOthers } from "../../src/base/let_others.ts";
import { dialTcp, listenTcp } from "../../src/transport/libp2p/tcp_socket.ts";

Deno.test("letOthers() lets sockets be read while something else is always ready", async () => {
  const listener = listenTcp("127.0.0.1", 0);
  const sender = await dialTcp("127.0.0.1", listener.endpoint.port!);
  const receiver = (await listener.accept())!;
  listener.close();
  let busy = true;
  const always = async () => {
    while (busy) await new Promise<void>((resolve) => setImmediate(resolve));
  };
  const ending = always();
  for (let round = 0; round < 20; round++) {
    let received = false;
    const reading = receiver.read(new Uint8Array(10)).then(() => received = true);
    await letOthers(); // the read is waiting for the socket by now
    await sender.write(new Uint8Array(1));
    await letOthers();
    assert(received, `round ${round}`);
    await reading;
  }
  busy = false;
  await ending;
  sender.close();
  receiver.close();
});
