import { P2pError } from "../../src/base/errors.ts";
import { Channel, type ChannelDescriptor, type ChannelHost } from "../../src/router/channel.ts";
import type { MessageCodec } from "../../src/router/codec.ts";
import type { Socket } from "../../src/socket/socket.ts";
import { settle, VirtualClock } from "../../src/sim/virtual_clock.ts";
import { SocketTester } from "../socket/_socket_pair.ts";
import { memoryKit, TestNode, within } from "../transport/_nodes.ts";

/** Text that must be UTF-8. */
export const textCodec: MessageCodec<string> = {
  encode: (text) => new TextEncoder().encode(text),
  decode: (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
};

/** As little of a router as channels need, and what they told it. */
class TestHost implements ChannelHost {
  readonly open = new Map<string, Socket>();
  readonly drops: [channel: number, peer: string, reason: string][] = [];
  readonly misbehaviour: string[] = [];
  readonly failures: [channel: string, message: string][] = [];
  connects = 0;
  readonly #connect: (peer: string) => Promise<Socket>;

  constructor(connect: (peer: string) => Promise<Socket>) {
    this.#connect = connect;
  }

  socket(peer: string): Socket | undefined {
    const socket = this.open.get(peer);
    return socket?.state === "open" ? socket : undefined;
  }

  sockets(): Iterable<Socket> {
    return this.open.values();
  }

  connect(peer: string): Promise<Socket> {
    this.connects++;
    return this.#connect(peer);
  }

  dropped(channel: number, peer: string, reason: string): void {
    this.drops.push([channel, peer, reason]);
  }

  misbehaved(peer: string): void {
    this.misbehaviour.push(peer);
  }

  handlerFailed(channel: string, error: Error): void {
    this.failures.push([channel, error.message]);
  }
}

class ChannelNode extends TestNode {
  readonly channels = new Map<number, Channel<unknown>>();
  host!: TestHost;
}

/** Nodes over the memory transport with real sockets and channels, without a router. Time stands still. */
export class ChannelNetwork implements AsyncDisposable {
  readonly nodes: ChannelNode[];
  readonly clock = new VirtualClock();
  readonly #defaults: Partial<ChannelDescriptor<unknown>>;
  readonly #sockets = new Set<Socket>();

  private constructor(count: number, defaults: Partial<ChannelDescriptor<unknown>>) {
    const kit = memoryKit();
    this.#defaults = defaults;
    this.nodes = Array.from({ length: count }, (_, i) => new ChannelNode(kit, i + 1));
    for (const node of this.nodes) {
      node.host = new TestHost((peer) => {
        const other = this.nodes.find(({ address }) => address === peer);
        if (other === undefined) return Promise.reject(new P2pError("peer_unknown", `No peer ${peer}`));
        return this.connect(node, other);
      });
    }
  }

  /** The first node connected to all others, unless told whom to connect. */
  static async of(
    count: number,
    defaults: Partial<ChannelDescriptor<unknown>> = {},
    pairs: [number, number][] | false = Array.from({ length: count - 1 }, (_, i) => [0, i + 1]),
  ): Promise<ChannelNetwork> {
    const network = new ChannelNetwork(count, defaults);
    for (const node of network.nodes) await node.listen();
    for (const [from, to] of pairs || []) await network.connect(network.nodes[from], network.nodes[to]);
    return network;
  }

  /** Opens a channel of ID 7 on each node (or `only` on some), in their order. */
  async open<T>(
    codec: MessageCodec<T>,
    options: Partial<ChannelDescriptor<T>> & { only?: number[] } = {},
  ): Promise<Channel<T>[]> {
    const { only, ...descriptor } = options;
    const channels = this.nodes.map((node, i) => {
      const channel = new Channel<T>({ id: 7, name: "texts", ...this.#defaults, ...descriptor, codec }, node.host);
      if (only !== undefined && !only.includes(i)) return channel;
      node.channels.set(channel.id, channel as Channel<unknown>);
      for (const socket of node.host.sockets()) socket.addLane(channel.lane);
      return channel;
    });
    await settle(); // the peers hear of it
    return channels;
  }

  /** Connects two nodes and returns the first one's socket. */
  async connect(from: ChannelNode, to: ChannelNode): Promise<Socket> {
    const [a, b] = [this.#tester(from), this.#tester(to)];
    const { signal } = new AbortController();
    const address = { id: to.address, ...to.transport.endpoints()[0] };
    await a.socket.dial(from.transport, address, signal);
    b.socket.accept(await to.accepted());
    await within("handshake", Promise.all([a.authenticate(signal), b.authenticate(signal)]));
    a.open();
    b.open();
    from.host.open.set(to.address, a.socket);
    to.host.open.set(from.address, b.socket);
    return a.socket;
  }

  async disconnect(from: ChannelNode, to: ChannelNode): Promise<void> {
    const [a, b] = [from.host.open.get(to.address)!, to.host.open.get(from.address)!];
    await within("close", Promise.all([a.close(), b.close()]));
  }

  /** The open sockets of one node. */
  sockets(index: number): Socket[] {
    return [...this.nodes[index].host.sockets()];
  }

  #tester(node: ChannelNode): SocketTester {
    const tester = new SocketTester(node, this.clock, {
      lanes: [...node.channels.values()].map(({ lane }) => lane),
      drainMs: 1,
      onMessage: (socket, channel, bytes) => node.channels.get(channel)!.deliver(socket, bytes),
      onClosed: (socket) => {
        this.#sockets.delete(socket);
        if (node.host.open.get(socket.address) === socket) node.host.open.delete(socket.address);
        for (const channel of node.channels.values()) channel.disconnected(socket);
      },
    });
    this.#sockets.add(tester.socket);
    return tester;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = Promise.all([...this.#sockets].map((socket) => socket.close()));
    await this.clock.advance(10);
    await within("close", closing);
    for (const node of this.nodes) {
      for (const channel of node.channels.values()) channel.close();
      await node[Symbol.asyncDispose]();
    }
    if (this.clock.pending > 0) throw new Error(`${this.clock.pending} timers are left`);
  }
}
