import type { Clock } from "../base/clock.ts";
import { type Address, addressToBytes } from "../identity/address.ts";
import type { BroadcastTrace } from "../raintree/broadcast_trace.ts";
import type { RainTreeHead, RainTreeMessage } from "../raintree/message.ts";
import type { Ring } from "../raintree/ring.ts";
import { BroadcastCounts } from "./broadcast_counts.ts";

/**
 * How a message went from one node to another: `origin` (it began here), `segment` (the receiver answers for `segment` nodes up to `until`), `level` (classic),
 * `copy` (beside the tree: repaired, or sent twice for safety), `direct` (private, or to a Pocket V1 node in place of a segment).
 */
export type HopKind = "origin" | "segment" | "level" | "copy" | "direct";

/** One message of a broadcast that came or went. */
export interface HopView {
  /** When, ISO 8601 in UTC. */
  readonly at: string;
  /** The same, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** How. */
  readonly kind: HopKind;
  /** By whom it was handed over, where it came. */
  readonly from?: Address;
  /** To whom it went. */
  readonly to?: Address;
  /** Its level, in classic mode. */
  readonly level?: number;
  /** The address where the segment ends, not included. */
  readonly until?: Address;
  /** How many nodes of the present view the receiver answers for, itself included; absent where it is not in that view. */
  readonly segment?: number;
}

/** What this node knows of one message. */
export interface MessageView {
  /** Its number, decimal. */
  readonly nonce: string;
  /** Whether it began here. */
  readonly origin: boolean;
  /** Size of its payload, the encoded envelope; absent where it only went out. */
  readonly bytes?: number;
  /** When it came or went first, ISO 8601 in UTC. */
  readonly firstAt: string;
  /** Each time it came, in order, at most {@link MessageLogOptions.hopsMax}. */
  readonly arrivals: readonly HopView[];
  /** Each time it was handed over. */
  readonly handovers: readonly HopView[];
  /** Arrivals and hand-overs that were not kept. */
  readonly omitted: number;
}

/** One line of {@link MessageLogPage}. */
export interface ArrivedMessage {
  /** Its number, decimal. */
  readonly nonce: string;
  /** When it came first, or began here, milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** Whether it began here. */
  readonly origin: boolean;
}

/** The messages that came, in the order of their first arrivals, from a place on. */
export interface MessageLogPage {
  /** Since when arrivals are counted, ISO 8601 in UTC: another one is another run of the node, whose places begin at 0. */
  readonly since: string;
  /** Where to go on: the place behind the last one told. */
  readonly next: number;
  /** Arrivals from the place asked for on that are forgotten already. */
  readonly forgotten: number;
  /** The messages, each once. */
  readonly messages: readonly ArrivedMessage[];
}

/** Options of a {@link MessageLog}. */
export interface MessageLogOptions {
  /** The time that is shown. */
  clock: Clock;
  /** Messages remembered; the one that came first is forgotten first. About a kilobyte each. @default {10000} */
  messagesMax?: number;
  /** Arrivals, and hand-overs, kept of one message; more are counted. @default {64} */
  hopsMax?: number;
}

interface Hop {
  readonly atMs: number;
  readonly peer: Address | undefined;
  readonly level: number;
  /** As text: copying 20 bytes takes ten times as long. */
  readonly until: Address | undefined;
  readonly copy: boolean;
}

interface Entry {
  readonly firstMs: number;
  bytes: number | undefined;
  readonly arrivals: Hop[];
  readonly handovers: Hop[];
  omitted: number;
}

/** Remembers the way of recent messages through this node, in bounded memory. Payloads are not kept. */
export class MessageLog implements BroadcastTrace {
  /** The broadcasts among them, forgotten ones included. */
  readonly counts: BroadcastCounts = new BroadcastCounts();
  readonly #clock: Clock;
  readonly #messagesMax: number;
  readonly #hopsMax: number;
  readonly #entries = new Map<bigint, Entry>();
  /** The nonces in order of arrival, round and round: the map would look for its oldest among all that were deleted. */
  readonly #order: bigint[] = [];
  /** Where the next nonce goes; when full, the oldest is there. */
  #next = 0;
  readonly #since: string;
  /** The nonces in order of their first arrivals, round and round; one that is forgotten meanwhile may stand there. */
  readonly #arrived: bigint[] = [];
  /** How many arrived ever. */
  #arrivals = 0;

