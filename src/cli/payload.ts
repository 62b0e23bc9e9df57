import { Buffer } from "node:buffer";
import type { Content } from "../module/bus.ts";

/** A payload begins with the number of its broadcast, 4 bytes. */
export const PAYLOAD_BYTES_MIN = 4;

const typeUrl = "type.googleapis.com/raintree.Payload";

/** What is broadcast: a number and bytes that whoever receives them can check without having been told them. */
export class Payload {
  readonly #value: Uint8Array;

  /** Payloads of `bytes` bytes, from {@link PAYLOAD_BYTES_MIN}. */
  constructor(bytes: number) {
    this.#value = Uint8Array.from({ length: bytes }, (_, i) => (i * 167 + (i >> 8)) & 0xff);
  }

  /** The payload of the broadcast with a number. */
  of(number: number): Content {
    const value = this.#value.slice();
    new DataView(value.buffer).setUint32(0, number);
    return { typeUrl, value };
  }

  /** The number of the broadcast that `value` is the payload of; -1 if it has other bytes than were sent. */
  numberOf(value: Uint8Array): number {
    const from = PAYLOAD_BYTES_MIN;
    if (value.length < from || Buffer.compare(value.subarray(from), this.#value.subarray(from)) !== 0) return -1;
    return new DataView(value.buffer, value.byteOffset).getUint32(0);
  }
}
