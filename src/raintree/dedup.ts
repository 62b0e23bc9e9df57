import { type Random, systemRandom } from "../base/random.ts";
import { NonceIndex } from "./nonce_index.ts";
import { NONCE_BYTES, viewPacked } from "./packed_nonces.ts";

/** Options of {@link NonceDeduper}. */
export interface NonceDeduperOptions {
  /** How many nonces are remembered, 1 to 2^28; the oldest goes first. 25 to 33 bytes each once it is full. @default {100000} */
  maxNonces?: number;
  /** Keys the hash, so that nobody can choose nonces that collide. @default {systemRandom} */
  random?: Random;
}

const NONCES_LIMIT = 2 ** 28;
const FIRST_CAPACITY = 256;

/**
 * Remembers which nonces were seen, in bounded memory and typed arrays: a lookup allocates nothing, and it takes 2.7 MB for 100,000 nonces, where
 * a `Set` of bigints takes 5.1. Grows with use up to its limit.
 */
export class NonceDeduper {
  readonly #maxNonces: number;
  readonly #seed: Uint8Array;
  /** Places in order of arrival; a ring once `maxNonces` are held. */
  #index: NonceIndex;
  /** What each was seen for. */
  #marks: Uint8Array;
  /** See {@link raise}. */
  #values: Uint32Array;
  /** See {@link note}. */
  #notes: Uint32Array;
  #size = 0;
  /** Where the next nonce goes; when full, the oldest is there. */
  #next = 0;

  /** Starts empty. @throws {RangeError} where `maxNonces` is out of range. */
  constructor(options: NonceDeduperOptions = {}) {
    const { maxNonces = 100_000, random = systemRandom } = options;
    if (!Number.isInteger(maxNonces) || maxNonces < 1 || maxNonces > NONCES_LIMIT) {
      throw new RangeError(`Cannot remember ${maxNonces} nonces: wanted an integer from 1 to ${NONCES_LIMIT}`);
    }
    this.#maxNonces = maxNonces;
    this.#seed = random.fill(new Uint8Array(8));
    const capacity = Math.min(FIRST_CAPACITY, maxNonces);
    this.#index = new NonceIndex(capacity, this.#seed);
    this.#marks = new Uint8Array(capacity);
    this.#values = new Uint32Array(capacity);
    this.#notes = new Uint32Array(capacity);
  }

  /** How many nonces are remembered now. */
  get size(): number {
    return this.#size;
  }

  /** Whether `nonce` was seen for any of the duties in `mark`; changes nothing. */
  has(nonce: bigint, mark = 1): boolean {
    const place = this.#index.find(nonce);
    return place >= 0 && (this.#marks[place] & mark) !== 0;
  }

  /**
   * Calls `see` with where each nonce of a packed row stands that was not seen for any of the duties in `mark` (0 is no nonce); changes nothing. Nearly free where
   * they came here in nearly the same order.
   */
  eachUnseen(nonces: Uint8Array, see: (at: number) => void, mark = 1): void {
    const row = viewPacked(nonces);
    let near = this.#next;
    for (let at = 0; at < row.byteLength;) {
      const alike = this.#index.alike(row, at, near);
      for (const end = near + alike; near < end; near++, at += NONCE_BYTES) {
        if ((this.#marks[near] & mark) === 0) see(at);
      }
      if (at === row.byteLength) return;
      const place = this.#index.findNear(row.getUint32(at), row.getUint32(at + 4), near);
      if (place >= 0 && (this.#marks[place] & mark) !== 0) near = place + 1;
      else see(at);
      at += NONCE_BYTES;
    }
  }

  /**
   * Whether `nonce` (an unsigned 64-bit integer) was seen before; from now on it was. When full, the oldest is forgotten.
   * `mark`, a bit below 256, tells apart what it was seen for: one table then serves several duties at the price of one look-up.
   */
  seen(nonce: bigint, mark = 1): boolean {
    const place = this.#place(nonce);
    const marks = this.#marks[place];
    this.#marks[place] = marks | mark;
    return (marks & mark) !== 0;
  }

  /** Remembers the largest `value` (an unsigned 32-bit integer) that was given with `nonce`, and returns the largest before this one; 0 if there was none. */
  raise(nonce: bigint, value: number): number {
    const place = this.#place(nonce);
    const before = this.#values[place];
    if (value > before) this.#values[place] = value;
    return before;
  }

  /** Keeps a number (an unsigned 32-bit integer) beside `nonce`, for {@link noted}; the latest counts. */
  note(nonce: bigint, number: number): void {
    const place = this.#place(nonce); // first: it may replace the table
    this.#notes[place] = number;
  }

  /** The number noted beside `nonce`; 0 if there is none. Changes nothing. */
  noted(nonce: bigint): number {
    const place = this.#index.find(nonce);
    return place < 0 ? 0 : this.#notes[place];
  }

  /** Where `nonce` stands; it takes the place of the oldest when it is new and the table full. */
  #place(nonce: bigint): number {
    const known = this.#index.find(nonce);
    if (known >= 0) return known;
    this.#makeRoom();
    const place = this.#next;
    this.#marks[place] = 0;
    this.#values[place] = 0;
    this.#notes[place] = 0;
    this.#index.put(place, nonce);
    this.#size++;
    this.#next = place + 1 === this.#maxNonces ? 0 : place + 1;
    return place;
  }

  #makeRoom(): void {
    if (this.#size === this.#maxNonces) {
      this.#index.remove(this.#next);
      this.#size--;
    } else if (this.#size === this.#marks.length) {
      const capacity = Math.min(2 * this.#size, this.#maxNonces);
      const marks = new Uint8Array(capacity);
      marks.set(this.#marks);
      this.#marks = marks;
      const values = new Uint32Array(capacity);
      values.set(this.#values);
      this.#values = values;
      const notes = new Uint32Array(capacity);
      notes.set(this.#notes);
      this.#notes = notes;
      const index = new NonceIndex(capacity, this.#seed);
      for (let place = 0; place < this.#size; place++) index.put(place, this.#index.at(place));
      this.#index = index;
    }
  }
}
