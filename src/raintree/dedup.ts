import { type Random, systemRandom } from "../base/random.ts";

/** Options of {@link NonceDeduper}. */
export interface NonceDeduperOptions {
  /** How many nonces are remembered, 1 to 2^28; the oldest goes first. 21 to 29 bytes each once it is full. @default {100000} */
  maxNonces?: number;
  /** Keys the hash, so that nobody can choose nonces that collide. @default {systemRandom} */
  random?: Random;
}

const NONCES_LIMIT = 2 ** 28;
const FIRST_CAPACITY = 256;

/**
 * Remembers which nonces were seen, in bounded memory. A hash table with linear probing in typed
 * arrays: a lookup allocates nothing, and it takes 1.9 MB for 100,000 nonces, where a `Set` of bigints takes 5.1. Grows with use up to its limit.
 */
export class NonceDeduper {
  readonly #maxNonces: number;
  readonly #seedLow: number;
  readonly #seedHigh: number;
  // The scratch splits a bigint into two 32-bit halves without making another bigint.
  readonly #scratch = new BigUint64Array(1);
  readonly #halves = new Uint32Array(this.#scratch.buffer);
  /** Halves of the nonces in order of arrival; a ring once `maxNonces` are held. */
  #nonces: Uint32Array;
  /** What each was seen for. */
  #marks: Uint8Array;
  /** See {@link raise}. */
  #values: Uint32Array;
  /** Place in `#nonces` plus one, or 0 for an empty slot; at most half of the slots are taken. */
  #slots: Uint32Array;
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
    const seed = new DataView(random.fill(new Uint8Array(8)).buffer);
    this.#seedLow = seed.getUint32(0);
    this.#seedHigh = seed.getUint32(4);
    const capacity = Math.min(FIRST_CAPACITY, maxNonces);
    this.#nonces = new Uint32Array(2 * capacity);
    this.#marks = new Uint8Array(capacity);
    this.#values = new Uint32Array(capacity);
    this.#slots = new Uint32Array(slotsFor(capacity));
  }

  /** How many nonces are remembered now. */
  get size(): number {
    return this.#size;
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

  /** Where `nonce` stands; it takes the place of the oldest when it is new and the table full. */
  #place(nonce: bigint): number {
    this.#scratch[0] = nonce;
    const low = this.#halves[0];
    const high = this.#halves[1];
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = this.#slotOf(low, high); slots[slot] !== 0; slot = (slot + 1) & mask) {
      const at = 2 * (slots[slot] - 1);
      if (this.#nonces[at] === low && this.#nonces[at + 1] === high) return at / 2;
    }
    this.#makeRoom();
    const place = this.#next;
    this.#nonces[2 * place] = low;
    this.#nonces[2 * place + 1] = high;
    this.#marks[place] = 0;
    this.#values[place] = 0;
    this.#enter(place);
    this.#size++;
    this.#next = place + 1 === this.#maxNonces ? 0 : place + 1;
    return place;
  }

  #makeRoom(): void {
    if (this.#size === this.#maxNonces) {
      this.#leave(this.#next);
      this.#size--;
    } else if (2 * this.#size === this.#nonces.length) {
      const capacity = Math.min(2 * this.#size, this.#maxNonces);
      const nonces = new Uint32Array(2 * capacity);
      nonces.set(this.#nonces);
      this.#nonces = nonces;
      const marks = new Uint8Array(capacity);
      marks.set(this.#marks);
      this.#marks = marks;
      const values = new Uint32Array(capacity);
      values.set(this.#values);
      this.#values = values;
      this.#slots = new Uint32Array(slotsFor(capacity));
      for (let place = 0; place < this.#size; place++) this.#enter(place);
    }
  }

  #enter(place: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#home(place);
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = place + 1;
  }

  /** Empties the slot of `place` and moves back whoever stands behind only because of it, so that no gap ends a search early. */
  #leave(place: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let gap = this.#home(place);
    while (slots[gap] !== place + 1) gap = (gap + 1) & mask;
    for (let slot = (gap + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#home(slots[slot] - 1);
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      slots[gap] = slots[slot];
      gap = slot;
    }
    slots[gap] = 0;
  }

  #home(place: number): number {
    return this.#slotOf(this.#nonces[2 * place], this.#nonces[2 * place + 1]);
  }

  #slotOf(low: number, high: number): number {
    let hash = Math.imul(low ^ this.#seedLow, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ high, 0x85ebca6b) + this.#seedHigh;
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) & (this.#slots.length - 1);
  }
}

/** A power of two, at least twice the capacity. */
function slotsFor(capacity: number): number {
  return 2 ** Math.ceil(Math.log2(2 * capacity));
}
