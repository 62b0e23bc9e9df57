import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from "node:crypto";
import { Buffer } from "node:buffer";
import { ProtocolError } from "../base/errors.ts";

/** Bytes of an X25519 key, private or public, and of a shared secret. */
export const X25519_BYTES = 32;

/** What stands before the 32 bytes in DER (RFC 8410): PKCS #8 for a private key, SPKI for a public one. */
const PKCS8 = Uint8Array.fromHex("302e020100300506032b656e04220420");
const SPKI = Uint8Array.fromHex("302a300506032b656e032100");

/** An X25519 key that agrees on secrets with others (RFC 7748). Printing it never shows the private half. */
export class X25519Key {
  /** The public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly #private: KeyObject;

  private constructor(privateKey: KeyObject, publicKey: KeyObject) {
    this.#private = privateKey;
    const spki = publicKey.export({ format: "der", type: "spki" });
    this.publicKey = Uint8Array.from(spki.subarray(SPKI.length));
  }

  /** A new key from the machine's cryptographic randomness. */
  static generate(): X25519Key {
    const { privateKey, publicKey } = generateKeyPairSync("x25519");
    return new X25519Key(privateKey, publicKey);
  }

  /** The key of 32 private bytes. */
  static fromPrivate(bytes: Uint8Array): X25519Key {
    if (bytes.length !== X25519_BYTES) {
      throw new RangeError(`X25519 key has ${bytes.length} bytes, it takes ${X25519_BYTES}`);
    }
    const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, bytes]), format: "der", type: "pkcs8" });
    return new X25519Key(privateKey, createPublicKey(privateKey));
  }

  /**
   * The 32 bytes that this key shares with the owner of `remote` (a public key, 32 bytes).
   *
   * @throws {ProtocolError} `noise_weak_key` for a public key of small order, with which every secret is zero.
   */
  agree(remote: Uint8Array): Uint8Array {
    const publicKey = createPublicKey({ key: Buffer.concat([SPKI, remote]), format: "der", type: "spki" });
    let secret: Uint8Array;
    try {
      secret = diffieHellman({ privateKey: this.#private, publicKey });
    } catch (cause) {
      throw new ProtocolError("noise_weak_key", "Remote key agrees on no secret", { cause });
    }
    let bits = 0;
    for (const byte of secret) bits |= byte;
    if (bits === 0) throw new ProtocolError("noise_weak_key", "Remote key makes every secret zero");
    return secret;
  }
}
