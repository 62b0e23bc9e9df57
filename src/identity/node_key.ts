import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { Buffer } from "node:buffer";
import { P2pError } from "../base/errors.ts";
import { systemRandom } from "../base/random.ts";
import { type Address, addressOf } from "./address.ts";
import { type PeerId, peerIdOf, PUBLIC_KEY_BYTES } from "./peer_id.ts";

/** Bytes of the secret an Ed25519 key is made from. */
export const SEED_BYTES = 32;

/** Bytes of an Ed25519 signature. */
export const SIGNATURE_BYTES = 64;

/** What stands before the 32 bytes in DER (RFC 8410): PKCS #8 for the seed, SPKI for the public key. */
const PKCS8 = Uint8Array.fromHex("302e020100300506032b657004220420");
const SPKI = Uint8Array.fromHex("302a300506032b6570032100");

/**
 * The encodings of the curve's eight points of small order, sign bit cleared. Anyone can find signatures that such a "key"
 * accepts, so it proves nothing about who signed.
 */
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

const PRIVATE_HEX = /^(?:[0-9a-fA-F]{64}){1,2}$/;

/**
 * The one Ed25519 key of a node: its address and peer ID follow from it, and it signs.
 * Printing or serialising it never shows the secret; only {@link privateHex} does.
 *
 * @example
 * ```ts
 * import { NodeKey } from "@raintree/p2p";
 * const key = NodeKey.generate();
 * const message = new TextEncoder().encode("height 7");
 * if (!NodeKey.verify(key.publicKey, message, key.sign(message))) throw new Error("unreachable");
 * ```
 */
export class NodeKey {
  /** The Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The node's address, 40 hex digits. */
  readonly address: Address;
  /** The node's libp2p peer ID, `12D3KooW...`. */
  readonly peerId: PeerId;
  readonly #seed: Uint8Array;
  readonly #private: KeyObject;

  private constructor(seed: Uint8Array) {
    this.#seed = seed.slice();
    this.#private = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
    const spki = createPublicKey(this.#private).export({ format: "der", type: "spki" });
    this.publicKey = Uint8Array.from(spki.subarray(SPKI.length));
    this.address = addressOf(this.publicKey);
    this.peerId = peerIdOf(this.publicKey);
  }

  /** A new key from the machine's cryptographic randomness. */
  static generate(): NodeKey {
    return new NodeKey(systemRandom.fill(new Uint8Array(SEED_BYTES)));
  }

  /** The key made from a secret of 32 bytes. @throws {P2pError} `key_malformed` for another length. */
  static fromSeed(seed: Uint8Array): NodeKey {
    if (seed.length === SEED_BYTES) return new NodeKey(seed);
    throw new P2pError("key_malformed", `Seed has ${seed.length} bytes, it takes ${SEED_BYTES}`);
  }

  /**
   * Reads a private key as 64 hex digits (the seed) or 128 (seed and public key, as Pocket and Tendermint write it); white space around it is forgiven.
   *
   * @throws {P2pError} `key_malformed`, or `key_mismatch` where the public half belongs to another seed. The message never holds the text.
   */
  static fromPrivateHex(hex: string): NodeKey {
    const text = hex.trim();
    if (!PRIVATE_HEX.test(text)) {
      throw new P2pError("key_malformed", `Private key has ${text.length} characters, it takes 64 or 128 hex digits`, {
        hint: "Make a new key with the command `keys`",
      });
    }
    const bytes = Uint8Array.fromHex(text);
    const key = new NodeKey(bytes.subarray(0, SEED_BYTES));
    if (bytes.length > SEED_BYTES && bytes.subarray(SEED_BYTES).toHex() !== key.publicKey.toHex()) {
      throw new P2pError("key_mismatch", "Private key's second half is not the public key of its first half");
    }
    return key;
  }

  /** Whether `signature` (64 bytes) over `bytes` was made with the key behind `publicKey` (32 bytes); false for whatever is no key or signature. */
  static verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
    if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
    if (hasSmallOrder(publicKey)) return false;
    try {
      const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
      return verify(null, bytes, key, signature);
    } catch (error) {
      // Thrown for 32 bytes that are no point of the curve.
      if (error instanceof TypeError) return false;
      throw error;
    }
  }

  /** The Ed25519 signature over `bytes`, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, bytes, this.#private));
  }

  /** The secret: seed and public key as 128 hex digits. Only for writing it where it is kept. */
  privateHex(): string {
    return this.#seed.toHex() + this.publicKey.toHex();
  }

  /** What `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return `NodeKey { ${this.address} }`;
  }
}

function hasSmallOrder(publicKey: Uint8Array): boolean {
  const encoded = publicKey.slice();
  encoded[PUBLIC_KEY_BYTES - 1] &= 0x7f;
  return SMALL_ORDER.has(encoded.toHex());
}
