import { createHash, hkdfSync } from "node:crypto";
import { ProtocolError } from "../base/errors.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { CipherState, KEY_BYTES, TAG_BYTES } from "./cipher_state.ts";
import { X25519_BYTES, X25519Key } from "./x25519.ts";

/** The Noise protocol, as it is named in the hash of every handshake. Exactly 32 bytes, so it is that hash's first value. */
const PROTOCOL_NAME = new TextEncoder().encode("Noise_XX_25519_ChaChaPoly_SHA256");

const EMPTY = new Uint8Array();

/** Who starts: the initiator writes the first message. */
export type NoiseRole = "initiator" | "responder";

/** What a {@link NoiseHandshake} begins with. */
export interface NoiseHandshakeOptions {
  /** Which side this is. */
  role: NoiseRole;
  /** This side's long-lived key. */
  staticKey: X25519Key;
  /** This side's key for this handshake only. @default {a new one} */
  ephemeralKey?: X25519Key;
  /** What both sides must have seen before, to the byte. @default {empty} */
  prologue?: Uint8Array;
}

/** The two directions of a finished handshake. */
export interface NoiseSession {
  /** For what this side writes. */
  send: CipherState;
  /** For what this side reads. */
  receive: CipherState;
}

/**
 * One handshake of `Noise_XX_25519_ChaChaPoly_SHA256`: three messages, bytes in and bytes out, no I/O. (Noise specification
 * revision 34, sections 5 and 7.5)
 *
 * ```text
 * initiator → responder   e
 * initiator ← responder   e, ee, s, es
 * initiator → responder   s, se
 * ```
 *
 * The payloads of the second and the third message are encrypted; the first travels in clear. After an error the handshake is over.
 */
export class NoiseHandshake {
  readonly #initiator: boolean;
  readonly #static: X25519Key;
  readonly #ephemeral: X25519Key;
  #remoteEphemeral: Uint8Array = EMPTY;
  #remoteStatic: Uint8Array = EMPTY;
  /** Messages written and read so far. */
  #step = 0;
  #chainingKey: Uint8Array = PROTOCOL_NAME;
  #hash: Uint8Array = PROTOCOL_NAME;
  #cipher: CipherState | undefined;

  /** See {@link NoiseHandshakeOptions}. */
  constructor({ role, staticKey, ephemeralKey = X25519Key.generate(), prologue = EMPTY }: NoiseHandshakeOptions) {
    this.#initiator = role === "initiator";
    this.#static = staticKey;
    this.#ephemeral = ephemeralKey;
    this.#mixHash(prologue);
  }

  /** What this side does next; `split` when all three messages have passed, `done` after that. */
  get next(): "write" | "read" | "split" | "done" {
    if (this.#step >= 3) return this.#step === 3 ? "split" : "done";
    return (this.#step % 2 === 0) === this.#initiator ? "write" : "read";
  }

  /** The remote's long-lived public key, 32 bytes; empty until its message was read. */
  get remoteStatic(): Uint8Array {
    return this.#remoteStatic;
  }

  /** A digest of the whole handshake, 32 bytes, equal on both sides. */
  get hash(): Uint8Array {
    return this.#hash;
  }

  /** The next message, carrying `payload`. */
  write(payload: Uint8Array): Uint8Array {
    this.#expect("write");
    const out = new ByteWriter(4 * X25519_BYTES + payload.length);
    if (this.#step < 2) {
      out.push(this.#ephemeral.publicKey);
      this.#mixHash(this.#ephemeral.publicKey);
    }
    if (this.#step === 1) this.#mixKey(this.#ephemeral.agree(this.#remoteEphemeral));
    if (this.#step > 0) {
      this.#encrypt(this.#static.publicKey, out);
      this.#mixKey(this.#static.agree(this.#remoteEphemeral));
    }
    this.#encrypt(payload, out);
    this.#step++;
    return out.bytes();
  }

  /**
   * The payload of the remote's next message.
   *
   * @throws {ProtocolError} `noise_bad_message` for a message that is too short or not authentic, `noise_weak_key`.
   */
  read(message: Uint8Array): Uint8Array {
    this.#expect("read");
    let at = 0;
    const take = (length: number) => {
      if (at + length > message.length) {
        throw badMessage(this.#step, `has ${message.length} bytes, it takes at least ${at + length}`);
      }
      return message.subarray(at, at += length);
    };
    if (this.#step < 2) {
      this.#remoteEphemeral = take(X25519_BYTES).slice();
      this.#mixHash(this.#remoteEphemeral);
    }
    if (this.#step === 1) this.#mixKey(this.#ephemeral.agree(this.#remoteEphemeral));
    if (this.#step > 0) {
      this.#remoteStatic = this.#decrypt(take(X25519_BYTES + TAG_BYTES));
      this.#mixKey(this.#ephemeral.agree(this.#remoteStatic));
    }
    const payload = this.#decrypt(message.subarray(at));
    this.#step++;
    return payload;
  }

  /** The keys for what follows the handshake. Given once: two uses of them would repeat nonces. */
  split(): NoiseSession {
    this.#expect("split");
    this.#step++;
    const [first, second] = derive(this.#chainingKey, EMPTY);
    const [send, receive] = this.#initiator ? [first, second] : [second, first];
    return { send: new CipherState(send), receive: new CipherState(receive) };
  }

  #expect(action: "write" | "read" | "split"): void {
    if (this.next !== action) throw new TypeError(`Cannot ${action} now: the handshake's next action is ${this.next}`);
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = createHash("sha256").update(this.#hash).update(data).digest();
  }

  #mixKey(secret: Uint8Array): void {
    const [chainingKey, key] = derive(this.#chainingKey, secret);
    this.#chainingKey = chainingKey;
    this.#cipher = new CipherState(key);
  }

  #encrypt(plaintext: Uint8Array, out: ByteWriter): void {
    const from = out.length;
    if (this.#cipher === undefined) {
      out.push(plaintext);
    } else {
      const offset = out.reserve(plaintext.length + TAG_BYTES);
      this.#cipher.encrypt(out.buffer, offset, plaintext, this.#hash);
    }
    this.#mixHash(out.bytes(from));
  }

  #decrypt(ciphertext: Uint8Array): Uint8Array {
    let plaintext = ciphertext;
    try {
      if (this.#cipher !== undefined) plaintext = this.#cipher.decrypt(ciphertext, this.#hash);
    } catch (cause) {
      throw badMessage(this.#step, "is not authentic", cause);
    }
    this.#mixHash(ciphertext);
    return plaintext;
  }
}

/** Noise's HKDF with two outputs, which is RFC 5869's with an empty info: the next chaining key, and a key. */
function derive(chainingKey: Uint8Array, secret: Uint8Array): [Uint8Array, Uint8Array] {
  const bytes = new Uint8Array(hkdfSync("sha256", secret, chainingKey, EMPTY, 2 * KEY_BYTES));
  return [bytes.subarray(0, KEY_BYTES), bytes.subarray(KEY_BYTES)];
}

function badMessage(step: number, what: string, cause?: unknown): ProtocolError {
  return new ProtocolError("noise_bad_message", `Noise handshake message ${step + 1} ${what}`, { cause });
}
