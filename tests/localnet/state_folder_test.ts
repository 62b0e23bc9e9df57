import { assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { StateFolder } from "../../src/localnet/state_folder.ts";

const ignore = Deno.build.os === "windows";

async function emptyFolder() {
  const path = await Deno.makeTempDir({ prefix: "raintree-state-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** With what code the folder is refused. */
async function refusal(path: string): Promise<string> {
  return (await assertRejects(() => new StateFolder(path, systemClock).lock(), P2pError)).code;
}

Deno.test("StateFolder takes no folder in which somebody else keeps something of the same name", async () => {
  await using kept = await emptyFolder();
  await Deno.mkdir(`${kept.path}/config`);
  await Deno.writeTextFile(`${kept.path}/config/app.yaml`, "precious");
  assertEquals(await refusal(kept.path), "state_foreign");
  assertEquals(await Deno.readTextFile(`${kept.path}/config/app.yaml`), "precious");
  assertEquals(Array.from(Deno.readDirSync(kept.path), ({ name }) => name), ["config"]);
});

Deno.test("StateFolder takes one that is empty, that has something else, and that a start which was killed has left", async () => {
  await using kept = await emptyFolder();
  const folder = new StateFolder(kept.path, systemClock);
  await Deno.writeTextFile(folder.file("README"), "not ours");
  {
    using _lock = await folder.lock();
    await folder.prepare();
    await folder.write("keys/a.key", "1");
  }
  {
    using _lock = await folder.lock();
    await folder.remove();
  }
  // What is not ours stays, and is in nobody's way the next time.
  assertEquals(Array.from(Deno.readDirSync(kept.path), ({ name }) => name), ["README"]);
  (await folder.lock())[Symbol.dispose]();
});

Deno.test("StateFolder takes none to which everybody may write", { ignore }, async () => {
  await using kept = await emptyFolder();
  await Deno.chmod(kept.path, 0o777);
  assertEquals(await refusal(kept.path), "state_foreign");
});

Deno.test("StateFolder takes none of another user's", { ignore: ignore || Deno.uid() !== 0 }, async () => {
  await using kept = await emptyFolder();
  await Deno.chown(kept.path, 65532, 65532);
  assertEquals(await refusal(kept.path), "state_foreign");
});
