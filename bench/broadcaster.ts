import type { Network, Side } from "./side.ts";

/** A message that has not reached everyone by then is lost, and a lost message is a failure. */
const LOST_MS = 30_000;

/** A network that knows when a broadcast has reached everyone. */
export class Broadcaster {
  readonly #underway = new Map<number, { missing: Set<number>; done: () => void }>();
  readonly #messageBytes: number;
  readonly #nodes: number;
  #broadcast: Network["broadcast"] | undefined;
  #next = 0;
  /** Deliveries so far. */
  deliveries = 0;

  /** `nodes` that broadcast messages of `messageBytes`. */
  constructor(nodes: number, messageBytes: number) {
    this.#nodes = nodes;
    this.#messageBytes = messageBytes;
  }

  /** Makes the nodes. */
  async connect(side: Side, signed: boolean): Promise<void> {
    const network = await side.network(this.#nodes, { signed, onDelivery: this.#delivered.bind(this) });
    this.#broadcast = network.broadcast.bind(network);
  }

  /** Broadcasts a message that is like no other from the next node; resolves when every other node has it. */
  async toAll(): Promise<void> {
    const id = this.#next++;
    const origin = id % this.#nodes;
    const missing = new Set(Array.from({ length: this.#nodes }, (_, node) => node));
    missing.delete(origin);
    const message = new Uint8Array(this.#messageBytes);
    new DataView(message.buffer).setUint32(0, id);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const lost = setTimeout(
      () => reject(new Error(`Message ${id} did not reach nodes ${[...missing].join(", ")}`)),
      LOST_MS,
    );
    this.#underway.set(id, { missing, done: resolve });
    await this.#broadcast!(origin, message);
    await promise;
    clearTimeout(lost);
  }

  #delivered(node: number, message: Uint8Array): void {
    if (message.length !== this.#messageBytes) {
      throw new Error(`Received ${message.length} bytes: wanted ${this.#messageBytes}`);
    }
    const id = new DataView(message.buffer, message.byteOffset).getUint32(0);
    const broadcast = this.#underway.get(id);
    if (!broadcast?.missing.delete(node)) {
      throw new Error(`Message ${id} was delivered to node ${node} twice, or to its origin`);
    }
    this.deliveries++;
    if (broadcast.missing.size > 0) return;
    this.#underway.delete(id);
    broadcast.done();
  }
}
