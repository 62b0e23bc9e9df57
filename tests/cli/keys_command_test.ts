import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "../../src/cli/main.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { fakeIo } from "./fake_io.ts";

async function run(args: string[], options = {}) {
  const { io, out, err } = fakeIo(options);
  const code = await main(["keys", ...args], io);
  return { code, out: out(), err: err() };
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("keys makes an identity whose parts belong together", async () => {
  const { code, out } = await run(["--json"]);
  assertEquals(code, 0);
  const { address, peerId, publicKey, privateKey } = JSON.parse(out);
  const key = NodeKey.fromPrivateHex(privateKey);
  assertEquals([key.address, key.peerId, key.publicKey.toHex()], [address, peerId, publicKey]);
});

Deno.test("keys --out writes a file for its owner only, prints no secret, and never overwrites", async () => {
  await inFolder(async (folder) => {
    const file = `${folder}/node.key`;
    const made = await run(["--out", file]);
    assertEquals(made.code, 0);
    const secret = await Deno.readTextFile(file);
    assertMatch(secret, /^[0-9a-f]{128}\n$/);
    assert(!made.out.includes(secret.slice(0, 64)), "the private key was printed");
    if (Deno.build.os !== "windows") assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);

    const again = await run(["--out", file]);
    assertEquals(again.code, 3);
    assertStringIncludes(again.err, "exists already");
    assertEquals(await Deno.readTextFile(file), secret);

    const shown = await run(["show", file]);
    assertEquals(shown.code, 0);
    assertStringIncludes(shown.out, NodeKey.fromPrivateHex(secret).address);
    assert(!shown.out.includes(secret.slice(0, 64)), "the private key was shown");
  });
});

Deno.test("keys show reads hex and standard input alike", async () => {
  const key = NodeKey.fromSeed(new Uint8Array(32).fill(7));
  const expected = { address: key.address, peerId: key.peerId, publicKey: key.publicKey.toHex() };
  const byHex = await run(["show", key.privateHex(), "--json"]);
  const byInput = await run(["show", "-", "--json"], { stdin: `${key.privateHex().slice(0, 64)}\n` });
  assertEquals([JSON.parse(byHex.out), JSON.parse(byInput.out)], [expected, expected]);
});

Deno.test("keys refuses what it does not understand", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/text`, "secret-but-not-a-key");
    await Deno.writeTextFile(`${folder}/long`, "a".repeat(2000));
    const cases: [string[], number, string][] = [
      [["show"], 2, "takes a file"],
      [["show", "a", "b"], 2, 'Unexpected argument "b"'],
      [["shwo"], 2, 'Unexpected argument "shwo"'],
      [["show", "-", "--out", "x"], 2, '"--out" is for new identities'],
      [["show", `${folder}/none`], 3, "Cannot read key file"],
      [["show", `${folder}/text`], 2, "64 or 128 hex digits"],
      [["show", `${folder}/long`], 2, "2000 bytes"],
      [["--out", `${folder}/none/key`], 3, "Cannot write key file"],
    ];
    for (const [args, code, message] of cases) {
      const result = await run(args);
      assertEquals(result.code, code, `${args}: ${result.err}`);
      assertStringIncludes(result.err, message);
      assert(!result.err.includes("secret-but"), "the file's content was shown");
    }
  });
});

Deno.test("keys --out leaves nothing behind where the disk is full, and says what helps", async () => {
  await inFolder(async (folder) => {
    const { write } = Deno.FsFile.prototype;
    Deno.FsFile.prototype.write = () =>
      Promise.reject(Object.assign(new Error("No space left on device"), { code: "ENOSPC" }));
    try {
      const { code, out, err } = await run(["--out", `${folder}/node.key`]);
      assertEquals([code, out], [3, ""]);
      assertStringIncludes(err, "No space left on device");
      assertStringIncludes(err, "Make room on the disk");
    } finally {
      Deno.FsFile.prototype.write = write;
    }
    assertEquals([...Deno.readDirSync(folder)], []);
  });
});
