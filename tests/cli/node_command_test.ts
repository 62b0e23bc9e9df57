import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { deadline, systemClock } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { logTo } from "../../src/cli/logs.ts";
import { main } from "../../src/cli/main.ts";
import { runNode } from "../../src/cli/run_node.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { parseConfig } from "../../src/module/load_config.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { fakeIo } from "./fake_io.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** A node in a process of its own. */
class NodeProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #out: Promise<string>;
  readonly #ended: Promise<void>;
  #err = "";
  #onText = () => {};

  constructor(args: string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--config", `${ROOT}deno.json`, "-A", `${ROOT}mod.ts`, "node", ...args],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#out = new Response(this.#child.stdout).text();
    this.#ended = this.#listen();
  }

  get err(): string {
    return this.#err;
  }

  /** Resolves once standard error has `count` lines that hold `part`. */
  async logged(part: string, count = 1): Promise<void> {
    using limit = deadline(systemClock, 20_000, `"${part}" in the log`);
    while (this.#err.split("\n").filter((line) => line.includes(part)).length < count) {
      const text = Promise.withResolvers<void>();
      this.#onText = text.resolve;
      const fail = () => text.reject(new Error(`${limit.signal.reason}\n${this.#err}`));
      limit.signal.addEventListener("abort", fail, { once: true });
      await text.promise;
      limit.signal.removeEventListener("abort", fail);
    }
  }

  async #listen(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#err += text;
      this.#onText();
    }
    this.#onText();
  }

  /** Sends a signal, waits for the end of the process and returns what it wrote. */
  async end(signal?: Deno.Signal): Promise<{ code: number; out: string; err: string }> {
    if (signal !== undefined) this.#child.kill(signal);
    const { code } = await this.#child.status;
    await this.#ended;
    return { code, out: await this.#out, err: this.#err };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended already
    }
    await this.end();
  }
}

/** A directory with the keys, the genesis file and the configurations of a network of `count` nodes. */
async function makeNetwork(count: number) {
  const dir = await Deno.makeTempDir({ prefix: "raintree-node-" });
  const keys = Array.from({ length: count }, () => NodeKey.generate());
  const listeners = keys.map(() => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  const validators = keys.map(({ address }, i) => ({ address, service_url: `127.0.0.1:${ports[i]}` }));
  await Deno.writeTextFile(`${dir}/genesis.json`, JSON.stringify({ validators }));
  const configs = await Promise.all(keys.map(async (key, i) => {
    const lines = [
      `private_key: "${key.privateHex()}"`,
      `port: ${ports[i]}`,
      "listen_host: 127.0.0.1",
      `genesis_file: ${dir}/genesis.json`,
      `store_path: ${dir}/peers${i}.db`,
    ];
    await Deno.writeTextFile(`${dir}/node${i}.yaml`, lines.join("\n"));
    return `${dir}/node${i}.yaml`;
  }));
  const remove = () => Deno.remove(dir, { recursive: true });
  return { dir, keys, ports, configs, [Symbol.asyncDispose]: remove };
}

async function runMain(args: string[], env: Record<string, string> = {}) {
  const { io, out, err } = fakeIo({ env });
  const code = await main(["node", ...args], io);
  return { code, out: out(), err: err() };
}

Deno.test("node says where it listens, logs JSON lines, and drains and exits 0 at SIGTERM", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using network = await makeNetwork(1);
  await using node = new NodeProcess(["--config", network.configs[0]]);
  await node.logged("listens at");
  const startMs = performance.now();
  const { code, out, err } = await node.end("SIGTERM");
  assert(performance.now() - startMs < 2_000, "it took more than 2 s");
  assertEquals(code, 0);
  const [key] = network.keys;
  const [url, multiaddr] = out.trim().split("\n");
  assertEquals(url, `tcp://${key.address}@127.0.0.1:${network.ports[0]}`);
  assertEquals(multiaddr, `/ip4/127.0.0.1/tcp/${network.ports[0]}/p2p/${key.peerId}`);
  const records = err.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(records[0].multiaddr, multiaddr);
  assertEquals(records[0].message, "node {address} listens at {multiaddr}");
  assertEquals(records[0].text, `node ${key.address} listens at ${multiaddr}`);
  assertEquals([records[1].validators, records[1].staked], [1, true]);
  assertEquals(records.at(-1).message, "stopped");
  assert(!err.includes(key.privateHex().slice(0, 16)), "the key is in the log");
});

Deno.test("two nodes of one genesis file find each other, and again after one was restarted", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using network = await makeNetwork(2);
  await using first = new NodeProcess(["--config", network.configs[0]]);
  {
    await using second = new NodeProcess(["--config", network.configs[1]]);
    await Promise.all([first.logged("is connected"), second.logged("is connected")]);
    assertEquals((await second.end("SIGINT")).code, 0);
  }
  await first.logged("is gone");
  await using restarted = new NodeProcess(["--config", network.configs[1]]);
  await Promise.all([first.logged("is connected", 2), restarted.logged("is connected")]);
  const [one, two] = await Promise.all([first.end("SIGTERM"), restarted.end("SIGTERM")]);
  assertEquals([one.code, two.code], [0, 0]);
  assertStringIncludes(one.err, network.keys[1].address);
});

Deno.test("node exits with 3 and a hint where its port is in use", async () => {
  await using network = await makeNetwork(1);
  using _taken = Deno.listen({ hostname: "127.0.0.1", port: network.ports[0] });
  await using node = new NodeProcess(["--config", network.configs[0]]);
  const { code, out, err } = await node.end();
  assertEquals([code, out], [3, ""]);
  assertMatch(err, /^error: Cannot listen on 127\.0\.0\.1:\d+: another program does\nhint: .*another port.*\n$/);
});

