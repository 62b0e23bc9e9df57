import { assert, assertEquals } from "@std/assert";
import { HostedMemory } from "../../src/localnet/hosted_memory.ts";
import { testConformance } from "./conformance.ts";

const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);

if (Deno.build.os !== "windows") {
  testConformance({
    name: "hosted memory",
    async make(manifest) {
      const root = await Deno.makeTempDir({ prefix: "raintree-localnet-" });
      const folder = `${root}/state`;
      const backend = new HostedMemory(manifest, { folder });
      return {
        backend,
        async [Symbol.asyncDispose]() {
          assertEquals(await backend.down(), 0);
          assert(!await isThere(folder), "the state folder is left");
          await Deno.remove(root, { recursive: true });
        },
      };
    },
  });
}
