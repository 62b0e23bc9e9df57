import { type Address, ADDRESS_BYTES } from "../identity/address.ts";
import type { RainTreeHead } from "../raintree/message.ts";

/** A message that came or went, once. */
export interface Hop {
  /** When, milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** From whom, or to whom; `undefined` where it began here. */
  readonly peer: Address | undefined;
  /** Its level, in classic mode. */
  readonly level: number;
  /** Where its segment ends. */
  readonly until: Address | undefined;
  /** Whether it went beside the tree. */
  readonly copy: boolean;
}

/** No hop: the end of a row. */
export const NO_HOP = -1;

const COPY = 1;
const HAS_UNTIL = 2;

/**
 * A fixed number of hops in typed arrays, each in a row that begins somewhere else: noting one allocates nothing, and thousands a second leave the garbage
 * collector nothing to carry along. 45 bytes a hop, of which the system gives what was once in use.
 */
export class HopStore {
  readonly #atMs: Float64Array;
  readonly #levels: Uint32Array;
  readonly #flags: Uint8Array;
  readonly #untils: Uint8Array;
  readonly #peers: (Address | undefined)[] = [];
  /** Behind each hop the next of its row, or of those that are free. */
  readonly #next: Int32Array;
  #free = NO_HOP;
  /** How many were ever in use: those behind are free. */
  #used = 0;

  /** Has room for `capacity` hops. */
  constructor(capacity: number) {
    this.#atMs = new Float64Array(capacity);
    this.#levels = new Uint32Array(capacity);
    this.#flags = new Uint8Array(capacity);
    this.#untils = new Uint8Array(ADDRESS_BYTES * capacity);
    this.#next = new Int32Array(capacity);
  }

  /** Whether there is no room. */
  get full(): boolean {
    return this.#free === NO_HOP && this.#used === this.#next.length;
  }

  /** Notes a hop where there is room, as the last of a row that ends with `last`, and returns where it stands. */
  add(last: number, atMs: number, peer: Address | undefined, { level, until, copy }: RainTreeHead): number {
    let at = this.#free;
    if (at === NO_HOP) at = this.#used++;
    else this.#free = this.#next[at];
    this.#next[at] = NO_HOP;
    if (last !== NO_HOP) this.#next[last] = at;
    this.#atMs[at] = atMs;
    this.#peers[at] = peer;
    this.#levels[at] = level;
    this.#flags[at] = (copy ? COPY : 0) | (until === undefined ? 0 : HAS_UNTIL);
    if (until === undefined) return at;
    // Byte by byte: for so few, `set` takes several times as long.
    const untils = this.#untils;
    for (let from = 0, to = ADDRESS_BYTES * at; from < ADDRESS_BYTES; from++, to++) untils[to] = until[from];
    return at;
  }

  /** Makes room of a whole row. */
  free(first: number, last: number): void {
    if (first === NO_HOP) return;
    this.#next[last] = this.#free;
    this.#free = first;
  }

  /** When a hop was, milliseconds since the Unix epoch, and whether a message began here with it. */
  brief(at: number): { atMs: number; origin: boolean } {
    return { atMs: this.#atMs[at], origin: this.#peers[at] === undefined };
  }

  /** The hops of a row. */
  row(first: number): Hop[] {
    const hops: Hop[] = [];
    for (let at = first; at !== NO_HOP; at = this.#next[at]) {
      const until = this.#untils.subarray(ADDRESS_BYTES * at, ADDRESS_BYTES * (at + 1));
      const flags = this.#flags[at];
      hops.push({
        atMs: this.#atMs[at],
        peer: this.#peers[at],
        level: this.#levels[at],
        until: (flags & HAS_UNTIL) === 0 ? undefined : until.toHex() as Address,
        copy: (flags & COPY) !== 0,
      });
    }
    return hops;
  }
}
