import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { deadline, systemClock } from "../../src/base/clock.ts";
import { main } from "../../src/cli/main.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { type Answer, ask } from "../admin/_admin_network.ts";
import { fakeIo } from "./fake_io.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const TOKEN = "token-of-a-mounted-secret";

/** A node in a process of its own, configured as a pod is: mounted files and the environment. */
class Pod implements AsyncDisposable {
  /** URL of the admin API, once it is printed: the node is started then. */
  readonly url: Promise<string>;
  readonly #child: Deno.ChildProcess;
  readonly #err: Promise<string>;

  constructor(dir: string, env: Record<string, string>, args: string[] = []) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `${ROOT}mod.ts`, "node", "--config", `${dir}/config/node.yaml`, ...args],
      env: { ...env, NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#err = new Response(this.#child.stderr).text();
    this.url = this.#readUrl();
    this.url.catch(() => {}); // told to whoever awaits it
  }

  async #readUrl(): Promise<string> {
    let out = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      out += text;
      const url = /^http:\S+$/m.exec(out)?.[0];
      if (url !== undefined && out.endsWith("\n")) return url;
    }
    throw new Error(`The node ended: ${await this.#err}`);
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async ended(): Promise<{ code: number; err: string }> {
    const { code } = await this.#child.status;
    return { code, err: await this.#err };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended already
    }
    await this.ended();
  }
}

