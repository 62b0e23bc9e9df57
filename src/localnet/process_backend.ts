import { newToken } from "../admin/new_token.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import { type Random, systemRandom } from "../base/random.ts";
import { NodeKey } from "../identity/node_key.ts";
import type { Access, Backend, NetworkStatus } from "./backend.ts";
import { downError, unknownNodeError } from "./backend_errors.ts";
import { freePorts } from "./free_ports.ts";
import { LocalProcess } from "./local_process.ts";
import type { Fault, FaultKind, Manifest } from "./manifest.ts";
import { assertSame, digestOf } from "./manifest_digest.ts";
import { networkStatus } from "./network_status.ts";
import { nodeConfig } from "./node_config.ts";
import { type LocalnetState, StateFolder } from "./state_folder.ts";
import { allOf } from "./all_of.ts";
import { assertFault, assertSupported } from "./unsupported.ts";
import { waitUntilReady } from "./wait_until_ready.ts";

/** Options of a {@link ProcessBackend}. */
export interface ProcessBackendOptions {
  /** Where keys, genesis, configurations, logs and process numbers lie: a folder of this network's own. */
  folder: string;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Randomness of ports and token. @default {systemRandom} */
  random?: Random;
}

const HOST = "127.0.0.1";

/**
 * A network of processes, each `node --config FILE` with its admin API, that outlive whoever started them. Everything of it lies in one folder, from which the
 * next command finds it.
 */
export class ProcessBackend implements Backend {
  readonly name = "process";
  readonly faults: ReadonlySet<FaultKind> = new Set(["kill", "stop", "cont", "restart", "upgrade"] as const);
  readonly restartsKilled = false;
  readonly shapesLinks = false;
  readonly #manifest: Manifest;
  readonly #folder: StateFolder;
  readonly #clock: Clock;
  readonly #random: Random;

  /** Starts nothing yet. */
  constructor(manifest: Manifest, { folder, clock = systemClock, random = systemRandom }: ProcessBackendOptions) {
    this.#manifest = manifest;
    this.#folder = new StateFolder(folder, clock);
    this.#clock = clock;
    this.#random = random;
  }

