import type { Clock } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import { NonceDeduper } from "./dedup.ts";
import { NONCE_BYTES } from "./packed_nonces.ts";

/** A broadcast that came lately. Short-lived: whoever needs it later remembers its nonce or its number. */
export interface RecentMessage {
  /** Tells broadcasts apart. */
  readonly nonce: bigint;
  /** When it came, by the clock's `now()`. */
  readonly atMs: number;
  /** How many came before it, forgotten ones included. */
  readonly sequence: number;
  /** The encoded `PocketEnvelope`: a view, for use at once, of memory that changes when the message is forgotten. @throws {P2pError} `recent_forgotten` then. */
  readonly data: Uint8Array;
}

/** A broadcast where none are kept: its data is what the caller gave. */
export function notKept(nonce: bigint, data: Uint8Array): RecentMessage {
  return { nonce, atMs: 0, sequence: 0, data };
}

/** Options of {@link RecentMessages}. */
export interface RecentMessagesOptions {
  /** Time. */
  clock: Clock;
  /**
   * How much is kept, bytes; each message counts for 64 more than it has. What came within the last second is kept beyond it, up to four times as much: otherwise one
   * large message takes away what others are still to be given; see {@link RecentMessages.needed}. The memory behind it is up to a half larger. @default {4194304}
   */
  bytesMax?: number;
  /** How long it is kept, milliseconds. @default {60000} */
  ageMsMax?: number;
  /** Where it is noted which message has which nonce: whoever looks nonces up anyway pays for it once. @default {its own} */
  nonces?: NonceDeduper;
}

/** What is this young, milliseconds, goes only where there is {@link YOUNG_SHARES} times too much: it has to be offered, and asked for. */
const YOUNG_MS = 1000;
const YOUNG_SHARES = 4;
/** The same where something is missing: it has to be handed to the next in turn, too. Not always, as fresh memory costs more than all else that keeping does. */
const NEEDED_MS = 2000;
/** How long that holds, milliseconds. */
const TROUBLE_MS = 5000;
/** What keeping an empty message takes. */
const ENTRY_BYTES = 64;
const FIRST_PLACES = 256;
/** Large, as what lives for seconds amid memory that is used for one message leaves holes there, and makes all of that slower to find. */
const CHUNK_BYTES = 256 * 1024;
const CHUNK_BYTES_FIRST = 4 * 1024;
/** Messages above this get memory of their own: at most a quarter of a chunk of full size is left empty. */
const PIECE_BYTES_MAX = CHUNK_BYTES / 4;

/** Memory for messages. */
interface Chunk {
  readonly memory: Uint8Array;
  /** How many messages it holds. */
  messages: number;
}

/** Chunks that wait to be used again. Fresh memory costs more than the copying: the system has to find and to clear it. */
const SPARE_CHUNKS_MAX = 4;

/** Numbers of messages go round at this, where they are noted. */
const NOTES = 2 ** 32 - 1;

/** The data is cut out of its chunk when asked for: most messages are never asked for again, and a view costs as much as copying 256 bytes. */
class Kept implements RecentMessage {
  readonly #store: RecentMessages;

  constructor(store: RecentMessages, readonly nonce: bigint, readonly atMs: number, readonly sequence: number) {
    this.#store = store;
  }

  get data(): Uint8Array {
    return this.#store.dataOf(this.sequence);
  }
}

/**
 * The broadcasts that came lately, for those who lack them: bounded in bytes and in time, oldest out first. Copies into chunks, so that no
 * network buffer is kept alive; a chunk is used again when its last message is gone. Everything about a message stands in typed arrays, where it costs the
 * garbage collector nothing. No timer: what is too old is not found any more, and is let go when the next message comes.
 */
