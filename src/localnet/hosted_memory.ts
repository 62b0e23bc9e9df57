import { newToken } from "../admin/new_token.ts";
import { type Clock, sleep, systemClock } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import { type Random, systemRandom } from "../base/random.ts";
import type { Access, Backend, NetworkStatus } from "./backend.ts";
import { downError } from "./backend_errors.ts";
import { askHost, type HostRequest } from "./host_requests.ts";
import { END_MS, LocalProcess } from "./local_process.ts";
import type { Fault, FaultKind, Manifest } from "./manifest.ts";
import { assertSame, digestOf } from "./manifest_digest.ts";
import { MEMORY_FAULTS } from "./memory_backend.ts";
import { networkStatus } from "./network_status.ts";
import type { ProcessBackendOptions } from "./process_backend.ts";
import { StateFolder } from "./state_folder.ts";
import { assertFault, assertSupported } from "./unsupported.ts";

const LOOK_MS = 20;

/** The memory back end for those who come and go: it lives in one process of its own, which outlives whoever started it, and is asked over the state folder. */
export class HostedMemory implements Backend {
  readonly name = "memory";
  readonly faults: ReadonlySet<FaultKind> = MEMORY_FAULTS;
  readonly restartsKilled = false;
  readonly shapesLinks = true;
  readonly #manifest: Manifest;
  readonly #folder: StateFolder;
  readonly #host: LocalProcess;
  readonly #clock: Clock;
  readonly #random: Random;

  /** Starts nothing yet. */
  constructor(manifest: Manifest, { folder, clock = systemClock, random = systemRandom }: ProcessBackendOptions) {
    this.#manifest = manifest;
    this.#folder = new StateFolder(folder, clock);
    const paths = { pid: this.#folder.file("pids", "host"), log: this.#folder.file("logs", "host.log") };
    this.#host = new LocalProcess("host", paths, ["localnet", "host", "--state", folder], clock);
    this.#clock = clock;
    this.#random = random;
  }

  async up(signal: AbortSignal): Promise<void> {
    assertSupported(this.#manifest, this);
    using _lock = await this.#folder.lock(signal);
    const before = await this.#folder.read();
    if (before !== undefined) assertSame(before, this.#manifest, this.name);
    if (await this.#runs()) return await this.#ask({ do: "up" }, signal);
    try {
      await this.#prepare();
      signal.throwIfAborted();
      await this.#host.start();
      await this.#ready(signal);
    } catch (error) {
      await this.#host.kill();
      await this.#folder.remove();
      throw error;
    }
  }

  async access(): Promise<Access | undefined> {
    const state = await this.#folder.read();
    if (state === undefined || state.nodes.length === 0) return undefined;
    return { nodes: state.nodes, token: await this.#folder.token() };
  }

  async status(): Promise<NetworkStatus> {
    return await networkStatus(this.#manifest.name, this.name, await this.access(), this.#clock);
  }

  async fault(fault: Fault, signal: AbortSignal): Promise<void> {
    await this.#assertUp();
    assertFault(fault, this.#manifest, this);
    await this.#ask({ do: "fault", fault }, signal);
  }

  async logs(node: string, lines: number): Promise<readonly string[]> {
    await this.#assertUp();
    return await this.#ask({ do: "logs", node, lines });
  }

  async down(): Promise<number> {
    using _lock = await this.#folder.lock();
    const ended = await this.#endNodes();
    await this.#host.end();
    await this.#folder.remove();
    return ended;
  }

  /** How many the host has ended in order; none where it is not there, still starts or has lost its mind: then it is ended by its process alone. */
  async #endNodes(): Promise<number> {
    if (await this.access() === undefined || !await this.#runs()) return 0;
    try {
      return await this.#ask({ do: "down" }, undefined, END_MS);
    } catch (error) {
      if (error instanceof P2pError && ["node_died", "deadline"].includes(error.code)) return 0;
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    await this.#folder.prepare();
    await this.#folder.write("manifest.json", JSON.stringify(this.#manifest));
    await this.#folder.write("token", `${newToken(this.#random)}\n`);
    const { name } = this.#manifest;
    await this.#folder.save({ name, backend: this.name, digest: digestOf(this.#manifest), nodes: [] });
  }

  /** The host says in the state when all are ready, and ends where they are not in time. */
  async #ready(signal: AbortSignal): Promise<void> {
    for (;;) {
      const running = await this.#runs();
      if (await this.access() !== undefined) return;
      if (!running) {
        const words = await this.#host.lastWords();
        const code = words.includes("Not all nodes are ready") ? "localnet_late" : "node_died";
        throw new P2pError(code, `The process of the memory back end ended:\n${words}`);
      }
      await sleep(this.#clock, LOOK_MS, signal);
    }
  }

  #ask<T>(request: HostRequest, signal?: AbortSignal, withinMs?: number): Promise<T> {
    const id = this.#random.fill(new Uint8Array(8)).toHex();
    return askHost(this.#folder, request, { id, runs: () => this.#runs(), clock: this.#clock, signal, withinMs });
  }

  async #runs(): Promise<boolean> {
    return await this.#host.running() !== undefined;
  }

  async #assertUp(): Promise<void> {
    if (await this.#folder.read() !== undefined && await this.#runs()) return;
    throw downError(this.#manifest.name);
  }
}
