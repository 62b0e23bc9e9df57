import { P2pError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { Address } from "../../src/identity/address.ts";
import type { NodeKey } from "../../src/identity/node_key.ts";
import { type ControlMessage, decodeControlMessage, encodeControlMessage } from "../../src/raintree/control_message.ts";
import { NonceDeduper } from "../../src/raintree/dedup.ts";
import { encodeEnvelope } from "../../src/raintree/envelope.ts";
import type { LayerOptions } from "../../src/raintree/layer_options.ts";
import { decodeRainTreeMessage, encodeRainTreeMessage, type RainTreeMessage } from "../../src/raintree/message.ts";
import { RainTreeRouter } from "../../src/raintree/raintree_router.ts";
import { Ring } from "../../src/raintree/ring.ts";
import type { TreeMode } from "../../src/raintree/tree.ts";
import { ACCEPTED, type Channel } from "../../src/router/channel.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { addresses } from "./networks.ts";
import { SILENT } from "./silent_message.ts";

/** One way, milliseconds. */
export const LATENCY_MS = 50;

/** A message on its way. */
export interface Sent {
  atMs: number;
  from: number;
  to: number;
  /** On channel 1. */
  payload?: RainTreeMessage;
  /** On channel 4. */
  control?: ControlMessage;
  bytes: number;
}

type Handler = (bytes: Uint8Array, from: Address) => void;

/** What {@link ReliableNetwork} may be told. */
export interface NetworkOptions extends LayerOptions {
  mode?: TreeMode;
  /** The positions that have a router; the others are played by the test. @default {all} */
  routers?: readonly number[];
  v1?: readonly number[];
  /** What all sign with. @default {nobody signs} */
  key?: NodeKey;
}

/** A payload of a nonce. */
export function payload(nonce: bigint, bytes = 8): Uint8Array {
  return encodeEnvelope({ typeUrl: "test", value: new Uint8Array(bytes).fill(1), nonce });
}

/** RainTree routers with their layers on one virtual clock, everything 50 ms apart; positions are those of `ring`. */
export class ReliableNetwork {
  readonly clock = new VirtualClock();
  readonly ring: Ring;
  readonly sent: Sent[] = [];
  readonly blamed: string[] = [];
  /** Positions that take nothing and say nothing. */
  readonly dead = new Set<number>();
  readonly routers = new Map<number, RainTreeRouter>();
  /** Nonces, in order, that each application got. */
  readonly got = new Map<number, bigint[]>();
  readonly #handlers = new Map<string, Handler>();
  readonly #nonces = new Map<number, NonceDeduper>();

  constructor(n: number, options: NetworkOptions = {}) {
    this.ring = Ring.of(addresses(n, n));
    const { routers = Array.from({ length: n }, (_, i) => i) } = options;
    for (const position of routers) this.join(this.ring.at(position), options);
  }

  /** Where a peer stands; -1 for one outside of the ring. */
  at(peer: Address): number {
    return this.ring.indexOf(peer);
  }

  /** Adds a router. */
  join(self: Address, options: NetworkOptions = {}): RainTreeRouter {
    const { mode, routers: _routers, v1 = [], ...layers } = options;
    const position = this.at(self);
    const nonces = new NonceDeduper({ random: seededRandom(1) });
    const got: bigint[] = [];
    this.got.set(position, got);
    this.#nonces.set(position, nonces);
    const isV1 = (peer: Address) => v1.includes(this.at(peer));
    const router = new RainTreeRouter({
      self,
      ring: this.ring,
      channel: this.#channel(self, "payload"),
      mode,
      isV1,
      nonces,
      onPayload: ({ nonce }) => {
        if (nonces.seen(nonce)) return false;
        got.push(nonce);
        return true;
      },
      onMisbehaviour: (from, error) => this.blamed.push(`${this.at(from)} ${(error as P2pError).code}`),
      onUnsent: () => {},
      layers: {
        ...layers,
        clock: this.clock,
        random: seededRandom(position + 7),
        control: this.#channel(self, "control"),
        connected: () => [...this.ring].filter((peer) => peer !== self && !this.dead.has(this.at(peer))),
        network: "test",
      },
    });
    this.routers.set(position, router);
    return router;
  }

  /** Broadcasts from a position, as the module does it. */
  broadcast(from: number, nonce: bigint): void {
    this.#nonces.get(from)!.seen(nonce);
    this.router(from).broadcast(payload(nonce));
  }

  /** The router at a position. */
  router(position: number): RainTreeRouter {
    return this.routers.get(position)!;
  }

  /** Has a peer, played by the test, hand something over, now. */
  play(from: number, to: number, message: Partial<RainTreeMessage> & { data: Uint8Array }): void {
    this.router(to).receive(encodeRainTreeMessage({ level: 0, ...message }), this.ring.at(from));
  }

  /** Has a peer, played by the test, say something, now. */
  say(from: number, to: number, message: Partial<ControlMessage>): void {
    const bytes = encodeControlMessage({ ...SILENT, ...message });
    this.#handlers.get(`${this.ring.at(to)} control`)!(bytes, this.ring.at(from));
  }

  /** Payload messages from a position, or from all. */
  payloads(from?: number): { to: number; until?: number; level: number; seq?: number; copy?: boolean }[] {
    return this.sent.filter((each) => each.payload !== undefined && (from === undefined || each.from === from))
      .map(({ to, payload }) => {
        const { until, level, seq, copy } = payload!;
        return { to, until: until && this.ring.segmentSize(0, until) % this.ring.size, level, seq, copy };
      });
  }

  /** The controls from a position. */
  controls(from: number): (ControlMessage & { to: number })[] {
    return this.sent.filter((each) => each.control !== undefined && each.from === from)
      .map(({ to, control }) => ({ ...control!, to }));
  }

  /** Positions whose application got a broadcast. */
  reached(nonce: bigint): number[] {
    return [...this.got].filter(([, nonces]) => nonces.includes(nonce)).map(([position]) => position)
      .sort((a, b) => a - b);
  }

  /** Ends everything, and waits until nothing is on its way any more. Returns how many timers are left. */
  async close(): Promise<number> {
    for (const router of this.routers.values()) router.close();
    await this.clock.advance(LATENCY_MS);
    return this.clock.pending;
  }

  #channel(self: Address, kind: "payload" | "control"): Channel<Uint8Array> {
    const post = (to: Address, bytes: Uint8Array) => {
      const own = bytes.slice();
      const decoded = kind === "payload" ? { payload: decodeRainTreeMessage(own) } : {
        control: decodeControlMessage(own),
      };
      this.sent.push({
        atMs: this.clock.now(),
        from: this.at(self),
        to: this.at(to),
        bytes: own.length,
        ...decoded,
      });
      this.clock.after(LATENCY_MS, () => {
        if (this.dead.has(this.at(to)) || this.dead.has(this.at(self))) return;
        this.#handlers.get(`${to} ${kind}`)?.(own, self);
      });
    };
    return {
      handle: (handler: Handler) => this.#handlers.set(`${self} ${kind}`, handler),
      close: () => this.#handlers.delete(`${self} ${kind}`),
      send: (to: Address, bytes: Uint8Array) => {
        post(to, bytes);
        return ACCEPTED;
      },
      trySend: (to: Address, bytes: Uint8Array) => {
        post(to, bytes);
        return true;
      },
    } as unknown as Channel<Uint8Array>;
  }
}
