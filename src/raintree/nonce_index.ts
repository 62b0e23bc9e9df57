import { NONCE_BYTES } from "./packed_nonces.ts";

/** How far from where a nonce is thought to be it is looked for, in places. */
const NEAR = 8;

/**
 * Finds the place of a nonce among a fixed number of places: a hash table with linear probing in typed arrays, so a look-up allocates nothing. Who
 * owns it decides which place a new nonce takes. 16 to 24 bytes a place.
 */
export class NonceIndex {
  readonly #seedLow: number;
  readonly #seedHigh: number;
  // The scratch splits a bigint into two 32-bit halves without making another bigint; the lower one is first, as on every machine that Deno runs on.
  readonly #scratch = new BigUint64Array(1);
  readonly #scratchHalves = new Uint32Array(this.#scratch.buffer);
  // The same nonce is looked up several times while a message is handled: the place found last, and its nonce.
  #lastLow = 0;
  #lastHigh = 0;
  #lastPlace = -1;
  /** Two halves a place. */
  readonly #halves: Uint32Array;
  /** Place plus one, or 0 for an empty slot; at most half of the slots are taken. */
  readonly #slots: Uint32Array;

  /** Places 0 to `places - 1`, all empty. The seed (8 bytes) keys the hash, so that nobody can choose nonces that collide. */
  constructor(places: number, seed: Uint8Array) {
    const view = new DataView(seed.buffer, seed.byteOffset, 8);
    this.#seedLow = view.getUint32(0);
    this.#seedHigh = view.getUint32(4);
    this.#halves = new Uint32Array(2 * places);
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * places)));
  }

  /** Where `nonce` (an unsigned 64-bit integer) stands, or -1. */
  find(nonce: bigint): number {
    this.#scratch[0] = nonce;
    return this.#find(this.#scratchHalves[1], this.#scratchHalves[0]);
  }

  /**
   * The same of a nonce given as its upper and its lower 32 bits, first looked for around the place `near`: a few steps through memory, where a search by
   * hash goes to two or three ends of a table larger than the processor's cache. May find a place that was never taken, for 0.
   */
  findNear(high: number, low: number, near: number): number {
    const halves = this.#halves;
    const end = Math.min(2 * (near + NEAR), halves.length);
    for (let at = 2 * Math.max(0, near - NEAR); at < end; at += 2) {
      if (halves[at] === low && halves[at + 1] === high) return at / 2;
    }
    return this.#find(high, low);
  }

  /** How many nonces of a packed row, from its byte `from` on, stand in the same order from `place` on: a loop that does nothing but compare. */
  alike(row: DataView, from: number, place: number): number {
    const halves = this.#halves;
    const end = Math.min(row.byteLength, from + NONCE_BYTES * (halves.length / 2 - place));
    let at = from;
    let half = 2 * place;
    while (at < end && halves[half + 1] === row.getUint32(at) && halves[half] === row.getUint32(at + 4)) {
      at += NONCE_BYTES;
      half += 2;
    }
    return (at - from) / NONCE_BYTES;
  }

  /** Puts a nonce that is not in yet to an empty place. */
  put(place: number, nonce: bigint): void {
    this.#scratch[0] = nonce;
    const low = this.#scratchHalves[0];
    const high = this.#scratchHalves[1];
    this.#halves[2 * place] = low;
    this.#halves[2 * place + 1] = high;
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#slotOf(low, high);
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = place + 1;
    this.#found(place, low, high);
  }

  /** The nonce at a taken place. */
  at(place: number): bigint {
    this.#scratchHalves[0] = this.#halves[2 * place];
    this.#scratchHalves[1] = this.#halves[2 * place + 1];
    return this.#scratch[0];
  }

  /** Empties the slot of a taken place, and moves back whoever stands behind only because of it, so that no gap ends a search early. */
  remove(place: number): void {
    if (place === this.#lastPlace) this.#lastPlace = -1;
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

  #find(high: number, low: number): number {
    if (low === this.#lastLow && high === this.#lastHigh && this.#lastPlace >= 0) return this.#lastPlace;
    const halves = this.#halves;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = this.#slotOf(low, high); slots[slot] !== 0; slot = (slot + 1) & mask) {
      const at = 2 * (slots[slot] - 1);
      if (halves[at] !== low || halves[at + 1] !== high) continue;
      return this.#found(at / 2, low, high);
    }
    return -1;
  }

  #found(place: number, low: number, high: number): number {
    this.#lastLow = low;
    this.#lastHigh = high;
    return this.#lastPlace = place;
  }

  #home(place: number): number {
    return this.#slotOf(this.#halves[2 * place], this.#halves[2 * place + 1]);
  }

  #slotOf(low: number, high: number): number {
    // Either half is keyed and mixed before the other comes to it: what differs in one can then not be made up for in the other.
    return mix(mix(low ^ this.#seedLow) ^ (high + this.#seedHigh)) & (this.#slots.length - 1);
  }
}

/** The finalizer of MurmurHash3, by which every bit of the input changes half of those of the output. */
function mix(bits: number): number {
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
