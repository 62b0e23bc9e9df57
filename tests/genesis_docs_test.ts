import { assertEquals } from "@std/assert";
import { deadline, systemClock } from "../src/base/clock.ts";
import { parseGenesis } from "../src/peer/genesis.ts";

const root = new URL("../", import.meta.url);
const page = await Deno.readTextFile(new URL("docs/genesis.md", root));

/** The fenced blocks of a language, in order. */
function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, text]) => text);
}

/** Starts a line of the page in `cwd`, with this checkout's `mod.ts`. */
function start(line: string, cwd: string): Deno.ChildProcess {
  const args = line.split(" ").slice(1).map((word) => word === "mod.ts" ? new URL("mod.ts", root).pathname : word);
  return new Deno.Command(Deno.execPath(), { args, cwd, stdout: "piped", stderr: "piped" }).spawn();
}

/** What each process wrote to standard error. All are told to end once each has written all of `parts`, and killed after 20 s. */
async function logsUntil(parts: string[], children: Deno.ChildProcess[]): Promise<string[]> {
  using limit = deadline(systemClock, 20_000, "The nodes of the page");
  let waiting = children.length;
  const endAll = (signal: Deno.Signal) => children.forEach((child) => child.kill(signal));
  const kill = () => endAll("SIGKILL");
  limit.signal.addEventListener("abort", kill);
  const logs = await Promise.all(children.map(async (child) => {
    const out = new Response(child.stdout).text();
    let log = "";
    let complete = false;
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      log += text;
      if (complete || !parts.every((part) => log.includes(part))) continue;
      complete = true;
      if (--waiting === 0) endAll("SIGTERM");
    }
    await Promise.all([child.status, out]);
    return log;
  }));
  limit.signal.removeEventListener("abort", kill);
  return logs;
}

function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}

Deno.test("docs/genesis.md: the file is a genesis file, of the nodes that the page shows", () => {
  const [genesis, shown] = blocks("json");
  const validators = parseGenesis(genesis);
  assertEquals(validators.map(({ nodeAddress }) => nodeAddress.port), [42069, 42070]);
  assertEquals(Object.keys(JSON.parse(shown)), ["address", "peerId", "publicKey"]);
});

Deno.test("docs/genesis.md: its steps lead from keys to two nodes that are connected", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const cwd = await Deno.makeTempDir();
  try {
    const [keys, nodes] = blocks("sh").map((block) => block.trim().split("\n"));
    let genesis = blocks("json")[0];
    const names = parseGenesis(genesis).map(({ address }) => address);
    const publicKeys = JSON.parse(genesis).validators.map((entry: { public_key: string }) => entry.public_key);
    for (const line of keys) {
      const { code, stdout } = await start(line, cwd).output();
      assertEquals([line, code], [line, 0]);
      if (!line.includes("--json")) continue;
      const { address, publicKey } = JSON.parse(new TextDecoder().decode(stdout));
      genesis = genesis.replace(names.shift()!, address).replace(publicKeys.shift(), publicKey);
    }
    const [first, second] = freePorts(2);
    const place = (text: string) => text.replaceAll("42069", `${first}`).replaceAll("42070", `${second}`);
    const [config] = blocks("yaml");
    await Deno.writeTextFile(`${cwd}/genesis.json`, place(genesis));
    await Deno.writeTextFile(`${cwd}/node1.yaml`, place(config));
    await Deno.writeTextFile(`${cwd}/node2.yaml`, place(config.replace("node1", "node2").replace("42069", "42070")));
    const parts = ["staked, one of 2 validators", "is connected"];
    const logs = await logsUntil(parts, nodes.map((line) => start(line, cwd)));
    for (const log of logs) for (const part of parts) assertEquals(log.includes(part), true, log);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});
