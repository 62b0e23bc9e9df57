import type { Network, NetworkOptions, Side } from "./side.ts";

/** Nodes are kept as the bits of one number. */
const NODES_MAX = 31;

/**
 * A network that knows when a broadcast has reached everyone. A broadcast that does not is never done, so that the process stays silent and its parent
 * reports it: a timer for each would be measured too.
 */
export class Broadcaster {
  readonly #underway = new Map<number, { missing: number; done: () => void }>();
  readonly #messageBytes: number;
  readonly #nodes: number;
  #broadcast: Network["broadcast"] | undefined;
  #next = 0;
  /** Deliveries so far. */
  deliveries = 0;

  /** `nodes` that broadcast messages of `messageBytes`. @throws {RangeError} for more than 31 nodes */
  constructor(nodes: number, messageBytes: number) {
    if (nodes > NODES_MAX) throw new RangeError(`Cannot follow ${nodes} nodes: wanted at most ${NODES_MAX}`);
    this.#nodes = nodes;
    this.#messageBytes = messageBytes;
  }

  /** Makes the nodes and connects them. */
  async connect(side: Side, options: Omit<NetworkOptions, "onDelivery">): Promise<void> {
    const network = await side.network(this.#nodes, { ...options, onDelivery: this.#delivered.bind(this) });
    await network.connect(network.members);
    this.#broadcast = network.broadcast.bind(network);
  }

  /** Broadcasts a message that is like no other, from node 0 or the named one; resolves when every other node has it. */
  toAll(origin = 0): Promise<void> {
    const id = this.#next++;
    const message = new Uint8Array(this.#messageBytes);
    new DataView(message.buffer).setUint32(0, id);
    return new Promise((done, failed) => {
      this.#underway.set(id, { missing: (2 ** this.#nodes - 1) & ~(1 << origin), done });
      this.#broadcast!(origin, message)?.catch(failed);
    });
  }

  #delivered(node: number, message: Uint8Array): void {
    if (message.length !== this.#messageBytes) {
      throw new Error(`Received ${message.length} bytes: wanted ${this.#messageBytes}`);
    }
    const id = new DataView(message.buffer, message.byteOffset).getUint32(0);
    const broadcast = this.#underway.get(id);
    if (broadcast === undefined || (broadcast.missing & (1 << node)) === 0) {
      throw new Error(`Message ${id} was delivered to node ${node} twice, or to its origin`);
    }
    this.deliveries++;
    broadcast.missing &= ~(1 << node);
    if (broadcast.missing !== 0) return;
    this.#underway.delete(id);
    broadcast.done();
  }
}
