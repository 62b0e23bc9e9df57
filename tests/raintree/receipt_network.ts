import { type Address, addressToBytes } from "../../src/identity/address.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import type { AddressRange, Receipt } from "../../src/raintree/control_message.ts";
import { type ReceiptOutcome, Receipts, type ReceiptsOptions } from "../../src/raintree/receipts.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { visitHandovers } from "../../src/raintree/targets.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

/** `count` keys; always the same ones. */
export function keys(count: number): NodeKey[] {
  return Array.from({ length: count }, (_, i) => {
    const seed = new Uint8Array(32);
    new DataView(seed.buffer).setUint32(0, i + 1);
    return NodeKey.fromSeed(seed);
  });
}

/** How a node of the network behaves. */
export interface Behaviour {
  /** Takes nothing and says nothing. */
  dead?: boolean;
  /** What arrives lies around for so long, milliseconds. */
  lateMs?: number;
  /** Acknowledges and passes nothing on. */
  hoards?: boolean;
  /** What it sends instead of its receipt; `undefined` for nothing. */
  lies?: (receipt: Receipt) => Receipt | undefined;
}

/** The nonce of every broadcast here. */
export const NONCE = 77n;

/** The payload of every broadcast here. */
export const PAYLOAD = new TextEncoder().encode("payload");

const LATENCY_MS = 50;
const ACK_TIMEOUT_MS = 250;
const SUSPICION_MS = 1000;

/** Nodes that broadcast along the tree, adjust after a silence, and confirm; time is virtual, the latency 50 ms. */
export class ReceiptNetwork {
  readonly clock = new VirtualClock();
  readonly ring: Ring;
  readonly nodes = new Map<Address, Receipts>();
  readonly received = new Set<Address>();
  readonly blamed: [by: Address, peer: Address, code: string][] = [];
  /** Receipts that went over the network. */
  receipts = 0;
  readonly #behaviours: ReadonlyMap<Address, Behaviour>;
  /** Who takes whom for dead. */
  readonly #dead = new Set<string>();
  readonly #served = new Map<Address, number>();

  constructor(
    peers: readonly (Address | NodeKey)[],
    behaviours: ReadonlyMap<Address, Behaviour> = new Map(),
    options: Partial<ReceiptsOptions> = {},
  ) {
    this.ring = Ring.of(peers.map((peer) => peer instanceof NodeKey ? peer.address : peer));
    this.#behaviours = behaviours;
    for (const peer of peers) {
      const self = peer instanceof NodeKey ? peer.address : peer;
      this.nodes.set(
        self,
        new Receipts({
          clock: this.clock,
          sink: { receipt: (to, receipt) => this.#confirm(self, to, receipt) },
          roundTripMs: () => 2 * LATENCY_MS,
          isDead: (peer) => this.#dead.has(`${self} ${peer}`),
          onMisbehaviour: (from, error) => this.blamed.push([self, from, (error as Error & { code: string }).code]),
          network: "test",
          key: peer instanceof NodeKey ? peer : undefined,
          ...options,
        }),
      );
    }
  }

  /** Broadcasts from `self`, and runs until the result is there. */
  async broadcast(self: Address, deadlineMs: number, signed = false): Promise<ReceiptOutcome> {
    const outcomes: ReceiptOutcome[] = [];
    this.received.add(self);
    this.#serve(self, undefined, addressToBytes(self), deadlineMs, signed, (outcome) => outcomes.push(outcome));
    await this.clock.runUntil(() => outcomes.length > 0, deadlineMs + 1);
    if (outcomes.length !== 1) throw new Error(`${outcomes.length} outcomes`);
    return outcomes[0];
  }

  /** Ends everything. */
  close(): void {
    for (const node of this.nodes.values()) node.close();
  }

  #serve(
    self: Address,
    parent: Address | undefined,
    until: Uint8Array,
    budgetMs: number,
    signed: boolean,
    onDone?: (outcome: ReceiptOutcome) => void,
  ): void {
    const { ring } = this;
    const node = this.nodes.get(self)!;
    const index = ring.indexOf(self);
    this.received.add(self);
    if (budgetMs > 0 || parent === undefined) {
      const signedPayload = signed ? PAYLOAD : undefined;
      node.begin(NONCE, { parent, budgetMs, signedPayload, ring, index, until, onDone });
    }
    const size = ring.segmentSize(index, until);
    const served = this.#served.get(self) ?? 0;
    this.#served.set(self, Math.max(size, served));
    const handOver = (target: number, bound: Uint8Array) => {
      node.handedOver(NONCE, ring.at(target), bound);
      this.#send(self, target, bound, signed);
    };
    if (!this.#behaviours.get(self)?.hoards) {
      if (served <= 1) visitHandovers(ring, index, until, handOver);
      else if (served < size) handOver(ring.indexAt(index, served), until);
    }
    node.served(NONCE);
  }

  /** Sends a segment, and adjusts when no acknowledgement comes. */
  #send(self: Address, target: number, until: Uint8Array, signed: boolean): void {
    const { ring, clock } = this;
    const node = this.nodes.get(self)!;
    const to = ring.at(target);
    const budgetMs = node.childBudgetMs(NONCE, to, ring.segmentSize(target, until));
    const { dead = false, lateMs = 0 } = this.#behaviours.get(to) ?? {};
    if (!dead) clock.after(LATENCY_MS + lateMs, () => this.#serve(to, self, until, budgetMs, signed));
    if (!dead && 2 * LATENCY_MS + lateMs < ACK_TIMEOUT_MS) return;
    clock.after(ACK_TIMEOUT_MS, () => {
      if (dead) clock.after(SUSPICION_MS, () => this.#bury(self, to));
      if (ring.segmentSize(target, until) === 1) return node.adjusted(NONCE, to);
      const next = ring.indexAt(target, 1);
      node.handedOver(NONCE, ring.at(next), until);
      this.#send(self, next, until, signed);
      node.adjusted(NONCE, to);
    });
  }

  #bury(self: Address, peer: Address): void {
    this.#dead.add(`${self} ${peer}`);
    this.nodes.get(self)!.died(peer);
  }

  #confirm(self: Address, to: Address, receipt: Receipt): void {
    const { lies } = this.#behaviours.get(self) ?? {};
    const sent = lies === undefined ? receipt : lies(receipt);
    if (sent === undefined) return;
    this.receipts++;
    const { dead = false, lateMs = 0 } = this.#behaviours.get(to) ?? {};
    if (!dead) this.clock.after(LATENCY_MS + lateMs, () => this.nodes.get(to)!.confirmed(self, sent));
  }
}

/** `count` ranges of one address each, with gaps, from an address on: valid, and with nobody in them but the first. */
export function splinters(from: Uint8Array, count: number): AddressRange[] {
  const start = BigInt(`0x${from.toHex()}`);
  const bytes = (number: bigint) => Uint8Array.fromHex(number.toString(16).padStart(40, "0"));
  return Array.from(
    { length: count },
    (_, i) => ({ from: bytes(start + BigInt(2 * i)), until: bytes(start + BigInt(2 * i + 1)) }),
  );
}
