/** Bytes of one slab. To find memory for slabs of half of it takes a fortieth of the whole work more; a peer that takes nothing keeps alive more of larger ones. */
const SLAB_BYTES = 32 * 1024;

/** Pieces above this get memory of their own. */
const PIECE_BYTES_MAX = 4 * 1024;

/**
 * Cuts small pieces from large allocations: a piece costs a view instead of a zeroed buffer of its own. A slab lives as long as any piece
 * of it, so give it to what is short-lived.
 */
export class Slab {
  #slab = new Uint8Array();
  #at = 0;

  /** A piece of `length` bytes that nobody else has; what it holds is undefined. */
  take(length: number): Uint8Array {
    if (length > PIECE_BYTES_MAX) return new Uint8Array(length);
    if (this.#at + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#at = 0;
    }
    const start = this.#at;
    // Pieces begin at multiples of eight, as memory of their own would.
    this.#at = (start + length + 7) & ~7;
    return this.#slab.subarray(start, start + length);
  }
}
