import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../src/base/clock.ts";
import { AdminClient } from "../../src/localnet/admin_client.ts";
import { readManifest } from "../../src/localnet/load_manifest.ts";
import { MemoryBackend } from "../../src/localnet/memory_backend.ts";
import { faultOf, testConformance, until } from "./conformance.ts";

testConformance({
  name: "memory",
  make(manifest) {
    const backend = new MemoryBackend(manifest);
    return Promise.resolve({ backend, [Symbol.asyncDispose]: async () => void await backend.down() });
  },
});

Deno.test("MemoryBackend cuts and heals the network, whose links between zones are slower", async () => {
  const manifest = readManifest({
    name: "zones",
    validators: 4,
    zones: ["east", "west"],
    links: { latencyMs: 1, betweenZones: { latencyMs: 40 } },
  });
  const never = new AbortController().signal;
  const backend = new MemoryBackend(manifest);
  try {
    await backend.up(never);
    const { nodes, token } = (await backend.access())!;
    const [first, second, third] = nodes.map((node) => new AdminClient(node, { token, clock: systemClock }));
    const message = { typeUrl: "type.googleapis.com/raintree.Echo", value: new Uint8Array(1) };
    const near = await first.request(third.node.address, message);
    const far = await first.request(second.node.address, message);
    assert(far.elapsedMs >= 80 && far.elapsedMs > near.elapsedMs, `${near.elapsedMs} and ${far.elapsedMs} ms`);

    const groups = [["validator-0", "validator-2"]];
    await backend.fault({ ...faultOf("partition"), groups }, never);
    const { nonce } = await first.broadcast(message);
    await until("the broadcast on this side", async () => (await third.message(nonce)) !== undefined);
    assertEquals(await second.message(nonce), undefined);
    await backend.fault(faultOf("heal"), never);
    await until("the broadcast on the other side", async () => (await second.message(nonce)) !== undefined);
  } finally {
    await backend.down();
  }
});
