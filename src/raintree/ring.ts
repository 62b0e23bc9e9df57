import { P2pError } from "../base/errors.ts";
import { type Address, ADDRESS_BYTES } from "../identity/address.ts";

/** What changes from one {@link Ring} to the next. */
export interface RingChange {
  /** Addresses that join; none may be in the ring already. */
  add?: Iterable<Address>;
  /** Addresses that leave; each must be in the ring. */
  remove?: Iterable<Address>;
  /** Height of the new view. @default the height of the old one */
  height?: number;
}

/** Options of {@link Ring.of}. */
export interface RingOptions {
  /** Block height whose peer set this is; a label, not interpreted. @default {0} */
  height?: number;
}

/**
 * The peers of one height in ring order: ascending by address, compared as bytes, the first following the last.
 * Immutable: a change of the peer set makes a new ring, and a broadcast uses one ring from beginning to end.
 * Indices are places in the sorted list; what the specification calls position `i` of a node is `at(itsIndex, i)`.
 *
 * Takes about 84 bytes a peer: the text, and the 20 bytes again, packed, which is what messages carry and what is searched
 * on the hot path.
 */
export class Ring implements Iterable<Address> {
  /** Block height whose peer set this is. */
  readonly height: number;
  readonly #addresses: readonly Address[];
  readonly #packed: Uint8Array;
  readonly #views: Uint8Array[] = [];

  private constructor(addresses: readonly Address[], packed: Uint8Array, height: number) {
    this.#addresses = addresses;
    this.#packed = packed;
    this.height = height;
  }

  /**
   * The ring of these addresses, given in any order. A million take less than a second.
   *
   * @throws {P2pError} `ring_bad_address`, `ring_duplicate_address`
   */
  static of(addresses: Iterable<Address>, options: RingOptions = {}): Ring {
    const { height = 0 } = options;
    const given = [...addresses];
    const givenPacked = new Uint8Array(given.length * ADDRESS_BYTES);
    for (let i = 0; i < given.length; i++) packAddress(given[i], givenPacked, i * ADDRESS_BYTES);
    const order = ringOrder(given, givenPacked);
    const sorted = new Array<Address>(given.length);
    const packed = new Uint8Array(givenPacked.length);
    for (let i = 0; i < sorted.length; i++) {
      sorted[i] = given[order[i]];
      if (i > 0 && sorted[i] === sorted[i - 1]) throw duplicate(sorted[i]);
      const from = order[i] * ADDRESS_BYTES;
      for (let j = 0; j < ADDRESS_BYTES; j++) packed[i * ADDRESS_BYTES + j] = givenPacked[from + j];
    }
    return new Ring(sorted, packed, height);
  }

  /** How many peers there are. */
  get size(): number {
    return this.#addresses.length;
  }