/** Asks until the answer is as wanted; each question is a round trip, so this is no busy loop. */
async function until(url: string, wanted: (answer: Answer) => boolean): Promise<Answer> {
  using limit = deadline(systemClock, 20_000, `The wanted answer of ${url}`);
  for (;;) {
    limit.signal.throwIfAborted();
    const answer = await ask(url);
    if (wanted(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Keys, ports and mounted files of `count` pods. */
async function mount(count: number) {
  const dir = await Deno.makeTempDir({ prefix: "raintree-pod-" });
  const keys = Array.from({ length: count }, () => NodeKey.generate());
  const listeners = keys.map(() => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  await Deno.mkdir(`${dir}/config`);
  await Deno.mkdir(`${dir}/secret`);
  // Every pod has the same ConfigMap; names, as a headless Service has them, stand in the genesis file.
  const validators = keys.map(({ address }, i) => ({ address, service_url: `localhost:${ports[i]}` }));
  await Deno.writeTextFile(`${dir}/config/genesis.json`, JSON.stringify({ validators }));
  const lines = [
    `genesis_file: ${dir}/config/genesis.json`,
    "listen_host: 127.0.0.1",
    "admin_port: 0",
    `admin_token_file: ${dir}/secret/token`,
    "network: pods",
  ];
  await Deno.writeTextFile(`${dir}/config/node.yaml`, lines.join("\n"));
  await Deno.writeTextFile(`${dir}/secret/token`, `${TOKEN}\n`);
  for (const [i, key] of keys.entries()) {
    await Deno.writeTextFile(`${dir}/secret/key${i}`, `${key.privateHex()}\n`, { mode: 0o600 });
  }
  const env = (i: number) => ({
    P2P_PRIVATE_KEY_FILE: `${dir}/secret/key${i}`,
    P2P_HOSTNAME: "localhost",
    P2P_PORT: String(ports[i]),
  });
  return { dir, keys, env, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

Deno.test("nodes configured as pods are become ready, broadcast over the admin API, and end with 0 at SIGTERM", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using mounted = await mount(3);
  await using first = new Pod(mounted.dir, mounted.env(0));
  const url = await first.url;
  assertMatch(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const alone = await ask(`${url}/readyz`);
  assertEquals([alone.status, alone.json.network, alone.json.missing[0].what], [503, "pods", "targets"]);
  await using second = new Pod(mounted.dir, mounted.env(1));
  await using third = new Pod(mounted.dir, mounted.env(2));
  const urls = [url, await second.url, await third.url];
  for (const each of urls) await until(`${each}/readyz`, ({ status }) => status === 200);

  const sent = await ask(`${url}/broadcast`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ typeUrl: "type.googleapis.com/test.Text", receipt: true }),
  });
  assertEquals([sent.status, sent.json.receipt.reached], [200, 2]);
  for (const each of urls) assertEquals((await ask(`${each}/messages/${sent.json.nonce}`)).status, 200);

  // Its neighbour is killed: it is ready again once that is back.
  second.kill("SIGKILL");
  await until(`${url}/readyz`, ({ status }) => status === 503);
  await using back = new Pod(mounted.dir, mounted.env(1));
  await back.url;
  await until(`${url}/readyz`, ({ status }) => status === 200);

  const startMs = performance.now();
  first.kill("SIGTERM");
  const { code, err } = await first.ended();
  assert(performance.now() - startMs < 10_000, "it took more than 10 s");
  assertEquals(code, 0, err);
  const records = err.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(records.at(-1).message, "stopped");
  assert(records.some(({ message, url: told }) => message === "admin API at {url}" && told === url));
  assert(!err.includes(TOKEN), "the token is in the log");
});

Deno.test("node ends with 0 at SIGTERM while it waits for its bootstrap nodes, and is alive meanwhile", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using mounted = await mount(1);
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked = silent.accept();
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr as Deno.NetAddr;
  free.close();
  const env = {
    ...mounted.env(0),
    P2P_GENESIS_FILE: "",
    P2P_BOOTSTRAP_NODES_CSV: `http://127.0.0.1:${(silent.addr as Deno.NetAddr).port}`,
    P2P_ADMIN_PORT: String(port),
  };
  await using pod = new Pod(mounted.dir, env);
  const connection = await asked;
  assertEquals((await ask(`http://127.0.0.1:${port}/livez`)).status, 200);
  const { status, json } = await ask(`http://127.0.0.1:${port}/readyz`);
  assertEquals([status, json.missing[0].what], [503, "start"]);
  pod.kill("SIGTERM");
  const { code, err } = await pod.ended();
  connection.close();
  silent.close();
  assertEquals(code, 0);
  assertStringIncludes(err, "stopped before it was started");
});

Deno.test("node --log-format chooses text or JSON, wherever it goes", async () => {
  for (
    const [format, terminal, isJson] of [["json", true, true], ["text", false, false], ["auto", false, true]] as const
  ) {
    const stop = new AbortController();
    const env = { P2P_PRIVATE_KEY: NodeKey.generate().privateHex(), NO_COLOR: "1", P2P_LOG_FORMAT: "text" };
    const { io, err } = fakeIo({ env, terminal, signal: stop.signal });
    const { stderr } = io;
    io.stderr = (text) => {
      stderr(text);
      if (text.includes("not staked")) stop.abort();
    };
    assertEquals(await main(["node", "--is-client-only", "--log-format", format], io), 0);
    for (const line of err().trim().split("\n")) assertEquals(line.startsWith("{"), isJson, line);
  }
});

Deno.test("node tells what is wrong with the admin API's configuration, and never shows the token", async () => {
  await using mounted = await mount(1);
  const { dir } = mounted;
  await Deno.writeTextFile(`${dir}/secret/empty`, "\n");
  await Deno.writeTextFile(`${dir}/secret/spaced`, "two words of a secret");
  const key = ["--private-key-file", `${dir}/secret/key0`, "--listen-host", "127.0.0.1", "--port", "0"];
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const cases: [string[], Record<string, string>, number, string][] = [
    [["--admin-port", "70000"], {}, 2, "--admin-port: is 70000"],
    [["--admin-token-file", `${dir}/secret/none`], {}, 3, "Cannot read secret file"],
    [["--admin-token-file", `${dir}/secret/empty`], {}, 2, "is empty"],
    [["--admin-token-file", `${dir}/secret/spaced`], {}, 2, "visible ASCII"],
    [["--admin-token-file", `${dir}/secret/token`], { P2P_ADMIN_TOKEN: "second-secret" }, 2, "beside admin_token"],
    [["--admin-token", "x"], {}, 2, "Unknown flag"],
    [["--admin-port", String(port)], {}, 3, "Cannot serve the admin API on 127.0.0.1"],
    [["--log-format", "xml"], {}, 2, "--log-format"],
  ];
  for (const [args, env, wanted, message] of cases) {
    const { io, err } = fakeIo({ env });
    const code = await main(["node", ...key, ...args], io);
    assertEquals(code, wanted, err());
    assertStringIncludes(err(), message);
    assert(!err().includes("two words") && !err().includes("second-secret"), err());
  }
});