  /** Knows of no message. */
  constructor({ clock, messagesMax = 10_000, hopsMax = 64 }: MessageLogOptions) {
    this.#clock = clock;
    this.#messagesMax = messagesMax;
    this.#hopsMax = hopsMax;
    this.#since = new Date(clock.wall()).toISOString();
  }

  /** Messages remembered now. */
  get size(): number {
    return this.#entries.size;
  }

  /** See {@link BroadcastTrace}. */
  onArrival(nonce: bigint, from: Address | undefined, message: RainTreeMessage): void {
    const atMs = this.#clock.wall();
    const entry = this.#entry(nonce, atMs);
    entry.bytes ??= message.data.length;
    if (entry.arrivals.length === 0) {
      this.#arrived[this.#arrivals % this.#messagesMax] = nonce;
      this.#arrivals++;
      this.counts.arrived(from, message);
    }
    this.#keep(entry, entry.arrivals, atMs, from, message);
  }

  /** See {@link BroadcastTrace}. */
  onHandover(nonce: bigint, to: Address, head: RainTreeHead): void {
    const atMs = this.#clock.wall();
    const entry = this.#entry(nonce, atMs);
    this.counts.handedOver(to, head);
    this.#keep(entry, entry.handovers, atMs, to, head);
  }

  /** What is known of a message, with sizes by the view `ring`; `undefined` where it is unknown or forgotten. */
  view(nonce: bigint, self: Address, ring: Ring): MessageView | undefined {
    const entry = this.#entries.get(nonce);
    if (entry === undefined) return undefined;
    const { bytes, firstMs, arrivals, handovers, omitted } = entry;
    return {
      nonce: String(nonce),
      origin: arrivals.some(({ peer }) => peer === undefined),
      bytes,
      firstAt: new Date(firstMs).toISOString(),
      arrivals: arrivals.map((hop) => ({ ...hopView(hop, self, ring), from: hop.peer })),
      handovers: handovers.map((hop) => ({ ...hopView(hop, hop.peer!, ring), to: hop.peer })),
      omitted,
    };
  }

  /** What arrived from place `after` on, at most `limit`: who asks again from `next` on misses nothing and is told nothing twice. */
  page(after: number, limit: number): MessageLogPage {
    const oldest = Math.max(0, this.#arrivals - this.#messagesMax);
    const from = Math.min(Math.max(after, oldest), this.#arrivals);
    const next = Math.min(from + limit, this.#arrivals);
    const messages: ArrivedMessage[] = [];
    let forgotten = Math.max(0, from - after);
    for (let place = from; place < next; place++) {
      const nonce = this.#arrived[place % this.#messagesMax];
      const first = this.#entries.get(nonce)?.arrivals[0];
      if (first === undefined) forgotten++;
      else messages.push({ nonce: String(nonce), atMs: first.atMs, origin: first.peer === undefined });
    }
    return { since: this.#since, next, forgotten, messages };
  }

  #entry(nonce: bigint, firstMs: number): Entry {
    const known = this.#entries.get(nonce);
    if (known !== undefined) return known;
    const entry: Entry = { firstMs, bytes: undefined, arrivals: [], handovers: [], omitted: 0 };
    const oldest = this.#order[this.#next];
    if (oldest !== undefined) this.#entries.delete(oldest);
    this.#order[this.#next] = nonce;
    this.#next = (this.#next + 1) % this.#messagesMax;
    this.#entries.set(nonce, entry);
    return entry;
  }

  #keep(entry: Entry, hops: Hop[], atMs: number, peer: Address | undefined, head: RainTreeHead): void {
    if (hops.length >= this.#hopsMax) {
      entry.omitted++;
      return;
    }
    const { level, until, copy = false } = head;
    hops.push({ atMs, peer, level, until: until?.toHex(), copy });
  }
}

function hopView({ atMs, peer, level, until, copy }: Hop, receiver: Address, ring: Ring): HopView {
  const at = { at: new Date(atMs).toISOString(), atMs };
  if (peer === undefined) {
    const segment = ring.has(receiver) ? ring.segmentSize(ring.indexOf(receiver), addressToBytes(receiver)) : undefined;
    return { ...at, kind: "origin", segment };
  }
  if (until !== undefined) {
    const index = ring.indexOf(receiver);
    const segment = index < 0 ? undefined : ring.segmentSize(index, addressToBytes(until));
    return { ...at, kind: "segment", until, segment };
  }
  if (level > 0) return { ...at, kind: "level", level };
  return { ...at, kind: copy ? "copy" : "direct" };
}
