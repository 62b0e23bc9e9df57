import type { P2pError } from "../../src/base/errors.ts";
import { Routines } from "../../src/base/routines.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { writeFrame } from "../../src/codec/frame.ts";
import type { NodeKey } from "../../src/identity/node_key.ts";
import { settle } from "../../src/sim/virtual_clock.ts";
import { MemoryTransport } from "../../src/transport/memory/memory_transport.ts";
import { CHANNEL_PROTOCOL_VERSION, type NodeInfo } from "../../src/transport/node_info.ts";
import type { Connection, ConnectionHandler } from "../../src/transport/transport.ts";
import type { TestNode, World } from "./_node.ts";

/** One connection of a peer that does as the test wants: it answers no ping and gives no credit of its own accord. */
export class RawPeer implements ConnectionHandler {
  /** How the connection ended; `undefined` while it stands. */
  ended: { reason: P2pError | undefined } | undefined;
  readonly #connection: Connection;
  readonly #out = new ByteWriter();

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Connects to a node and shakes hands. */
  static async connect(world: World, key: NodeKey, to: TestNode, info: Partial<NodeInfo> = {}): Promise<RawPeer> {
    const { address, publicKey } = key;
    const transport = new MemoryTransport({ network: world.memory, publicKey, routines: new Routines() });
    const connection = await transport.dial(to.nodeAddress);
    const hello = { version: CHANNEL_PROTOCOL_VERSION, network: "test", address, listen: [], channels: [], ...info };
    await connection.handshake(hello, { signal: new AbortController().signal });
    const peer = new RawPeer(connection);
    connection.open(peer);
    await settle();
    return peer;
  }

  /** Sends whole messages on a channel, all in one write. */
  async send(channel: number, ...messages: Uint8Array[]): Promise<void> {
    for (const message of messages) writeFrame(this.#out, channel, 0, message);
    this.#connection.wake();
    await settle();
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    await this.#connection.close();
    await settle();
  }

  receive(): void {}

  take(out: ByteWriter): void {
    out.push(this.#out.bytes());
    this.#out.clear();
  }

  closed(reason: P2pError | undefined): void {
    this.ended = { reason };
  }
}
