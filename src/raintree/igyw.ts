import type { Cancel, Clock } from "../base/clock.ts";
import { dropOldest } from "../base/drop_oldest.ts";
import type { Address } from "../identity/address.ts";
import type { ControlSink } from "./control_outbox.ts";
import { nearestAlive, type RingSide } from "./nearest_alive.ts";
import type { RecentMessage, RecentMessages } from "./recent_messages.ts";
import type { Ring } from "./ring.ts";

/** Options of {@link Igyw}. Every duration is in milliseconds. */
export interface IgywOptions {
  /** Time. */
  clock: Clock;
  /** This node. */
  self: Address;
  /** The staked peers now. */
  ring: () => Ring;
  /** Takes what is to be said. */
  sink: Pick<ControlSink, "ask" | "want" | "deny">;
  /** The broadcasts that can be given to others. */
  recent: RecentMessages;
  /** Whether this node has seen a broadcast. */
  has(nonce: bigint): boolean;
  /** Whether a peer is known to be dead. */
  isDead(peer: Address): boolean;
  /** Sends a broadcast to a neighbour that lacks it. */
  deliver(to: Address, message: RecentMessage): void;
  /** How old a broadcast is before the neighbours are asked: by then the tree should be through. @default {500} */
  delayMs?: number;
  /** How long a neighbour has to answer before the next one on its side is asked. @default {250} */
  timeoutMs?: number;
  /** Neighbours asked on each side, at most. @default {4} */
  stepsMax?: number;
}

/** Broadcasts whose neighbours are being asked; of more, the oldest is given up. */
const WALKS_MAX = 4096;
/** Broadcasts that this node has said it wants; of more, the oldest is forgotten and may come twice. */
const WANTS_MAX = 4096;
const TICK_MS = 50;

/** One side of one broadcast. */
interface Walk {
  readonly side: RingSide;
  /** Of the last one asked. */
  offset: number;
  /** Who was asked and may still want it, the last one last. */
  readonly asked: Address[];
  askedMs: number;
  steps: number;
  over: boolean;
}

/**
 * The daisy-chain clean-up of Pocket's specification, "I got, you want?": a node that got a broadcast asks its nearest live neighbour on either side. Wants
 * it: sends it. Has it: is content. Says nothing: asks the next on that side. A neighbour that lies "I have it" ends the chain, which is why this is not the
 * layer to rely on; see {@link Repair}.
 */
export class Igyw {
  readonly #options: IgywOptions;
  readonly #delayMs: number;
  readonly #timeoutMs: number;
  readonly #stepsMax: number;
  /** By number of the broadcast. */
  readonly #walks = new Map<number, Walk[]>();
  /** When this node last said that it wants a broadcast. */
  readonly #wants = new Map<bigint, number>();
  /** Number of the first broadcast whose neighbours were not asked yet. */
  #unasked: number;
  #cancel: Cancel | undefined;
  #closed = false;

  /** About what is in `recent` already nobody is asked. */
  constructor(options: IgywOptions) {
    const { delayMs = 500, timeoutMs = 250, stepsMax = 4 } = options;
    this.#options = options;
    this.#delayMs = delayMs;
    this.#timeoutMs = timeoutMs;
    this.#stepsMax = stepsMax;
    this.#unasked = options.recent.next;
  }

