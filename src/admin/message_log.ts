import type { Clock } from "../base/clock.ts";
import { type Random, systemRandom } from "../base/random.ts";
import { type Address, addressToBytes } from "../identity/address.ts";
import type { BroadcastTrace } from "../raintree/broadcast_trace.ts";
import type { RainTreeHead, RainTreeMessage } from "../raintree/message.ts";
import { NonceIndex } from "../raintree/nonce_index.ts";
import type { Ring } from "../raintree/ring.ts";
import { BroadcastCounts } from "./broadcast_counts.ts";
import { type Hop, HopStore, NO_HOP } from "./hop_store.ts";

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
  /** Keys the table of nonces, so that nobody can choose some that collide. @default {systemRandom} */
  random?: Random;
  /** Messages remembered; the one that came first is forgotten first. 0.3 KB each, and 0.8 KB at most. @default {10000} */
  messagesMax?: number;
  /** Arrivals, and hand-overs, kept of one message; more are counted. @default {64} */
  hopsMax?: number;
}

/** Hops kept of all messages together, for each message that is remembered: few take as many, and nobody can make it more. */
const HOPS_PER_MESSAGE = 16;

/**
 * Remembers the way of recent messages through this node, in bounded memory. Payloads are not kept. It is told of every message, so it allocates nothing
 * for one: what lived as objects until 10,000 more had come was carried along by the garbage collector.
 */
export class MessageLog implements BroadcastTrace {
  /** The broadcasts among them, forgotten ones included. */
  readonly counts: BroadcastCounts = new BroadcastCounts();
  readonly #clock: Clock;
  readonly #messagesMax: number;
  readonly #hopsMax: number;
  readonly #since: string;
  /** Where a message stands: its number, of all that ever came or went, modulo their most. */
  readonly #places: NonceIndex;
  readonly #firstMs: Float64Array;
  /** Size of the payload; -1 where it only went out. */
  readonly #bytes: Int32Array;
  readonly #omitted: Float64Array;
  readonly #hops: HopStore;
  readonly #arrivals: HopRows;
  readonly #handovers: HopRows;
  /** How many messages were ever noted. */
  #noted = 0;
  /** The number of the oldest that is remembered. */
  #oldest = 0;
  /** The numbers of messages in order of their first arrivals, round and round; one that is forgotten meanwhile may stand there. */
  readonly #arrived: Float64Array;
  /** How many arrived ever. */
  #arrivedEver = 0;

  /** Knows of no message. */
  constructor({ clock, random = systemRandom, messagesMax = 10_000, hopsMax = 64 }: MessageLogOptions) {
    this.#clock = clock;
    this.#messagesMax = messagesMax;
    this.#hopsMax = hopsMax;
    this.#since = new Date(clock.wall()).toISOString();
    this.#places = new NonceIndex(messagesMax, random.fill(new Uint8Array(8)));
    this.#firstMs = new Float64Array(messagesMax);
    this.#bytes = new Int32Array(messagesMax);
    this.#omitted = new Float64Array(messagesMax);
    this.#hops = new HopStore(Math.max(HOPS_PER_MESSAGE * messagesMax, 2 * hopsMax));
    this.#arrivals = newRows(messagesMax);
    this.#handovers = newRows(messagesMax);
    this.#arrived = new Float64Array(messagesMax);
  }

  /** Messages remembered now. */
  get size(): number {
    return this.#noted - this.#oldest;
  }

  /** See {@link BroadcastTrace}. */
  onArrival(nonce: bigint, from: Address | undefined, message: RainTreeMessage): void {
    const atMs = this.#clock.wall();
    const place = this.#place(nonce, atMs);
    if (this.#bytes[place] < 0) {
      this.#bytes[place] = message.data.length;
      this.#arrived[this.#arrivedEver % this.#messagesMax] = this.#numberAt(place);
      this.#arrivedEver++;
      this.counts.arrived(from, message);
    }
    this.#keep(this.#arrivals, place, atMs, from, message);
  }

  /** See {@link BroadcastTrace}. */
  onHandover(nonce: bigint, to: Address, head: RainTreeHead): void {
    const atMs = this.#clock.wall();
    const place = this.#place(nonce, atMs);
    this.counts.handedOver(to, head);
    this.#keep(this.#handovers, place, atMs, to, head);
  }

