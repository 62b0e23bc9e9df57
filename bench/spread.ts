import type { Network } from "./side.ts";

/** How often broadcasts that nobody should wait for any longer are looked for, milliseconds. */
const SWEEP_MS = 10;

/** How far a broadcast came. */
export interface Reach {
  /** Nodes that have it, without its origin. */
  readonly reached: number;
  /** Milliseconds until the last node had it; infinite if one has not got it within the patience. */
  readonly elapsedMs: number;
}

interface Underway {
  readonly sentMs: number;
  readonly has: Uint8Array;
  reached: number;
  done(reach: Reach): void;
}

/** Follows broadcasts among the live nodes of one process, to all of them or as far as they come in the time they are given. */
export class Spread implements Disposable {
  readonly #nodes: number;
  readonly #messageBytes: number;
  readonly #patienceMs: number;
  /** In the order in which they were sent, which is that in which their time is up. */
  readonly #underway = new Map<number, Underway>();
  /** Those that time was up for: a delivery of one is late, of any other not under way a second one. */
  readonly #givenUp = new Set<number>();
  #next = 0;
  #sweep: ReturnType<typeof setTimeout> | undefined;
  /** First deliveries in time so far. */
  deliveries = 0;

  /** `nodes` that broadcast messages of `messageBytes`, each of which has `patienceMs`. */
  constructor(nodes: number, messageBytes: number, patienceMs: number) {
    this.#nodes = nodes;
    this.#messageBytes = messageBytes;
    this.#patienceMs = patienceMs;
  }

  /** Broadcasts a message that is like no other; resolves when all the other nodes have it or its time is up. */
  toAll(network: Network, origin: number): Promise<Reach> {
    const id = this.#next++;
    const message = new Uint8Array(this.#messageBytes);
    new DataView(message.buffer).setUint32(0, id);
    const has = new Uint8Array(this.#nodes);
    has[origin] = 1;
    this.#sweepLater();
    return new Promise((done, failed) => {
      this.#underway.set(id, { sentMs: performance.now(), has, reached: 0, done });
      network.broadcast(origin, message)?.catch(failed);
    });
  }

  /** A node has a message. One that is not as sent, or the node's second of it, ends the process. */
  delivered(node: number, message: Uint8Array): void {
    if (message.length !== this.#messageBytes) {
      return end(`Received ${message.length} bytes: wanted ${this.#messageBytes}`);
    }
    const id = new DataView(message.buffer, message.byteOffset).getUint32(0);
    const broadcast = this.#underway.get(id);
    if (broadcast === undefined && this.#givenUp.has(id)) return;
    if (broadcast === undefined || broadcast.has[node] === 1) {
      return end(`Message ${id} was delivered to node ${node} twice, or to its origin`);
    }
    broadcast.has[node] = 1;
    this.deliveries++;
    if (++broadcast.reached < this.#nodes - 1) return;
    this.#underway.delete(id);
    broadcast.done({ reached: broadcast.reached, elapsedMs: performance.now() - broadcast.sentMs });
  }

  /** Follows nothing any more: what is under way is never done. */
  [Symbol.dispose](): void {
    clearTimeout(this.#sweep);
  }

  /** One timer for all, only while something is under way. */
  #sweepLater(): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      const over = performance.now() - this.#patienceMs;
      for (const [id, { sentMs, reached, done }] of this.#underway) {
        if (sentMs > over) break;
        this.#underway.delete(id);
        this.#givenUp.add(id);
        done({ reached, elapsedMs: Infinity });
      }
      if (this.#underway.size > 0) this.#sweepLater();
    }, SWEEP_MS);
  }
}

/** Outside the caller, which may be a node that outlives what its subscribers throw. */
function end(why: string): void {
  queueMicrotask(() => {
    throw new Error(why);
  });
}
