import { newToken } from "../admin/new_token.ts";
import { AdminServer } from "../admin/admin_server.ts";
import { echo } from "../admin/echo.ts";
import { MessageLog } from "../admin/message_log.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { type Random, systemRandom } from "../base/random.ts";
import type { Address } from "../identity/address.ts";
import { NodeKey } from "../identity/node_key.ts";
import { LocalBus } from "../module/bus.ts";
import { P2PModule } from "../module/p2p_module.ts";
import { StaticProvider } from "../peer/static_provider.ts";
import { SimNetwork } from "../sim/sim_network.ts";
import { allOf } from "./all_of.ts";
import type { Access, Backend, LocalNode, NetworkStatus } from "./backend.ts";
import { downError, unknownNodeError } from "./backend_errors.ts";
import type { Fault, FaultKind, Manifest, ManifestLink } from "./manifest.ts";
import { MortalClock } from "./mortal_clock.ts";
import { networkStatus } from "./network_status.ts";
import { nodeConfig } from "./node_config.ts";
import { assertFault, assertSupported } from "./unsupported.ts";
import { waitUntilReady } from "./wait_until_ready.ts";

/** Options of a {@link MemoryBackend}. */
export interface MemoryBackendOptions {
  /** Bearer token of the admin APIs. @default {a random one} */
  token?: string;
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Randomness of token and links. @default {systemRandom} */
  random?: Random;
}

/** The most that a link may lose. */
const LOSS_MAX = 0.5;

/** What this back end can do. */
export const MEMORY_FAULTS: ReadonlySet<FaultKind> = new Set(
  ["kill", "stop", "cont", "restart", "partition", "heal", "upgrade"] as const,
);

/** Lines kept of what a node tells; the oldest goes first. */
const LINES_MAX = 1_000;

interface MemoryNode {
  readonly name: string;
  readonly key: NodeKey;
  readonly lines: string[];
  /** Where its admin API was opened first, and is again. */
  port: number;
  module?: P2PModule;
  clock?: MortalClock;
  admin?: AdminServer;
  messages?: MessageLog;
  stopped: boolean;
}

/**
 * A network of production modules in this process. What lies between them is simulated, in real time: links have delay and loss, the network can be cut, a
 * node killed or stopped. Admin APIs are real, on ports of the loopback that the system chooses. It lasts as long as the process.
 */
export class MemoryBackend implements Backend {
  readonly name = "memory";
  readonly faults: ReadonlySet<FaultKind> = MEMORY_FAULTS;
  readonly restartsKilled = false;
  readonly shapesLinks = true;
  readonly #manifest: Manifest;
  readonly #clock: Clock;
  readonly #token: string;
  readonly #random: Random;
  readonly #chain: StaticProvider;
  readonly #nodes: readonly MemoryNode[];
  /** While it is up: what lies between the nodes, and its time, which ends with it. */
  #between: { readonly network: SimNetwork; readonly clock: MortalClock } | undefined;

