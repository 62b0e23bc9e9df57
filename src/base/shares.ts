/** How much may be held at once. */
export interface ShareLimits {
  /** Pieces. */
  readonly count: number;
  /** Bytes of them together; a first piece may be larger, or it would never be let in. */
  readonly bytes: number;
}

interface Held {
  count: number;
  bytes: number;
}

const NOTHING: Readonly<Held> = { count: 0, bytes: 0 };

/** Bounds what is held on behalf of others, for each holder and for all together, so that nobody uses up everybody's room. */
export class Shares<K> {
  readonly #each: ShareLimits;
  readonly #all: ShareLimits;
  readonly #held = new Map<K, Held>();
  readonly #total: Held = { ...NOTHING };

  /** Nothing is held. */
  constructor({ each, all }: { each: ShareLimits; all: ShareLimits }) {
    this.#each = each;
    this.#all = all;
  }

  /** What all have together. */
  get total(): Readonly<Held> {
    return this.#total;
  }

  /** What a holder has. */
  of(holder: K): Readonly<Held> {
    return this.#held.get(holder) ?? NOTHING;
  }

  /** Whether there is room for a piece of `bytes`: neither the holder nor all together have as much as they may. */
  fits(holder: K, bytes: number): boolean {
    return fits(this.#total, this.#all, bytes) && fits(this.of(holder), this.#each, bytes);
  }

  /** Takes the room for a piece. Ask {@link fits} first. */
  take(holder: K, bytes: number): void {
    let held = this.#held.get(holder);
    if (held === undefined) this.#held.set(holder, held = { ...NOTHING });
    held.count++;
    held.bytes += bytes;
    this.#total.count++;
    this.#total.bytes += bytes;
  }

  /** Gives back what {@link take} took. */
  give(holder: K, bytes: number): void {
    const held = this.#held.get(holder)!;
    held.bytes -= bytes;
    if (--held.count === 0) this.#held.delete(holder);
    this.#total.count--;
    this.#total.bytes -= bytes;
  }
}

function fits(held: Readonly<Held>, limits: ShareLimits, bytes: number): boolean {
  return held.count === 0 || (held.count < limits.count && held.bytes + bytes <= limits.bytes);
}