  /** Entries of each table: what a test of "bounded" looks at. */
  get sizes(): { walks: number; wants: number } {
    return { walks: this.#walks.size, wants: this.#wants.size };
  }

  /** A broadcast was new here and is among the recent ones now. Returns whether a neighbour had been asked for it. On the hot path. */
  got(message: RecentMessage): boolean {
    if (this.#closed) return false;
    const asked = this.#wants.size > 0 && this.#wants.delete(message.nonce);
    this.#tickLater();
    return asked;
  }

  /** A neighbour has these and asks whether this node does. One at a time is told that they are wanted; silence makes the others ask elsewhere. */
  asked(from: Address, nonces: readonly bigint[]): void {
    if (this.#closed || !this.#options.ring().has(from)) return;
    const nowMs = this.#options.clock.now();
    for (const nonce of nonces) {
      if (this.#options.has(nonce)) {
        this.#options.sink.deny(from, nonce);
      } else if (nowMs - (this.#wants.get(nonce) ?? -Infinity) >= this.#timeoutMs) {
        this.#wants.delete(nonce);
        if (this.#wants.size === WANTS_MAX) dropOldest(this.#wants);
        this.#wants.set(nonce, nowMs);
        this.#options.sink.want(from, nonce);
      }
    }
  }

  /** A peer lacks these. Sends those it was asked about, once each, and returns the others: they may have been offered by another layer. */
  wanted(from: Address, nonces: readonly bigint[]): bigint[] {
    return nonces.filter((nonce) => {
      const message = this.#recentOne(nonce);
      const walk = message === undefined ? undefined : this.#walkWith(message.sequence, from);
      if (message === undefined || walk === undefined) return true;
      walk.asked.splice(walk.asked.indexOf(from), 1);
      walk.over = true;
      this.#options.deliver(from, message);
      return false;
    });
  }

  /** A neighbour has these. */
  denied(from: Address, nonces: readonly bigint[]): void {
    for (const nonce of nonces) {
      const message = this.#recentOne(nonce);
      if (message === undefined) continue;
      const walk = this.#walkWith(message.sequence, from);
      if (walk !== undefined) walk.over = true;
    }
  }

  /** Asks nobody any more; no timer is left. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#walks.clear();
    this.#wants.clear();
  }

  #recentOne(nonce: bigint): RecentMessage | undefined {
    return this.#walks.size === 0 ? undefined : this.#options.recent.get(nonce);
  }

  #walkWith(sequence: number, peer: Address): Walk | undefined {
    return this.#walks.get(sequence)?.find(({ asked }) => asked.includes(peer));
  }

  #tickLater(): void {
    if (!this.#closed) this.#cancel ??= this.#options.clock.after(TICK_MS, this.#tick);
  }

  readonly #tick = (): void => {
    this.#cancel = undefined;
    const { recent } = this.#options;
    const nowMs = this.#options.clock.now();
    const ring = this.#options.ring();
    const self = ring.indexOf(this.#options.self);
    for (const [sequence, walks] of this.#walks) {
      const message = recent.at(sequence, nowMs);
      for (const walk of walks) {
        if (!walk.over && nowMs - walk.askedMs >= this.#timeoutMs) this.#step(ring, self, walk, message, nowMs);
      }
      // The last one asked still has its time to want it.
      const settled = walks.every(({ over, askedMs }) => over && nowMs - askedMs >= this.#timeoutMs);
      if (settled) this.#walks.delete(sequence);
    }
    this.#unasked = Math.max(this.#unasked, recent.oldest);
    for (; this.#unasked < recent.next; this.#unasked++) {
      const message = recent.at(this.#unasked, nowMs);
      if (message === undefined) continue;
      if (message.atMs > nowMs - this.#delayMs) break;
      this.#begin(ring, self, message, nowMs);
    }
    if (this.#unasked < recent.next || this.#walks.size > 0) this.#tickLater();
  };

  #begin(ring: Ring, self: number, message: RecentMessage, nowMs: number): void {
    const walks: Walk[] = [];
    // Of two nodes, each is the other's neighbour on both sides.
    for (const side of (ring.size === 2 ? [1] : [1, -1]) as RingSide[]) {
      const walk: Walk = { side, offset: 0, asked: [], askedMs: nowMs, steps: 0, over: false };
      this.#step(ring, self, walk, message, nowMs);
      walks.push(walk);
    }
    if (this.#walks.size === WALKS_MAX) dropOldest(this.#walks);
    this.#walks.set(message.sequence, walks);
  }

  /** Asks the next on a side, if there is one. */
  #step(ring: Ring, self: number, walk: Walk, message: RecentMessage | undefined, nowMs: number): void {
    const offset = self < 0 || message === undefined || walk.steps === this.#stepsMax
      ? 0
      : nearestAlive(ring, self, walk.side, this.#options.isDead, walk.offset);
    if (offset === 0 || message === undefined) {
      walk.over = true;
      return;
    }
    walk.offset = offset;
    walk.steps++;
    walk.askedMs = nowMs;
    walk.asked.push(ring.at(self, offset));
    this.#options.sink.ask(ring.at(self, offset), message.nonce);
  }
}
