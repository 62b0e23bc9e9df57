import { seededRandom } from "../../src/base/random.ts";
import { Routines } from "../../src/base/routines.ts";
import type { NodeAddress } from "../../src/identity/node_address.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { PeerManager } from "../../src/peer/peer_manager.ts";
import type { PeerManagerOptions } from "../../src/peer/peer_manager_options.ts";
import type { Channel, ChannelDescriptor } from "../../src/router/channel.ts";
import { bytesCodec } from "../../src/router/codec.ts";
import { Router } from "../../src/router/router.ts";
import type { RouterOptions } from "../../src/router/router_options.ts";
import { settle, VirtualClock } from "../../src/sim/virtual_clock.ts";
import { MemoryNetwork, MemoryTransport } from "../../src/transport/memory/memory_transport.ts";

/** What the nodes of one test share. */
export class World {
  readonly clock = new VirtualClock();
  readonly memory = new MemoryNetwork();
  readonly nodes: TestNode[] = [];

  /** A node that neither listens nor dials yet; equal seeds give equal keys, and seed order is address order. */
  node(seed: number, options: NodeOptions = {}): TestNode {
    const node = new TestNode(this, keyOf(seed), options);
    this.nodes.push(node);
    return node;
  }

  /** A node that listens and dials. */
  async started(seed: number, options?: NodeOptions): Promise<TestNode> {
    const node = this.node(seed, options);
    await node.start();
    return node;
  }

  /** Waits for work that needs time to pass. */
  async pass<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = work.finally(() => done = true);
    finished.catch(() => {}); // told to whoever awaits below
    await settle();
    while (!done) await this.clock.advance(10);
    return await finished;
  }

  /** Stops all nodes; fails if something of them is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.pass(Promise.all(this.nodes.map((node) => node.stop())));
    const left = this.nodes.flatMap(({ routines }) => routines.names());
    if (left.length > 0) throw new Error(`Routines left: ${left}`);
    if (this.clock.pending > 0) throw new Error(`${this.clock.pending} timers left`);
  }
}

/** What differs from node to node. */
export interface NodeOptions {
  peers?: PeerManagerOptions;
  router?: Partial<RouterOptions>;
}

/** A router with its peer manager, and what they told. */
export class TestNode {
  readonly key: NodeKey;
  readonly peers: PeerManager;
  readonly router: Router;
  readonly transport: MemoryTransport;
  readonly routines = new Routines();
  /** `up` and `down` of peers, in order. */
  readonly updates: string[] = [];
  /** When this node dialled, in virtual milliseconds. */
  readonly dials: number[] = [];

  constructor({ clock, memory }: World, key: NodeKey, { peers = {}, router = {} }: NodeOptions) {
    this.key = key;
    const random = seededRandom(7);
    this.peers = PeerManager.open(key.address, { clock, random, keepConnected: 0, idleMs: Infinity, ...peers });
    this.transport = new MemoryTransport({ network: memory, publicKey: key.publicKey, routines: this.routines });
    const dial = this.transport.dial.bind(this.transport);
    this.transport.dial = (address, signal) => {
      this.dials.push(clock.now());
      return dial(address, signal);
    };
    this.router = new Router({
      address: key.address,
      network: "test",
      transports: [this.transport],
      peers: this.peers,
      clock,
      strict: true,
      onUp: ({ address }) => this.updates.push(`up ${address}`),
      onDown: (address) => this.updates.push(`down ${address}`),
      ...router,
    });
  }

  get address(): string {
    return this.key.address;
  }

  get nodeAddress(): NodeAddress {
    return { protocol: "memory", id: this.address };
  }

  async start(): Promise<void> {
    await this.router.listen({ protocol: "memory" });
    this.router.start();
  }

  async stop(): Promise<void> {
    await this.router.stop();
    this.peers.close();
  }

  /** Learns of others, and keeps connected with them if `wanted`. */
  meet(others: TestNode[], { wanted = true } = {}): void {
    for (const { nodeAddress } of others) this.peers.add(nodeAddress);
    if (wanted) this.peers.want(others.map(({ address }) => address));
  }

  /** A channel of texts and what came on it, as `text`. */
  texts(descriptor: Partial<ChannelDescriptor<Uint8Array>> = {}): TextChannel {
    const channel = this.router.openChannel({ id: 1, name: "text", codec: bytesCodec, ...descriptor });
    return new TextChannel(channel);
  }
}

/** Sends and collects texts. */
export class TextChannel {
  readonly channel: Channel<Uint8Array>;
  readonly received: string[] = [];

  constructor(channel: Channel<Uint8Array>) {
    this.channel = channel;
  }

  /** Begins to receive. */
  collect(): this {
    this.channel.handle((message) => {
      this.received.push(new TextDecoder().decode(message));
    });
    return this;
  }

  send(to: TestNode, text: string): Promise<void> {
    return this.channel.send(to.address, new TextEncoder().encode(text));
  }
}

const keys: NodeKey[] = [];

/** The key of a seed, 0 to 63. */
export function keyOf(seed: number): NodeKey {
  if (keys.length === 0) {
    for (let i = 0; i < 64; i++) keys.push(NodeKey.fromSeed(new Uint8Array(32).fill(i + 1)));
    keys.sort((a, b) => a.address < b.address ? -1 : 1);
  }
  return keys[seed];
}
