import { below, type Random, seededRandom } from "../../src/base/random.ts";
import type { Address } from "../../src/identity/address.ts";
import { decodeControlMessage } from "../../src/raintree/control_message.ts";
import { ControlOutbox } from "../../src/raintree/control_outbox.ts";
import { randomNonce } from "../../src/raintree/envelope.ts";
import { Igyw, type IgywOptions } from "../../src/raintree/igyw.ts";
import { RecentMessages } from "../../src/raintree/recent_messages.ts";
import { Repair, type RepairOptions } from "../../src/raintree/repair.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { visitHandovers } from "../../src/raintree/targets.ts";
import { exactOffsets } from "../../src/raintree/tree.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { eachPacked } from "./each_packed.ts";
import { addresses } from "./networks.ts";

/** Options of {@link RepairCluster}. */
export interface RepairClusterOptions {
  nodes: number;
  seed: number;
  /** Share of the nodes that get everything, offer everything, forward and send nothing, and say of everything that they have it. */
  liars?: number;
  /** Share of the nodes that are silent, which nobody knows. */
  dead?: number;
  /** One way, milliseconds: uniform from 30 to 70 unless given. */
  latencyMs?: [least: number, most: number];
  repair?: Partial<RepairOptions> | false;
  igyw?: Partial<IgywOptions> | false;
}

/** One node: a bare tree and the layers under test. */
export interface ClusterNode {
  address: Address;
  index: number;
  kind: "honest" | "liar" | "dead";
  recent: RecentMessages;
  outbox: ControlOutbox;
  repair: Repair | undefined;
  igyw: Igyw | undefined;
  /** When each broadcast came. */
  got: Map<bigint, number>;
  /** Payloads received, copies included. */
  payloads: number;
  misbehaved: { from: Address; code: string }[];
}

/** What became of one broadcast. */
export interface Outcome {
  missed: number;
  /** Milliseconds until each honest node had it, ascending. */
  times: number[];
  /** Payloads sent for each node that lives, liars included. */
  copies: number;
}

/** What two and a half ticks of the prototype come to, and the ledger's floor. */
const ACK_TIMEOUT_MS = 200;

/** Many nodes over a virtual clock: a tree with unequal latencies, and repair under it. Synchronous but for the clock. */
export class RepairCluster {
  readonly clock = new VirtualClock();
  readonly ring: Ring;
  readonly nodes: ClusterNode[] = [];
  readonly #byAddress = new Map<Address, ClusterNode>();
  readonly #random: Random;
  readonly #options: RepairClusterOptions;
  readonly #latencyMs: [number, number];
  #payloads = 0;
  /** When data on a link arrives at the earliest: what is sent later does not overtake. */
  readonly #arrivals = new Map<string, number>();