  async up(signal: AbortSignal): Promise<void> {
    assertSupported(this.#manifest, this);
    using _lock = await this.#folder.lock(signal);
    const before = await this.#folder.read();
    if (before !== undefined) assertSame(before, this.#manifest, this.name);
    const started: LocalProcess[] = [];
    try {
      const { nodes } = before ?? await this.#prepare();
      const processes = nodes.map(({ name }) => this.#process(name));
      signal.throwIfAborted();
      await allOf(processes.map(async (process) => {
        if (await process.running() !== undefined) return;
        started.push(process);
        await process.start();
      }));
      await this.#ready(processes, signal);
    } catch (error) {
      await allOf(started.map((process) => process.kill()));
      if (before === undefined) await this.#folder.remove();
      throw error;
    }
  }

  async access(): Promise<Access | undefined> {
    const state = await this.#folder.read();
    return state && { nodes: state.nodes, token: await this.#folder.token() };
  }

  async status(): Promise<NetworkStatus> {
    return await networkStatus(this.#manifest.name, this.name, await this.access(), this.#clock);
  }

  async fault(fault: Fault, signal: AbortSignal): Promise<void> {
    const { nodes } = await this.#state();
    assertFault(fault, this.#manifest, this);
    const processes = fault.nodes.map((name) => this.#process(name));
    const each = (act: (process: LocalProcess) => Promise<unknown>) => allOf(processes.map(act));
    switch (fault.fault) {
      case "kill":
        await each((process) => process.kill());
        break;
      case "stop":
        await each((process) => process.signal("SIGSTOP"));
        break;
      case "cont":
        await each((process) => process.signal("SIGCONT"));
        break;
      case "restart":
        await each((process) => this.#restart(process));
        break;
      case "upgrade": {
        const all = nodes.map(({ name }) => this.#process(name));
        for (const process of all) {
          await this.#restart(process);
          await this.#ready(all, signal);
        }
      }
    }
  }

  async logs(node: string, lines: number): Promise<readonly string[]> {
    const { nodes } = await this.#state();
    if (nodes.some(({ name }) => name === node)) return await this.#process(node).lastLines(lines);
    throw unknownNodeError(node, this.#manifest.name);
  }

  async down(): Promise<number> {
    using _lock = await this.#folder.lock();
    // Not only those of the state: a start that was killed may have left others.
    const running = await Promise.all((await this.#started()).map((name) => this.#process(name).end()));
    await this.#folder.remove();
    return running.filter(Boolean).length;
  }

  async #restart(process: LocalProcess): Promise<void> {
    await process.end();
    await process.start();
  }

  async #ready(processes: readonly LocalProcess[], signal: AbortSignal): Promise<void> {
    const { readyWithinMs: withinMs } = this.#manifest;
    const check = () => assertRunning(processes);
    await waitUntilReady(this, { withinMs, clock: this.#clock, signal, check });
  }

  /** Writes everything that the nodes need; the state last of all. */
  async #prepare(): Promise<LocalnetState> {
    const { name: network, validators, firstPort, bootstrapNodes } = this.#manifest;
    const ports = freePorts(HOST, firstPort, 2 * validators.length, this.#random);
    const folder = this.#folder;
    await folder.prepare();
    const members = validators.map(({ name, key, stake }, i) => ({
      name,
      key: key === "" ? NodeKey.generate() : NodeKey.fromPrivateHex(key),
      stake,
      port: ports[i],
      adminPort: ports[validators.length + i],
    }));
    const nodes = members.map(({ name, key: { address }, adminPort }) => {
      return { name, address, role: "validator" as const, adminUrl: `http://${HOST}:${adminPort}` };
    });
    const genesis = members.map(({ key: { address, publicKey }, stake, port }) => ({
      address,
      public_key: publicKey.toHex(),
      service_url: `${HOST}:${port}`,
      staked_amount: String(stake),
    }));
    await folder.write("genesis.json", `${JSON.stringify({ validators: genesis }, null, 2)}\n`);
    await folder.write("token", `${newToken(this.#random)}\n`);
    await Promise.all(members.map(async ({ name, key, port, adminPort }, i) => {
      await folder.write(`keys/${name}.key`, `${key.privateHex()}\n`);
      // JSON is YAML, and needs no thought about quotes.
      const config = {
        ...nodeConfig(this.#manifest),
        private_key_file: folder.file("keys", `${name}.key`),
        genesis_file: folder.file("genesis.json"),
        hostname: HOST,
        listen_host: HOST,
        port,
        admin_host: HOST,
        admin_port: adminPort,
        admin_token_file: folder.file("token"),
        bootstrap_nodes_csv: nodes.slice(0, bootstrapNodes).filter((_, at) => at !== i).map((node) => node.adminUrl),
      };
      await folder.write(`config/${name}.yaml`, `${JSON.stringify(config, null, 2)}\n`);
    }));
    const state: LocalnetState = { name: network, backend: this.name, digest: digestOf(this.#manifest), nodes };
    await folder.save(state);
    return state;
  }

  #process(name: string): LocalProcess {
    const paths = { pid: this.#folder.file("pids", name), log: this.#folder.file("logs", `${name}.log`) };
    return new LocalProcess(
      name,
      paths,
      ["node", "--config", this.#folder.file("config", `${name}.yaml`)],
      this.#clock,
    );
  }

  async #state(): Promise<LocalnetState> {
    const state = await this.#folder.read();
    if (state !== undefined) return state;
    throw downError(this.#manifest.name);
  }

  /** The names of all that were ever started there. */
  async #started(): Promise<string[]> {
    try {
      return (await Array.fromAsync(Deno.readDir(this.#folder.file("pids")))).map(({ name }) => name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }
}

/** Fails for the first that has ended, with its last words. @throws {P2pError} `node_died` */
async function assertRunning(processes: readonly LocalProcess[]): Promise<void> {
  for (const process of processes) {
    if (await process.running() !== undefined) continue;
    const words = await process.lastWords();
    const ended = `Node ${process.name} ended while it was to become ready`;
    if (words !== "") throw new P2pError("node_died", `${ended}:\n${words}`);
    throw new P2pError("node_died", `${ended}, without a word in its log`, {
      hint: "See whether the disk of the state folder has room",
    });
  }
}