Deno.test("node tells everything that is wrong with its configuration at once and exits with 2", async () => {
  const dir = await Deno.makeTempDir();
  const file = `${dir}/node.yaml`;
  await Deno.writeTextFile(file, "prot: 1\nport: 70000\npersistent_peers: [here]\n");
  const { code, out, err } = await runMain(["--config", file, "--queue", "lifo"], { P2P_MAX_INBOUND: "many" });
  await Deno.remove(dir, { recursive: true });
  assertEquals([code, out], [2, ""]);
  const parts = [
    'prot: is not a field; did you mean "port"?',
    "port: is 70000",
    "persistent_peers[0]:",
    "env P2P_MAX_INBOUND:",
    "--queue:",
    "private_key: is missing",
  ];
  for (const part of parts) assertStringIncludes(err, part);
});

Deno.test("node tells faults of files apart from faults in them", async () => {
  await using network = await makeNetwork(1);
  const { dir, configs: [config] } = network;
  await Deno.writeTextFile(`${dir}/bad.json`, '{ "validators": [{ "address": "me" }, 7] }');
  const cases: [string[], number, string][] = [
    [["--config", `${dir}/none.yaml`], 3, "Cannot read configuration"],
    [["--config", config, "--genesis-file", `${dir}/none.json`], 3, "Cannot read genesis file"],
    [["--config", config, "--genesis-file", `${dir}/bad.json`], 2, "validators[1]"],
    [["--config", config, "--store-path", `${dir}/none/peers.db`], 3, "Cannot write peer store"],
    [["--private-key-file", `${dir}/none.key`], 3, "Cannot read key file"],
    [["--private-key-file", `${dir}/none.key`, "--port", "x"], 2, "--port"],
    [["--private-key-file", `${dir}/bad.json`], 2, "64 or 128 hex digits"],
    [["--config", config, "--connection-type", "memory"], 2, "within one process"],
    [["--config", config, "--pot", "1"], 2, 'did you mean "--port"?'],
    [["--config", config, "superfluous"], 2, "superfluous"],
  ];
  for (const [args, expected, message] of cases) {
    const { code, out, err } = await runMain(args);
    assertEquals([code, out], [expected, ""], err);
    assertStringIncludes(err, message);
  }
});

Deno.test("node writes text to a terminal, takes flags over the file, and stops in order when interrupted", async () => {
  await using network = await makeNetwork(1);
  const stop = new AbortController();
  const { io, out, err } = fakeIo({ terminal: true, env: { NO_COLOR: "1" }, signal: stop.signal });
  const { stdout } = io;
  io.stdout = (text) => {
    stdout(text);
    stop.abort(new P2pError("interrupted", "Interrupted"));
  };
  const code = await main(["node", "--config", network.configs[0], "--port", "0", "--log-level", "info"], io);
  assertEquals(code, 0);
  assertMatch(out(), /^tcp:\/\/.*\n\/ip4\/.*\n$/);
  assert(!out().includes(`:${network.ports[0]}\n`), "the port is that of the file");
  assertMatch(err(), /^\d\d:\d\d:\d\d\.\d+ \[INF\] raintree·node: node [0-9a-f]{40} listens at \/ip4\//);
  assertStringIncludes(err(), "stopped");
});

Deno.test("node as a client does not listen, and warns that it is not staked", async () => {
  const stop = new AbortController();
  const { io, out, err } = fakeIo({ signal: stop.signal, env: { P2P_PRIVATE_KEY: NodeKey.generate().privateHex() } });
  const { stderr } = io;
  io.stderr = (text) => {
    stderr(text);
    if (text.includes("not staked")) stop.abort(new P2pError("interrupted", "Interrupted"));
  };
  assertEquals(await main(["node", "--is-client-only"], io), 0);
  assertEquals(out(), "");
  assertStringIncludes(err(), "started as a client");
});

Deno.test("node that connects with none of its peers says so once after half a minute, and why", async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const { io, out, err } = fakeIo({ signal: stop.signal });
  const peer = NodeKey.generate().address;
  const unused = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = unused.addr as Deno.NetAddr;
  unused.close();
  const listening = Promise.withResolvers<void>();
  const refused = Promise.withResolvers<void>();
  const { stdout, stderr } = io;
  io.stdout = (text) => (stdout(text), listening.resolve());
  io.stderr = (text) => {
    stderr(text);
    if (text.includes("nobody listens")) refused.resolve();
  };
  const config = parseConfig({
    private_key: NodeKey.generate(),
    listen_host: "127.0.0.1",
    port: 0,
    persistent_peers: [`tcp://${peer}@127.0.0.1:${port}`],
  });
  const warnings = () => err().split("\n").filter((line) => line.includes("no peer is connected"));
  {
    using _logs = logTo(io, "debug");
    const ended = runNode(config, io, { clock });
    await listening.promise;
    await refused.promise;
    await clock.advance(29_000);
    assertEquals(warnings(), []);
    await clock.advance(60_000);
    stop.abort(new P2pError("interrupted", "Interrupted"));
    await clock.advance(5_000);
    await ended;
  }
  assertMatch(out(), /^tcp:/);
  assertEquals(warnings().length, 1);
  const { level, peers, seconds, error } = JSON.parse(warnings()[0]);
  assertEquals([level, peers, seconds], ["WARN", 1, 30]);
  assertMatch(error, /^Cannot dial 127\.0\.0\.1:\d+: /); // which failure, the virtual clock decides over real sockets
});