  constructor(options: RepairClusterOptions) {
    const { nodes, seed, liars = 0, dead = 0, latencyMs = [30, 70] } = options;
    this.#options = options;
    this.#latencyMs = latencyMs;
    this.#random = seededRandom(seed);
    this.ring = Ring.of(addresses(nodes, seed));
    const kinds = new Array<ClusterNode["kind"]>(nodes).fill("honest");
    // The originator, index 0, is honest.
    const pick = (count: number, kind: ClusterNode["kind"]) => {
      while (count > 0) {
        const at = 1 + below(this.#random, nodes - 1);
        if (kinds[at] !== "honest") continue;
        kinds[at] = kind;
        count--;
      }
    };
    pick(Math.floor(dead * nodes), "dead");
    pick(Math.floor(liars * nodes), "liar");
    const offsets = exactOffsets(nodes);
    for (let index = 0; index < nodes; index++) {
      const node = this.#makeNode(index, kinds[index], offsets);
      this.nodes.push(node);
      this.#byAddress.set(node.address, node);
    }
  }

  get honest(): ClusterNode[] {
    return this.nodes.filter(({ kind }) => kind === "honest");
  }

  /** Starts a broadcast of `from`; liars know of it at once if `colluding`. */
  broadcast(from: number, options: { colluding?: boolean; bytes?: number } = {}): bigint {
    const { colluding = false, bytes = 256 } = options;
    const nonce = randomNonce(this.#random);
    const data = new Uint8Array(bytes);
    const node = this.nodes[from];
    this.#accept(node, nonce, data, "own");
    if (colluding) { for (const liar of this.nodes) if (liar.kind === "liar") this.#accept(liar, nonce, data, "own"); }
    this.#spread(node, this.ring.bytesAt(from), nonce, data);
    return nonce;
  }

  /** Gives a broadcast to these nodes only, as if the tree had reached nobody else. */
  place(indices: Iterable<number>, bytes = 256): bigint {
    const nonce = randomNonce(this.#random);
    for (const index of indices) this.#accept(this.nodes[index], nonce, new Uint8Array(bytes), "tree");
    return nonce;
  }

  outcome(nonce: bigint, startMs = 0): Outcome {
    const { honest } = this;
    const times = honest.flatMap(({ got }) => got.get(nonce) ?? []).map((at) => at - startMs).sort((a, b) => a - b);
    return {
      missed: honest.length - times.length,
      times,
      copies: this.#payloads / this.nodes.filter(({ kind }) => kind !== "dead").length,
    };
  }

  get payloads(): number {
    return this.#payloads;
  }

  /** Sends a payload to a node outside of the tree. */
  deliver(from: ClusterNode, to: Address, nonce: bigint, data: Uint8Array): void {
    this.#payloads++;
    const target = this.#byAddress.get(to)!;
    this.#later(from, target, () => {
      target.payloads++;
      this.#accept(target, nonce, data, "repair", from.address);
    });
  }

  close(): void {
    for (const { repair, igyw, outbox } of this.nodes) {
      repair?.close();
      igyw?.close();
      outbox.close();
    }
  }

  #makeNode(index: number, kind: ClusterNode["kind"], offsets: number[]): ClusterNode {
    const address = this.ring.at(index);
    const { clock } = this;
    const random = seededRandom(this.#options.seed * 100_003 + index);
    const recent = new RecentMessages({ clock, bytesMax: 1024 * 1024 });
    const got = new Map<bigint, number>();
    const outbox = new ControlOutbox({ clock, send: (to, bytes) => this.#control(node, to, bytes) });
    const node: ClusterNode = {
      address,
      index,
      kind,
      recent,
      outbox,
      repair: undefined,
      igyw: undefined,
      got,
      payloads: 0,
      misbehaved: [],
    };
    const near = offsets.flatMap((offset) => [this.ring.at(index, offset), this.ring.at(index, -offset)]);
    const shared = {
      clock,
      random,
      self: address,
      ring: () => this.ring,
      sink: outbox,
      recent,
      has: (nonce: bigint) => got.has(nonce),
      nonces: {
        has: (nonce: bigint) => got.has(nonce),
        eachUnseen: (nonces: Uint8Array, see: (at: number) => void) =>
          eachPacked(nonces, (high, low, at) => got.has(BigInt(high) << 32n | BigInt(low)) || see(at)),
      },
      isDead: () => false,
      connected: () => near,
      deliver: (to: Address, message: { nonce: bigint; data: Uint8Array }) => {
        if (kind === "honest") this.deliver(node, to, message.nonce, message.data);
      },
      onMisbehaviour: (from: Address, error: Error) => {
        node.misbehaved.push({ from, code: (error as Error & { code: string }).code });
      },
    };
    const { repair = {}, igyw = false } = this.#options;
    if (repair !== false) node.repair = new Repair({ ...shared, ...repair });
    if (igyw !== false) node.igyw = new Igyw({ ...shared, ...igyw });
    return node;
  }

  #accept(node: ClusterNode, nonce: bigint, data: Uint8Array, by: "tree" | "repair" | "own", from?: Address): void {
    if (node.kind === "dead" || node.got.has(nonce)) return;
    node.got.set(nonce, this.clock.now());
    const message = node.recent.add(nonce, data);
    node.repair?.got(message, by, from);
    node.igyw?.got(message);
  }

  #spread(node: ClusterNode, until: Uint8Array, nonce: bigint, data: Uint8Array): void {
    visitHandovers(this.ring, node.index, until, (target, bound) => this.#handOver(node, target, bound, nonce, data));
  }

  #handOver(node: ClusterNode, target: number, until: Uint8Array, nonce: bigint, data: Uint8Array): void {
    this.#payloads++;
    const to = this.nodes[target];
    if (to.kind === "dead") {
      this.clock.after(ACK_TIMEOUT_MS, () => {
        if (this.ring.segmentSize(target, until) > 1) {
          this.#handOver(node, this.ring.indexAt(target, 1), until, nonce, data);
        }
      });
      return;
    }
    this.#later(node, to, () => {
      to.payloads++;
      this.#accept(to, nonce, data, "tree");
      if (to.kind === "honest") this.#spread(to, until, nonce, data);
    });
  }

  #control(from: ClusterNode, to: Address, bytes: Uint8Array): void {
    const target = this.#byAddress.get(to)!;
    if (target.kind === "dead") return;
    this.#later(from, target, () => this.receive(target, from.address, bytes));
  }

  /** A control message arrives. */
  receive(node: ClusterNode, from: Address, bytes: Uint8Array): void {
    const { offers, asks, wants, denials } = decodeControlMessage(bytes);
    if (offers.length > 0) node.repair?.offered(from, offers);
    if (asks.length > 0) {
      if (node.kind === "liar") { for (const nonce of asks) node.outbox.deny(from, nonce); }
      else (node.repair ?? node.igyw)?.asked(from, asks);
    }
    if (wants.length > 0) {
      const rest = node.igyw?.wanted(from, wants) ?? wants;
      if (rest.length > 0) node.repair?.wanted(from, rest);
    }
    if (denials.length > 0) node.igyw?.denied(from, denials);
  }

  #later(from: ClusterNode, to: ClusterNode, arrive: () => void): void {
    const [least, most] = this.#latencyMs;
    const link = `${from.index}-${to.index}`;
    const now = this.clock.now();
    const at = Math.max(now + least + (most - least) * this.#random.next(), this.#arrivals.get(link) ?? 0);
    this.#arrivals.set(link, at);
    this.clock.after(at - now, arrive);
  }
}