  /** Starts nothing yet. */
  constructor(manifest: Manifest, options: MemoryBackendOptions = {}) {
    const { clock = systemClock, random = systemRandom } = options;
    const { token = newToken(random) } = options;
    this.#manifest = manifest;
    this.#clock = clock;
    this.#token = token;
    this.#nodes = manifest.validators.map(({ name, key }) => ({
      name,
      key: key === "" ? NodeKey.generate() : NodeKey.fromPrivateHex(key),
      lines: [],
      port: 0,
      stopped: false,
    }));
    this.#chain = new StaticProvider(this.#nodes.map(({ key: { address, publicKey } }, i) => {
      const stake = BigInt(manifest.validators[i].stake);
      return { address, publicKey, nodeAddress: { protocol: "memory", id: address }, stake };
    }));
    this.#random = random;
  }

  async up(signal: AbortSignal): Promise<void> {
    assertSupported(this.#manifest, this);
    signal.throwIfAborted();
    const fresh = this.#between === undefined;
    this.#between ??= this.#connect();
    try {
      await allOf(this.#nodes.filter(({ module }) => module === undefined).map((node) => this.#start(node, signal)));
      const { readyWithinMs: withinMs } = this.#manifest;
      await waitUntilReady(this, { withinMs, clock: this.#clock, signal });
    } catch (error) {
      if (fresh) await this.down();
      throw error;
    }
  }

  access(): Promise<Access | undefined> {
    return Promise.resolve(this.#between ? { nodes: this.#nodes.map(localNode), token: this.#token } : undefined);
  }

  async status(): Promise<NetworkStatus> {
    return await networkStatus(this.#manifest.name, this.name, await this.access(), this.#clock);
  }

  async fault(fault: Fault, signal: AbortSignal): Promise<void> {
    this.#assertUp();
    assertFault(fault, this.#manifest, this);
    const nodes = fault.nodes.map((name) => this.#node(name));
    switch (fault.fault) {
      case "kill":
        await allOf(nodes.map((node) => this.#kill(node)));
        break;
      case "stop":
        await allOf(nodes.map((node) => this.#stop(node)));
        break;
      case "cont":
        nodes.forEach((node) => this.#continue(node));
        break;
      case "restart":
        await allOf(nodes.map((node) => this.#restart(node, signal)));
        break;
      case "upgrade":
        for (const node of this.#nodes) await this.#replace(node, signal);
        break;
      case "partition":
        this.#network.partition(fault.groups.map((group) => group.map((name) => this.#node(name).key.address)));
        break;
      case "heal":
        this.#network.heal();
    }
  }

  // deno-lint-ignore require-await -- what it throws is a rejection
  async logs(node: string, lines: number): Promise<readonly string[]> {
    this.#assertUp();
    const { lines: all } = this.#node(node);
    return all.slice(Math.max(0, all.length - lines));
  }

  async down(): Promise<number> {
    const running = this.#nodes.filter(({ module }) => module !== undefined);
    this.#between?.network.heal();
    await allOf(running.map((node) => this.#end(node)));
    this.#between?.clock.end();
    this.#between = undefined;
    for (const node of this.#nodes) {
      node.port = 0;
      node.lines.length = 0;
    }
    return running.length;
  }

  #connect(): { network: SimNetwork; clock: MortalClock } {
    const { validators } = this.#manifest;
    const zones = new Map(this.#nodes.map(({ key }, i) => [key.address, validators[i].zone]));
    const seed = Math.floor(this.#random.next() * 2 ** 32);
    const clock = new MortalClock(this.#clock);
    const link = (from: Address, to: Address) => linkOf(this.#manifest, zones, from, to);
    return { network: new SimNetwork(clock, { seed, link }), clock };
  }

  get #network(): SimNetwork {
    this.#assertUp();
    return this.#between!.network;
  }

  async #start(node: MemoryNode, signal: AbortSignal): Promise<void> {
    const { key, lines } = node;
    const { clock: hostClock, random, transport } = this.#network.host(key);
    const clock = node.clock = new MortalClock(hostClock);
    const say = (line: string) => {
      lines.push(`${new Date(this.#clock.wall()).toISOString()} ${line}`);
      if (lines.length > LINES_MAX) lines.shift();
    };
    const bus = new LocalBus();
    bus.subscribe((event) => {
      if (event.type === "message") say(`message of ${event.content.value.length} bytes by way of ${event.from}`);
      else say("peer" in event ? `${event.type} ${event.peer}` : event.type);
    });
    const messages = node.messages = new MessageLog({ clock: this.#clock });
    const module = node.module = P2PModule.create(
      { ...nodeConfig(this.#manifest), private_key: key, connection_type: "memory" },
      { peerstore: this.#chain, heights: this.#chain, bus, clock, random, transport, trace: messages },
    );
    module.onRequest(echo);
    this.#openAdmin(node);
    await module.start({ signal });
    say(`started, admin API at ${node.admin?.url}`);
  }

  #openAdmin(node: MemoryNode): void {
    const { module, messages, port } = node;
    const admin = node.admin = AdminServer.open({ module: module!, messages: messages!, port, token: this.#token });
    node.port = Number(new URL(admin.url).port);
  }

  /** As `kill -9`: nobody is told, but by the machine. */
  async #kill(node: MemoryNode): Promise<void> {
    const { admin } = node;
    if (node.module === undefined) return;
    this.#network.crash(node.key.address);
    this.#forget(node, "killed");
    await admin?.close();
  }

  async #stop(node: MemoryNode): Promise<void> {
    if (node.module === undefined || node.stopped) return;
    const { admin } = node;
    node.stopped = true;
    node.admin = undefined;
    this.#network.pause(node.key.address);
    await admin?.close();
  }

  #continue(node: MemoryNode): void {
    if (node.module === undefined || !node.stopped) return;
    node.stopped = false;
    this.#network.resume(node.key.address);
    this.#openAdmin(node);
  }

  async #restart(node: MemoryNode, signal: AbortSignal): Promise<void> {
    await this.#end(node);
    await this.#start(node, signal);
  }

  /** Restarts one and waits until all are ready. */
  async #replace(node: MemoryNode, signal: AbortSignal): Promise<void> {
    await this.#restart(node, signal);
    const { readyWithinMs: withinMs } = this.#manifest;
    await waitUntilReady(this, { withinMs, clock: this.#clock, signal });
  }

  /** In order, and then its machine goes. */
  async #end(node: MemoryNode): Promise<void> {
    if (node.module === undefined) return;
    this.#continue(node);
    const { module, admin } = node;
    admin?.drain();
    if (module.started) await module.stop();
    await admin?.close();
    this.#network.crash(node.key.address);
    this.#forget(node, "ended");
  }

  #forget(node: MemoryNode, how: string): void {
    node.clock?.end();
    node.clock = undefined;
    node.module = node.admin = node.messages = undefined;
    node.stopped = false;
    node.lines.push(`${new Date(this.#clock.wall()).toISOString()} ${how}`);
  }

  #node(name: string): MemoryNode {
    const node = this.#nodes.find((each) => each.name === name);
    if (node !== undefined) return node;
    throw unknownNodeError(name, this.#manifest.name);
  }

  #assertUp(): void {
    if (this.#between !== undefined) return;
    throw downError(this.#manifest.name);
  }
}

function localNode({ name, key, port }: MemoryNode): LocalNode {
  return { name, address: key.address, role: "validator", adminUrl: `http://127.0.0.1:${port}` };
}

function linkOf({ links }: Manifest, zones: ReadonlyMap<Address, string>, from: Address, to: Address): ManifestLink {
  const { betweenZones: more, latencyMs, jitterMs, loss } = links;
  if (zones.get(from) === zones.get(to)) return { latencyMs, jitterMs, loss };
  return {
    latencyMs: latencyMs + more.latencyMs,
    jitterMs: jitterMs + more.jitterMs,
    loss: Math.min(LOSS_MAX, loss + more.loss),
  };
}
