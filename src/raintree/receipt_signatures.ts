import { createHash } from "node:crypto";
import type { Cancel, Clock } from "../base/clock.ts";
import { concat } from "../codec/concat.ts";
import { NodeKey } from "../identity/node_key.ts";
import { PUBLIC_KEY_BYTES } from "../identity/peer_id.ts";

const DOMAIN = "raintree receipt v1\0";

/**
 * What a node signs to confirm a broadcast: `"raintree receipt v1"`, a zero byte, the network's name in UTF-8, the nonce (8 bytes, big-endian), the
 * SHA-256 of the payload (the encoded `PocketEnvelope`). All behind the name has a fixed length, so no two broadcasts have one text.
 */
export function receiptText(network: string, nonce: bigint, payload: Uint8Array): Uint8Array {
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, nonce);
  const digest = createHash("sha256").update(payload).digest();
  return concat([new TextEncoder().encode(DOMAIN + network), number, digest]);
}

/** The 96 bytes by which the holder of `key` confirms: public key (32), signature (64). */
export function signReceipt(key: NodeKey, text: Uint8Array): Uint8Array {
  return concat([key.publicKey, key.sign(text)]);
}

/** The public key in a signature of a receipt. */
export function signerOf(signature: Uint8Array): Uint8Array {
  return signature.subarray(0, PUBLIC_KEY_BYTES);
}

/** Signatures checked in one turn: some 4 ms of work. */
const BATCH = 64;

interface Check {
  readonly text: Uint8Array;
  readonly signature: Uint8Array;
  readonly done: (valid: boolean) => void;
}

/**
 * Verifies signatures a batch at a time, so that a thousand of them do not hold up everything else. Not bounded by itself: whoever adds limits how
 * many it adds.
 */
export class SignatureQueue {
  readonly #clock: Clock;
  #waiting: Check[] = [];
  #cancel: Cancel | undefined;

  /** Nothing to do yet. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Verifies the 96 bytes of `signature` over `text` soon, and tells `done`. */
  add(text: Uint8Array, signature: Uint8Array, done: (valid: boolean) => void): void {
    this.#waiting.push({ text, signature, done });
    this.#cancel ??= this.#clock.after(0, () => this.#work());
  }

  /** Forgets those of `text` that still wait. */
  drop(text: Uint8Array): void {
    this.#waiting = this.#waiting.filter((check) => check.text !== text);
  }

  /** Forgets all that wait. Idempotent. */
  close(): void {
    this.#waiting = [];
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #work(): void {
    this.#cancel = undefined;
    const batch = this.#waiting.slice(0, BATCH);
    this.#waiting = this.#waiting.slice(BATCH);
    if (this.#waiting.length > 0) this.#cancel = this.#clock.after(0, () => this.#work());
    for (const { text, signature, done } of batch) {
      done(NodeKey.verify(signerOf(signature), text, signature.subarray(PUBLIC_KEY_BYTES)));
    }
  }
}
