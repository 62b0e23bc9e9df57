import { ProtocolError } from "../base/errors.ts";

/** The longest unsigned varint we accept: ten bytes carry 64 bits. */
export const VARINT_BYTES_MAX = 10;

/** How many bytes {@link writeVarint} needs for `value`, an integer in `[0, 2^53)`. */
export function varintLength(value: number): number {
  let length = 1;
  while (value >= 0x80) {
    value = Math.floor(value / 0x80);
    length++;
  }
  return length;
}

/** Writes `value` (an integer in `[0, 2^53)`) as an unsigned LEB128 varint at `offset` and returns the offset behind it. */
export function writeVarint(into: Uint8Array, offset: number, value: number): number {
  while (value >= 0x80) {
    into[offset++] = (value % 0x80) | 0x80;
    value = Math.floor(value / 0x80);
  }
  into[offset++] = value;
  return offset;
}

/** A varint that was read, and the offset behind it. */
export interface ReadVarint {
  /** The value, an integer in `[0, 2^53)`. */
  value: number;
  /** The offset of the first byte behind the varint. */
  end: number;
}

/**
 * Reads an unsigned varint at `offset`; `undefined` if the bytes end inside it.
 *
 * @throws {ProtocolError} `varint_too_long` above ten bytes, `varint_too_large` from 2^53.
 */
export function readVarint(from: Uint8Array, offset: number): ReadVarint | undefined {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < VARINT_BYTES_MAX; i++) {
    if (offset + i >= from.length) return undefined;
    const byte = from[offset + i];
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      if (value > Number.MAX_SAFE_INTEGER) {
        throw new ProtocolError("varint_too_large", `Varint is ${value}, the largest accepted is 2^53 - 1`);
      }
      return { value, end: offset + i + 1 };
    }
    scale *= 0x80;
  }
  throw new ProtocolError("varint_too_long", `Varint does not end within ${VARINT_BYTES_MAX} bytes`);
}
