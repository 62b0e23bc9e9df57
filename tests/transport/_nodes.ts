import { deadline, systemClock } from "../../src/base/clock.ts";
import type { P2pError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { Routines } from "../../src/base/routines.ts";
import type { ByteWriter } from "../../src/codec/byte_writer.ts";
import { writeFrame } from "../../src/codec/frame.ts";
import type { NodeAddress } from "../../src/identity/node_address.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import { MemoryNetwork, MemoryTransport } from "../../src/transport/memory/memory_transport.ts";
import { CHANNEL_PROTOCOL_VERSION, type NodeInfo } from "../../src/transport/node_info.ts";
import type { Connection, ConnectionHandler, Endpoint, Transport } from "../../src/transport/transport.ts";

/** Makes the transports of one test; those of one kit reach each other. */
export interface TransportKit {
  /** The transport of one node. */
  create(key: NodeKey, routines: Routines): Transport;
  /** Where it may listen; the system chooses what is left open. */
  readonly endpoint: Endpoint;
}

export function memoryKit(): TransportKit {
  const network = new MemoryNetwork();
  return {
    create: ({ publicKey }, routines) => new MemoryTransport({ network, publicKey, routines }),
    endpoint: { protocol: "memory" },
  };
}

/** Rejects after ten real seconds: a hang is reported by name and not by a job that runs for ever. */
export async function within<T>(what: string, work: Promise<T>): Promise<T> {
  using limit = deadline(systemClock, 10_000, what);
  const late = new Promise<never>((_, reject) => {
    limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
  });
  return await Promise.race([work, late]);
}

/** Lets the event loop turn until something has come true. */
export function until(what: string, condition: () => boolean): Promise<void> {
  let given = false;
  const turning = async () => {
    while (!condition() && !given) await settle();
  };
  return within(what, turning()).finally(() => given = true);
}

/** One node: a key, a transport, the routines it runs, and what dialled it. */
export class TestNode implements AsyncDisposable {
  readonly key: NodeKey;
  readonly routines = new Routines();
  readonly transport: Transport;
  readonly #endpoint: Endpoint;
  #arrived: Connection[] = [];
  #connections: Connection[] = [];

  constructor(kit: TransportKit, seed: number) {
    this.key = NodeKey.fromSeed(seededRandom(seed).fill(new Uint8Array(32)));
    this.transport = kit.create(this.key, this.routines);
    this.#endpoint = kit.endpoint;
  }

  get address(): string {
    return this.key.address;
  }

  info(overrides: Partial<NodeInfo> = {}): NodeInfo {
    return {
      version: CHANNEL_PROTOCOL_VERSION,
      network: "test",
      address: this.address,
      listen: [],
      channels: [],
      ...overrides,
    };
  }

  /** Starts listening; returns what to dial. */
  async listen(endpoint: Endpoint = this.#endpoint): Promise<NodeAddress> {
    const listening = await this.transport.listen(endpoint, (connection) => {
      this.#arrived.push(connection);
      this.#connections.push(connection);
    });
    return { id: this.address, ...listening };
  }

  async dial(address: NodeAddress): Promise<Connection> {
    const connection = await within("dial", this.transport.dial(address));
    this.#connections.push(connection);
    return connection;
  }

  async accepted(): Promise<Connection> {
    await until("an inbound connection", () => this.#arrived.length > 0);
    return this.#arrived.shift()!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close();
    await within("close", Promise.all(this.#connections.map((connection) => connection.close())));
    await within("the end of all routines", this.routines.settled());
  }
}

/** Both ends of a fresh connection, not yet handshaken. */
export async function connect(dialler: TestNode, listener: TestNode): Promise<[Connection, Connection]> {
  const outbound = await dialler.dial(await listener.listen());
  return [outbound, await listener.accepted()];
}

/** Both ends of a connection after the handshake. */
export async function handshaken(dialler: TestNode, listener: TestNode): Promise<[Connection, Connection]> {
  const [outbound, inbound] = await connect(dialler, listener);
  const { signal } = new AbortController();
  await within(
    "handshake",
    Promise.all([outbound.handshake(dialler.info(), { signal }), inbound.handshake(listener.info(), { signal })]),
  );
  return [outbound, inbound];
}

export interface Frame {
  channel: number;
  flags: number;
  body: Uint8Array;
}

/** Sends what stands in its queue and keeps what arrives. */
export class FrameTester implements ConnectionHandler {
  readonly queue: Frame[] = [];
  readonly received: Frame[] = [];
  /** What {@link closed} was called with, each time. */
  readonly ends: (P2pError | undefined)[] = [];

  receive(channel: number, flags: number, body: Uint8Array): void {
    this.received.push({ channel, flags, body });
  }

  take(out: ByteWriter, budget: number): void {
    const limit = out.length + budget;
    while (this.queue.length > 0 && out.length < limit) {
      const { channel, flags, body } = this.queue.shift()!;
      writeFrame(out, channel, flags, body);
    }
  }

  closed(reason: P2pError | undefined): void {
    this.ends.push(reason);
  }

  /** Waits until so many frames have arrived. */
  frames(count: number): Promise<void> {
    return until(`${count} frames`, () => this.received.length >= count || this.ends.length > 0);
  }

  async ended(): Promise<P2pError | undefined> {
    await until("the end of the connection", () => this.ends.length > 0);
    return this.ends[0];
  }
}
