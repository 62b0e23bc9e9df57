import { assertEquals } from "@std/assert";
import { memoryKit, TestNode, within } from "./_nodes.ts";
import { transportSuite } from "./conformance.ts";

transportSuite("memory", memoryKit);

Deno.test("MemoryTransport.listen() takes several places, and close() frees them all", async () => {
  const kit = memoryKit();
  await using listener = new TestNode(kit, 1);
  await using dialler = new TestNode(kit, 2);
  await listener.listen();
  await listener.listen({ protocol: "memory", path: "second" });
  assertEquals(listener.transport.endpoints().map(({ path }) => path), [listener.address, "second"]);
  assertEquals(listener.routines.names(), ["listen", "listen"]);
  for (const path of [undefined, "second"]) {
    await dialler.dial({ protocol: "memory", id: listener.address, path });
    await (await listener.accepted()).close();
  }
  await listener.transport.close();
  await within("the end of the listening routines", listener.routines.settled());
  // Another node may take the places now.
  await dialler.listen({ protocol: "memory", path: "second" });
});

Deno.test("MemoryTransport.dial() reaches only nodes of the same network", async () => {
  await using listener = new TestNode(memoryKit(), 1);
  await using dialler = new TestNode(memoryKit(), 2);
  const address = await listener.listen();
  const error = await dialler.transport.dial(address).catch((error) => error);
  assertEquals(error.code, "dial_refused");
});