  /** The index of `address`, or -1. O(log n). */
  indexOf(address: Address): number {
    const index = lowerBound(this.#addresses, address);
    return this.#addresses[index] === address ? index : -1;
  }

  /** Whether `address` is in the ring. O(log n). */
  has(address: Address): boolean {
    return this.indexOf(address) >= 0;
  }

  /** The peer `offset` places after `index`, around the ring; a negative offset counts backwards. The ring must not be empty. O(1). */
  at(index: number, offset = 0): Address {
    return this.#addresses[this.indexAt(index, offset)];
  }

  /** The index `offset` places after `index`, around the ring. */
  indexAt(index: number, offset: number): number {
    const size = this.#addresses.length;
    return (((index + offset) % size) + size) % size;
  }

  /** The 20 bytes of the address at `index`: a view of the ring's memory, not to be written to; made once for each address that is asked for. */
  bytesAt(index: number): Uint8Array {
    return this.#views[index] ??= this.#packed.subarray(index * ADDRESS_BYTES, (index + 1) * ADDRESS_BYTES);
  }

  /** `bytes` (20), as this ring's own view where that is the address at `index`: what is kept then keeps nothing else alive. Otherwise a copy. */
  own(bytes: Uint8Array, index: number): Uint8Array {
    const start = index * ADDRESS_BYTES;
    for (let i = 0; i < ADDRESS_BYTES; i++) {
      if (this.#packed[start + i] !== bytes[i]) return new Uint8Array(bytes);
    }
    return this.bytesAt(index);
  }

  /**
   * How many peers stand from `index` (included) to the address `until` (20 bytes, excluded) in ring order: all of them where
   * `until` is the address at `index` itself. `until` need not be in the ring, so nodes with unequal views mean the same bound.
   */
  segmentSize(index: number, until: Uint8Array): number {
    const size = this.#addresses.length;
    const distance = this.#lowerBoundOfBytes(until) - index;
    return distance > 0 ? distance : distance + size;
  }

  /**
   * The ring after a change. O(n) to copy, nothing is sorted again; the old ring stays as it is.
   *
   * @throws {P2pError} `ring_bad_address`, `ring_duplicate_address`, `ring_unknown_address` (to be removed, but not there)
   */
  with(change: RingChange): Ring {
    const { add = [], remove = [], height = this.height } = change;
    const leaving = new Set(remove);
    for (const address of leaving) {
      if (this.has(address)) continue;
      throw new P2pError(
        "ring_unknown_address",
        `Cannot remove "${address}": it is not in the ring of height ${this.height}`,
      );
    }
    const joining = [...add];
    const size = this.size - leaving.size + joining.length;
    const addresses = new Array<Address>(size);
    const packed = new Uint8Array(size * ADDRESS_BYTES);
    let next = 0; // the next of ours to copy
    let length = 0; // how many the new ring has so far
    const copyUpTo = (end: number) => {
      packed.set(this.#packed.subarray(next * ADDRESS_BYTES, end * ADDRESS_BYTES), length * ADDRESS_BYTES);
      while (next < end) addresses[length++] = this.#addresses[next++];
    };
    const changes = [...leaving, ...joining].sort();
    for (const address of changes) {
      copyUpTo(lowerBound(this.#addresses, address));
      if (leaving.delete(address)) {
        next++;
        continue;
      }
      if (addresses[length - 1] === address || this.#addresses[next] === address) throw duplicate(address);
      packAddress(address, packed, length * ADDRESS_BYTES);
      addresses[length++] = address;
    }
    copyUpTo(this.size);
    return new Ring(addresses, packed, height);
  }

  /** The addresses in ring order, from the smallest. */
  [Symbol.iterator](): Iterator<Address> {
    return this.#addresses[Symbol.iterator]();
  }

  #lowerBoundOfBytes(bytes: Uint8Array): number {
    const packed = this.#packed;
    let low = 0;
    let high = this.#addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = middle * ADDRESS_BYTES;
      let i = 0;
      while (i < ADDRESS_BYTES - 1 && packed[start + i] === bytes[i]) i++;
      if (packed[start + i] < bytes[i]) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function lowerBound(sorted: readonly Address[], address: Address): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Writes the 20 bytes of an address. Checks it on the way: a regular expression over a million takes as long again. */
function packAddress(address: Address, into: Uint8Array, at: number): void {
  if (address.length !== 2 * ADDRESS_BYTES) throw badAddress(address);
  for (let i = 0; i < 2 * ADDRESS_BYTES; i += 2) {
    const high = hexDigit(address.charCodeAt(i));
    const low = hexDigit(address.charCodeAt(i + 1));
    if (high < 0 || low < 0) throw badAddress(address);
    into[at++] = (high << 4) | low;
  }
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}

/**
 * The indices of the addresses in ring order. Packs a prefix of each address and its index into one float: native number sorting is
 * several times faster than comparing a million strings. Addresses that share the prefix end up side by side, and their text decides.
 */
function ringOrder(given: Address[], packed: Uint8Array): Uint32Array {
  const indexBits = Math.ceil(Math.log2(given.length + 1));
  const indexSpan = 2 ** indexBits;
  // Seven bytes are 56 bits, and a float holds 53 for prefix and index together.
  const dropped = 2 ** (3 + indexBits);
  const prefixes = new Float64Array(given.length);
  for (let i = 0; i < given.length; i++) {
    const at = i * ADDRESS_BYTES;
    const high = packed[at] * 0x10000 + packed[at + 1] * 0x100 + packed[at + 2];
    const low = packed[at + 3] * 0x1000000 + packed[at + 4] * 0x10000 + packed[at + 5] * 0x100 + packed[at + 6];
    prefixes[i] = Math.floor((high * 2 ** 32 + low) / dropped) * indexSpan + i;
  }
  prefixes.sort();
  const order = new Uint32Array(given.length);
  for (let i = 0; i < order.length; i++) order[i] = prefixes[i] % indexSpan;
  const prefixAt = (i: number) => Math.floor(prefixes[i] / indexSpan);
  for (let start = 0, end = 1; start < order.length; start = end++) {
    while (end < order.length && prefixAt(end) === prefixAt(start)) end++;
    if (end - start > 1) {
      order.subarray(start, end).sort((a, b) => given[a] < given[b] ? -1 : given[a] > given[b] ? 1 : 0);
    }
  }
  return order;
}

function badAddress(address: Address): P2pError {
  return new P2pError(
    "ring_bad_address",
    `Cannot put "${address}" into a ring: an address is 40 lower-case hex digits`,
  );
}

function duplicate(address: Address): P2pError {
  return new P2pError("ring_duplicate_address", `Cannot put "${address}" into a ring twice`, {
    hint: "Each node has one address; look for two entries with the same key.",
  });
}
