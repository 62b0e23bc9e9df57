import type { Clock } from "../base/clock.ts";
import { type Random, systemRandom } from "../base/random.ts";
import { NonceIndex } from "./nonce_index.ts";

/** A broadcast that came lately. Short-lived: whoever needs it later remembers its nonce or its number. */
export interface RecentMessage {
  /** Tells broadcasts apart. */
  readonly nonce: bigint;
  /** When it came, by the clock's `now()`. */
  readonly atMs: number;
  /** How many came before it, forgotten ones included. */
  readonly sequence: number;
  /** The encoded `PocketEnvelope`: a view of memory that never changes. */
  readonly data: Uint8Array;
}

/** Options of {@link RecentMessages}. */
export interface RecentMessagesOptions {
  /** Time. */
  clock: Clock;
  /** How much is kept, bytes; each message counts for 64 more than it has. The memory behind it is up to a quarter larger. @default {8388608} */
  bytesMax?: number;
  /** How long it is kept, milliseconds. @default {60000} */
  ageMsMax?: number;
  /** Keys the hash, so that nobody can choose nonces that collide. @default {systemRandom} */
  random?: Random;
}

/** What keeping an empty message takes. */
const ENTRY_BYTES = 64;
const FIRST_PLACES = 256;
const CHUNK_BYTES = 64 * 1024;
/** Messages above this get memory of their own: at most a quarter of a chunk is left empty. */
const PIECE_BYTES_MAX = CHUNK_BYTES / 4;

/** The data is cut out of its chunk when asked for: most messages are never asked for again, and a view costs as much as copying 256 bytes. */
class Kept implements RecentMessage {
  readonly #chunk: Uint8Array;
  readonly #start: number;
  readonly #length: number;

  constructor(
    readonly nonce: bigint,
    readonly atMs: number,
    readonly sequence: number,
    chunk: Uint8Array,
    start: number,
    length: number,
  ) {
    this.#chunk = chunk;
    this.#start = start;
    this.#length = length;
  }

  get data(): Uint8Array {
    return this.#chunk.subarray(this.#start, this.#start + this.#length);
  }
}

/**
 * The broadcasts that came lately, for those who lack them: bounded in bytes and in time, oldest out first. Copies into chunks, so that no
 * network buffer is kept alive; a chunk goes when its last message does. Everything about a message stands in typed arrays, where it costs the
 * garbage collector nothing. No timer: what is too old is not found any more, and is let go when the next message comes.
 */
export class RecentMessages {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #ageMsMax: number;
  readonly #seed: Uint8Array;
  // Message number s stands at place s % places; there are always a power of two.
  #mask = FIRST_PLACES - 1;
  #index: NonceIndex;
  #times = new Float64Array(FIRST_PLACES);
  #starts = new Uint32Array(FIRST_PLACES);
  #lengths = new Uint32Array(FIRST_PLACES);
  #chunks = new Array<Uint8Array | undefined>(FIRST_PLACES).fill(undefined);
  #oldest = 0;
  #next = 0;
  #bytes = 0;
  #chunk = new Uint8Array();
  #chunkUsed = 0;

  /** Empty. */
  constructor(options: RecentMessagesOptions) {
    const { clock, bytesMax = 8 * 1024 * 1024, ageMsMax = 60_000, random = systemRandom } = options;
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#ageMsMax = ageMsMax;
    this.#seed = random.fill(new Uint8Array(8));
    this.#index = new NonceIndex(FIRST_PLACES, this.#seed);
  }

  /** Bytes held, 64 for each message included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many messages are held. */
  get size(): number {
    return this.#next - this.#oldest;
  }

  /** The number of the oldest message held, or of the next to come. */
  get oldest(): number {
    return this.#oldest;
  }

  /** The number that the next message gets. */
  get next(): number {
    return this.#next;
  }