  /** What is known of a message, with sizes by the view `ring`; `undefined` where it is unknown or forgotten. */
  view(nonce: bigint, self: Address, ring: Ring): MessageView | undefined {
    const place = this.#places.find(nonce);
    if (place < 0) return undefined;
    const arrivals = this.#hops.row(this.#arrivals.first[place]);
    const handovers = this.#hops.row(this.#handovers.first[place]);
    const bytes = this.#bytes[place];
    return {
      nonce: String(nonce),
      origin: arrivals.some(({ peer }) => peer === undefined),
      bytes: bytes < 0 ? undefined : bytes,
      firstAt: new Date(this.#firstMs[place]).toISOString(),
      arrivals: arrivals.map((hop) => ({ ...hopView(hop, self, ring), from: hop.peer })),
      handovers: handovers.map((hop) => ({ ...hopView(hop, hop.peer!, ring), to: hop.peer })),
      omitted: this.#omitted[place],
    };
  }

  /** What arrived from place `after` on, at most `limit`: who asks again from `next` on misses nothing and is told nothing twice. */
  page(after: number, limit: number): MessageLogPage {
    const oldest = Math.max(0, this.#arrivedEver - this.#messagesMax);
    const from = Math.min(Math.max(after, oldest), this.#arrivedEver);
    const next = Math.min(from + limit, this.#arrivedEver);
    const messages: ArrivedMessage[] = [];
    let forgotten = Math.max(0, from - after);
    for (let turn = from; turn < next; turn++) {
      const number = this.#arrived[turn % this.#messagesMax];
      if (number < this.#oldest) {
        forgotten++;
        continue;
      }
      const place = number % this.#messagesMax;
      const first = this.#arrivals.first[place];
      // There was no room for it, where newer ones take all: about then, and not here, since it went out before.
      const hop = first === NO_HOP ? { atMs: this.#firstMs[place], origin: false } : this.#hops.brief(first);
      messages.push({ nonce: String(this.#places.at(place)), ...hop });
    }
    return { since: this.#since, next, forgotten, messages };
  }

  #place(nonce: bigint, firstMs: number): number {
    const known = this.#places.find(nonce);
    if (known >= 0) return known;
    if (this.size === this.#messagesMax) this.#forgetOldest();
    const place = this.#noted % this.#messagesMax;
    this.#noted++;
    this.#places.put(place, nonce);
    this.#firstMs[place] = firstMs;
    this.#bytes[place] = -1;
    this.#omitted[place] = 0;
    clearRow(this.#arrivals, place);
    clearRow(this.#handovers, place);
    return place;
  }

  /** The number of the message that stands at a place. */
  #numberAt(place: number): number {
    const newest = this.#noted - 1;
    return newest - (newest - place) % this.#messagesMax;
  }

  #forgetOldest(): void {
    const place = this.#oldest % this.#messagesMax;
    for (const { first, last } of [this.#arrivals, this.#handovers]) this.#hops.free(first[place], last[place]);
    this.#places.remove(place);
    this.#oldest++;
  }

  #keep(rows: HopRows, place: number, atMs: number, peer: Address | undefined, head: RainTreeHead): void {
    const isKept = rows.count[place] < this.#hopsMax;
    // Whoever sends each message many times pushes out what is old, and does not take up more room.
    while (isKept && this.#hops.full && this.#oldest % this.#messagesMax !== place) this.#forgetOldest();
    if (!isKept || this.#hops.full) {
      this.#omitted[place]++;
      return;
    }
    const last = this.#hops.add(rows.last[place], atMs, peer, head);
    if (rows.count[place]++ === 0) rows.first[place] = last;
    rows.last[place] = last;
  }
}

/** The rows of hops that begin at each place. */
interface HopRows {
  readonly first: Int32Array;
  readonly last: Int32Array;
  readonly count: Uint32Array;
}

function newRows(places: number): HopRows {
  return { first: new Int32Array(places), last: new Int32Array(places), count: new Uint32Array(places) };
}

function clearRow({ first, last, count }: HopRows, place: number): void {
  first[place] = last[place] = NO_HOP;
  count[place] = 0;
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