export class RecentMessages {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #ageMsMax: number;
  readonly #nonces: NonceDeduper;
  // Message number s stands at place s % places; there are always a power of two.
  #mask = FIRST_PLACES - 1;
  /** Packed: a run of them is what others are told. */
  #ids = new DataView(new ArrayBuffer(NONCE_BYTES * FIRST_PLACES));
  #times = new Float64Array(FIRST_PLACES);
  #starts = new Uint32Array(FIRST_PLACES);
  #lengths = new Uint32Array(FIRST_PLACES);
  #chunks = new Array<Chunk | undefined>(FIRST_PLACES).fill(undefined);
  #oldest = 0;
  #next = 0;
  #bytes = 0;
  /** The one that is being filled. */
  #chunk: Chunk = { memory: new Uint8Array(), messages: 0 };
  #chunkUsed = 0;
  readonly #spareChunks: Chunk[] = [];
  #neededMs = -Infinity;

  /** Empty. */
  constructor(options: RecentMessagesOptions) {
    const { clock, bytesMax = 4 * 1024 * 1024, ageMsMax = 60_000, nonces = new NonceDeduper() } = options;
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#ageMsMax = ageMsMax;
    this.#nonces = nonces;
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

  /** Somebody lacks what should have come: for five seconds, what came within the last two seconds is kept as what came within the last one is at other times. */
  needed(): void {
    this.#neededMs = this.#clock.now();
  }

  /** Keeps a copy of the message, or finds the one that is kept. A message larger than everything that may be kept is alone until the next one comes. */
  add(nonce: bigint, data: Uint8Array): RecentMessage {
    const known = this.#sequenceOf(nonce);
    if (known >= 0) return this.#kept(known);
    const nowMs = this.#clock.now();
    const length = data.length;
    this.#makeRoom(length + ENTRY_BYTES, nowMs);
    const sequence = this.#next++;
    const place = sequence & this.#mask;
    let chunk: Chunk;
    let start = 0;
    if (length > PIECE_BYTES_MAX) {
      chunk = { memory: data.slice(), messages: 0 };
    } else {
      if (this.#chunkUsed + length > this.#chunk.memory.length) {
        this.#chunk = this.#spareChunks.pop() ?? { memory: new Uint8Array(this.#chunkBytes(length)), messages: 0 };
        this.#chunkUsed = 0;
      }
      chunk = this.#chunk;
      start = this.#chunkUsed;
      this.#chunkUsed += length;
      chunk.memory.set(data, start);
    }
    chunk.messages++;
    this.#nonces.note(nonce, (sequence % NOTES) + 1);
    this.#ids.setBigUint64(NONCE_BYTES * place, nonce);
    this.#times[place] = nowMs;
    this.#starts[place] = start;
    this.#lengths[place] = length;
    this.#chunks[place] = chunk;
    this.#bytes += length + ENTRY_BYTES;
    return new Kept(this, nonce, nowMs, sequence);
  }

  /** The message, unless it is forgotten or too old. */
  get(nonce: bigint): RecentMessage | undefined {
    const sequence = this.#sequenceOf(nonce);
    return sequence < 0 ? undefined : this.#young(sequence, this.#clock.now());
  }

  /** The message of this number, unless it is forgotten, too old or still to come. Give it the time if you ask for many. */
  at(sequence: number, nowMs: number = this.#clock.now()): RecentMessage | undefined {
    if (sequence < this.#oldest || sequence >= this.#next) return undefined;
    return this.#young(sequence, nowMs);
  }

  /** The number behind the last of the messages from number `from` (the oldest, if that is forgotten) on, in a row, that came at `atMs` or before; that number itself if there is none. */
  endUpTo(from: number, atMs: number): number {
    let end = Math.max(from, this.#oldest);
    while (end < this.#next && this.#times[end & this.#mask] <= atMs) end++;
    return end;
  }

  /** The nonces of the messages from number `first` up to, not including, `end`, packed. All of them must be held. */
  nonces(first: number, end: number): Uint8Array {
    const nonces = new Uint8Array(NONCE_BYTES * (end - first));
    const ids = new Uint8Array(this.#ids.buffer);
    const start = NONCE_BYTES * (first & this.#mask);
    const whole = ids.subarray(start, start + nonces.length);
    nonces.set(whole);
    // The places go round.
    nonces.set(ids.subarray(0, nonces.length - whole.length), whole.length);
    return nonces;
  }

  /** The data of a message that is held, by its number. @throws {P2pError} `recent_forgotten` */
  dataOf(sequence: number): Uint8Array {
    if (sequence < this.#oldest) {
      throw new P2pError("recent_forgotten", `Message ${sequence} is forgotten, the oldest held is ${this.#oldest}`);
    }
    const place = sequence & this.#mask;
    const start = this.#starts[place];
    return this.#chunks[place]!.memory.subarray(start, start + this.#lengths[place]);
  }

  #young(sequence: number, nowMs: number): RecentMessage | undefined {
    const tooOld = this.#times[sequence & this.#mask] < nowMs - this.#ageMsMax;
    return tooOld ? undefined : this.#kept(sequence);
  }

  #kept(sequence: number): RecentMessage {
    const place = sequence & this.#mask;
    return new Kept(this, this.#ids.getBigUint64(NONCE_BYTES * place), this.#times[place], sequence);
  }

  /** The number of the message with this nonce, if it is held; otherwise -1. */
  #sequenceOf(nonce: bigint): number {
    const note = this.#nonces.noted(nonce);
    if (note === 0) return -1;
    const sequence = this.#oldest + (note - 1 - (this.#oldest % NOTES) + NOTES) % NOTES;
    return sequence < this.#next ? sequence : -1;
  }

  #makeRoom(bytes: number, nowMs: number): void {
    const tooOld = nowMs - this.#ageMsMax;
    const young = nowMs - (nowMs - this.#neededMs < TROUBLE_MS ? NEEDED_MS : YOUNG_MS);
    while (this.#oldest < this.#next) {
      const place = this.#oldest & this.#mask;
      const atMs = this.#times[place];
      const bytesMax = atMs > young ? YOUNG_SHARES * this.#bytesMax : this.#bytesMax;
      if (this.#bytes + bytes <= bytesMax && atMs >= tooOld) break;
      const chunk = this.#chunks[place]!;
      this.#chunks[place] = undefined;
      this.#bytes -= this.#lengths[place] + ENTRY_BYTES;
      this.#oldest++;
      if (--chunk.messages === 0) this.#spare(chunk);
    }
    if (this.size > this.#mask) this.#grow();
  }

  /** A quarter of what is held, up to the full size: a node that keeps little takes little. */
  #chunkBytes(least: number): number {
    return Math.max(CHUNK_BYTES_FIRST, Math.min(CHUNK_BYTES, Math.floor(this.#bytes / 4)), least);
  }

  /** A chunk holds no message any more. Spare ones are a quarter of what is held, at most: a peak leaves no memory behind. */
  #spare(chunk: Chunk): void {
    const spare = this.#spareChunks;
    if (chunk === this.#chunk) this.#chunkUsed = 0;
    else if (chunk.memory.length === CHUNK_BYTES && spare.length < SPARE_CHUNKS_MAX) spare.push(chunk);
    while (4 * CHUNK_BYTES * spare.length > this.#bytes) spare.pop();
  }

  /** Twice the places; the bound on bytes is one on these too. */
  #grow(): void {
    const places = 2 * (this.#mask + 1);
    const ids = new DataView(new ArrayBuffer(NONCE_BYTES * places));
    const times = new Float64Array(places);
    const starts = new Uint32Array(places);
    const lengths = new Uint32Array(places);
    const chunks = new Array<Chunk | undefined>(places).fill(undefined);
    for (let sequence = this.#oldest; sequence < this.#next; sequence++) {
      const from = sequence & this.#mask;
      const to = sequence & (places - 1);
      ids.setBigUint64(NONCE_BYTES * to, this.#ids.getBigUint64(NONCE_BYTES * from));
      times[to] = this.#times[from];
      starts[to] = this.#starts[from];
      lengths[to] = this.#lengths[from];
      chunks[to] = this.#chunks[from];
    }
    this.#mask = places - 1;
    this.#ids = ids;
    this.#times = times;
    this.#starts = starts;
    this.#lengths = lengths;
    this.#chunks = chunks;
  }
}