  /**
   * Keeps a copy of the message, or finds the one that is kept. Called once per broadcast: give it the time if you have it, a look at the clock
   * costs as much as the rest. A message larger than everything that may be kept is alone until the next one comes.
   */
  add(nonce: bigint, data: Uint8Array, nowMs: number = this.#clock.now()): RecentMessage {
    const known = this.#index.find(nonce);
    if (known >= 0) return this.#kept(this.#sequenceAt(known), nonce);
    const length = data.length;
    this.#makeRoom(length + ENTRY_BYTES, nowMs);
    const sequence = this.#next++;
    const place = sequence & this.#mask;
    let chunk: Uint8Array;
    let start = 0;
    if (length > PIECE_BYTES_MAX) {
      chunk = data.slice();
    } else {
      if (this.#chunkUsed + length > this.#chunk.length) {
        this.#chunk = new Uint8Array(CHUNK_BYTES);
        this.#chunkUsed = 0;
      }
      chunk = this.#chunk;
      start = this.#chunkUsed;
      this.#chunkUsed += length;
      chunk.set(data, start);
    }
    this.#index.put(place, nonce);
    this.#times[place] = nowMs;
    this.#starts[place] = start;
    this.#lengths[place] = length;
    this.#chunks[place] = chunk;
    this.#bytes += length + ENTRY_BYTES;
    return new Kept(nonce, nowMs, sequence, chunk, start, length);
  }

  /** The message, unless it is forgotten or too old. */
  get(nonce: bigint): RecentMessage | undefined {
    const place = this.#index.find(nonce);
    return place < 0 ? undefined : this.#young(this.#sequenceAt(place), nonce, this.#clock.now());
  }

  /** The message of this number, unless it is forgotten, too old or still to come. Give it the time if you ask for many. */
  at(sequence: number, nowMs: number = this.#clock.now()): RecentMessage | undefined {
    if (sequence < this.#oldest || sequence >= this.#next) return undefined;
    return this.#young(sequence, this.#index.at(sequence & this.#mask), nowMs);
  }

  /** The nonces of the messages from number `from` on, in a row, that came at `atMs` or before. */
  noncesUpTo(from: number, atMs: number): bigint[] {
    const nonces: bigint[] = [];
    for (let sequence = Math.max(from, this.#oldest); sequence < this.#next; sequence++) {
      const place = sequence & this.#mask;
      if (this.#times[place] > atMs) break;
      nonces.push(this.#index.at(place));
    }
    return nonces;
  }

  /** All messages, oldest first. */
  *values(): Generator<RecentMessage> {
    const nowMs = this.#clock.now();
    for (let sequence = this.#oldest; sequence < this.#next; sequence++) {
      const message = this.at(sequence, nowMs);
      if (message !== undefined) yield message;
    }
  }

  #young(sequence: number, nonce: bigint, nowMs: number): RecentMessage | undefined {
    const tooOld = this.#times[sequence & this.#mask] < nowMs - this.#ageMsMax;
    return tooOld ? undefined : this.#kept(sequence, nonce);
  }

  #kept(sequence: number, nonce: bigint): RecentMessage {
    const place = sequence & this.#mask;
    return new Kept(
      nonce,
      this.#times[place],
      sequence,
      this.#chunks[place]!,
      this.#starts[place],
      this.#lengths[place],
    );
  }

  /** The number of the message at a taken place. */
  #sequenceAt(place: number): number {
    return this.#oldest + ((place - this.#oldest) & this.#mask);
  }

  #makeRoom(bytes: number, nowMs: number): void {
    const tooOld = nowMs - this.#ageMsMax;
    while (this.#oldest < this.#next) {
      const place = this.#oldest & this.#mask;
      if (this.#bytes + bytes <= this.#bytesMax && this.#times[place] >= tooOld) break;
      this.#index.remove(place);
      this.#chunks[place] = undefined;
      this.#bytes -= this.#lengths[place] + ENTRY_BYTES;
      this.#oldest++;
    }
    if (this.size > this.#mask) this.#grow();
  }

  /** Twice the places; the bound on bytes is one on these too. */
  #grow(): void {
    const places = 2 * (this.#mask + 1);
    const index = new NonceIndex(places, this.#seed);
    const times = new Float64Array(places);
    const starts = new Uint32Array(places);
    const lengths = new Uint32Array(places);
    const chunks = new Array<Uint8Array | undefined>(places).fill(undefined);
    for (let sequence = this.#oldest; sequence < this.#next; sequence++) {
      const from = sequence & this.#mask;
      const to = sequence & (places - 1);
      index.put(to, this.#index.at(from));
      times[to] = this.#times[from];
      starts[to] = this.#starts[from];
      lengths[to] = this.#lengths[from];
      chunks[to] = this.#chunks[from];
    }
    this.#mask = places - 1;
    this.#index = index;
    this.#times = times;
    this.#starts = starts;
    this.#lengths = lengths;
    this.#chunks = chunks;
  }
}
