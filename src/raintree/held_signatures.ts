import { ADDRESS_BYTES } from "../identity/address.ts";
import { RECEIPT_SIGNATURE_BYTES } from "./control_message.ts";

/** Who vouched for itself. */
export interface Vouched {
  /** Whose key it is, 20 bytes. */
  readonly address: Uint8Array;
  /** Public key and signature, 96 bytes. */
  readonly signature: Uint8Array;
}

/**
 * The signatures of one broadcast, each once, in the order in which they came. Two of one key are two: only who asked first finds out which is forged.
 * Kept as text with a character a byte, address and signature in a row: some 170 bytes each, where views of them and a key to find them by take 800.
 */
export class HeldSignatures implements Iterable<Vouched> {
  readonly #held = new Set<string>();

  /** How many there are. */
  get size(): number {
    return this.#held.size;
  }

  /** Returns whether it is new. */
  add({ address, signature }: Vouched): boolean {
    const before = this.#held.size;
    this.#held.add(String.fromCharCode(...address, ...signature));
    return this.#held.size > before;
  }

  /** Each as it came, in memory of its own. */
  *[Symbol.iterator](): Iterator<Vouched> {
    for (const text of this.#held) {
      const bytes = new Uint8Array(ADDRESS_BYTES + RECEIPT_SIGNATURE_BYTES);
      for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
      yield { address: bytes.subarray(0, ADDRESS_BYTES), signature: bytes.subarray(ADDRESS_BYTES) };
    }
  }
}
