import { ProtocolError } from "../base/errors.ts";
import { ByteWriter } from "./byte_writer.ts";
import type { TextMemo } from "./text_memo.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const UINT64_LIMIT = 1n << 64n;
const halves = new DataView(new ArrayBuffer(8));

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;
const WIRE_TYPES = ["varint", "64 bits", "length-delimited", "start of group", "end of group", "32 bits", "6", "7"];

/** Fields of a message where the reader does not say how many. Empty ones take two bytes, and longer to look at than those are worth: 4 MiB of them take a second. */
const FIELDS_MAX = 4096;

/**
 * Writes one protobuf message (proto3 encoding), fields in the order of the calls. A scalar of its default value (zero, false,
 * empty) is left out, as proto3 does; {@link message} is always written. Field numbers are 1 to 2^29 - 1.
 *
 * @example
 * ```ts
 * import { ProtoWriter } from "./proto.ts";
 * const bytes = new ProtoWriter().uint(1, 3).string(2, "level").finish();
 * ```
 */
export class ProtoWriter {
  readonly #out: ByteWriter;
  readonly #from: number;

  /** Appends to `out`, which may hold other bytes before; by default to memory of its own. */
  constructor(out: ByteWriter = new ByteWriter(128)) {
    this.#out = out;
    this.#from = out.length;
  }

  /** An unsigned integer or enum value below 2^53. @throws {RangeError} for any other number. */
  uint(field: number, value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`Cannot write ${value} as an unsigned integer`);
    if (value === 0) return this;
    this.#tag(field, 0);
    this.#out.varint(value);
    return this;
  }

  /** An unsigned integer below 2^64. @throws {RangeError} for any other number. */
  uint64(field: number, value: bigint): this {
    if (value < 0n || value >= UINT64_LIMIT) {
      throw new RangeError(`Cannot write ${value} as an unsigned 64-bit integer`);
    }
    if (value === 0n) return this;
    this.#tag(field, 0);
    for (; value >= 0x80n; value >>= 7n) this.#out.byte(Number(value & 0x7fn) | 0x80);
    this.#out.byte(Number(value));
    return this;
  }

  /** A truth value. */
  bool(field: number, value: boolean): this {
    return this.uint(field, value ? 1 : 0);
  }

  /** Bytes; left out when empty. */
  bytes(field: number, value: Uint8Array): this {
    return value.length === 0 ? this : this.message(field, value);
  }

  /** Text; left out when empty. */
  string(field: number, value: string): this {
    return value === "" ? this : this.message(field, encoder.encode(value));
  }

  /** An encoded message, or an element of a repeated field of bytes: written even when it is empty. */
  message(field: number, encoded: Uint8Array): this {
    this.#tag(field, 2);
    this.#out.varint(encoded.length);
    this.#out.push(encoded);
    return this;
  }

  /** What was written; a view that lives until the underlying writer is used again. */
  finish(): Uint8Array {
    return this.#out.bytes(this.#from);
  }

  #tag(field: number, wireType: number): void {
    this.#out.varint(field * 8 + wireType);
  }
}

/**
 * Reads the fields of one protobuf message in the order they were written, without an object per field. A value that is not
 * taken is skipped by the next {@link next}; so are unknown fields. Groups are refused. Nothing is allocated but what is taken,
 * and bytes are views; so the limits on a message's size and fields are the limit on what it costs.
 *
 * Every method throws {@link ProtocolError}: `proto_truncated` (a field passes the end), `proto_malformed` (groups, unknown wire types, field number 0,
 * a varint beyond its range), `proto_wrong_type` (taken as another type than written), `proto_bad_utf8`, `proto_too_many` (fields).
 *
 * @example
 * ```ts
 * import { ProtoReader } from "./proto.ts";
 * let level = 0;
 * const reader = new ProtoReader(new Uint8Array([8, 3]));
 * for (let field = reader.next(); field !== 0; field = reader.next()) {
 *   if (field === 1) level = reader.uint();
 * }
 * ```
 */
export class ProtoReader {
  readonly #from: Uint8Array;
  #at = 0;
  #field = 0;
  /** Wire type of the value at `#at`; -1 when it was taken. */
  #wireType = -1;
  readonly #fieldsMax: number;
  #fields = 0;

  /** Reads the whole of `message`, unless it has more than `fieldsMax` fields, unknown ones included. */
  constructor(message: Uint8Array, fieldsMax: number = FIELDS_MAX) {
    this.#from = message;
    this.#fieldsMax = fieldsMax;
  }

  /** Moves to the next field and returns its number; 0 at the end of the message. */
  next(): number {
    if (this.#wireType !== -1) this.#skip();
    if (this.#at === this.#from.length) return 0;
    if (++this.#fields > this.#fieldsMax) throw tooMany(this.#fieldsMax);
    const tag = this.#varint();
    const field = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (field === 0 || tag > 0xffffffff) throw malformed(`field number ${field}`);
    if (wireType > FIXED32 || wireType === 3 || wireType === 4) throw malformed(`wire type "${WIRE_TYPES[wireType]}"`);
    this.#wireType = wireType;
    return this.#field = field;
  }

  /** Takes the value as an unsigned integer below 2^53. */
  uint(): number {
    this.#take(VARINT);
    const value = this.#varint();
    if (value > Number.MAX_SAFE_INTEGER) throw malformed(`a number of ${value}, the largest accepted is 2^53 - 1`);
    return value;
  }

  /** Takes the value as an unsigned integer below 2^64. */
  uint64(): bigint {
    this.#take(VARINT);
    const start = this.#at;
    const value = this.#varint();
    if (value <= Number.MAX_SAFE_INTEGER) return BigInt(value);
    // Groups of 7 bits: four, four and the rest. In a bigint for each step this would take five times as long.
    const group = (at: number): number => (start + at < this.#at ? this.#from[start + at] & 0x7f : 0);
    const low = group(0) | (group(1) << 7) | (group(2) << 14) | (group(3) << 21);
    const middle = group(4) | (group(5) << 7) | (group(6) << 14) | (group(7) << 21);
    halves.setUint32(4, low | (middle << 28));
    halves.setUint32(0, (middle >>> 4) | (group(8) << 24) | (group(9) << 31));
    return halves.getBigUint64(0);
  }

  /** Takes the value as a truth value: whatever is not zero is true. */
  bool(): boolean {
    this.#take(VARINT);
    return this.#varint() !== 0;
  }

  /** Takes the value as bytes or an embedded message: a view of what is being read. */
  bytes(): Uint8Array {
    this.#take(DELIMITED);
    const start = this.#delimited();
    return this.#from.subarray(start, this.#at);
  }

  /** Takes the value as text. A `memo` saves decoding what mostly says the same. */
  string(memo?: TextMemo): string {
    const bytes = this.bytes();
    try {
      return memo === undefined ? decoder.decode(bytes) : memo.read(bytes);
    } catch (cause) {
      throw new ProtocolError("proto_bad_utf8", `Field ${this.#field} is no UTF-8 text`, { cause });
    }
  }

  #take(wireType: number): void {
    if (this.#wireType !== wireType) {
      const found = this.#wireType === -1 ? "no value" : `"${WIRE_TYPES[this.#wireType]}"`;
      throw new ProtocolError(
        "proto_wrong_type",
        `Field ${this.#field} has ${found}, wanted "${WIRE_TYPES[wireType]}"`,
      );
    }
    this.#wireType = -1;
  }

  #skip(): void {
    switch (this.#wireType) {
      case VARINT:
        this.#varint();
        break;
      case FIXED64:
        this.#advance(8);
        break;
      case FIXED32:
        this.#advance(4);
        break;
      default:
        this.#delimited();
    }
    this.#wireType = -1;
  }

  /** Reads a length, moves behind what it measures and returns where that starts. */
  #delimited(): number {
    const length = this.#varint();
    const start = this.#at;
    this.#advance(length);
    return start;
  }

  #advance(count: number): void {
    const left = this.#from.length - this.#at;
    if (count > left) {
      throw new ProtocolError("proto_truncated", `Field ${this.#field} claims ${count} bytes, ${left} are left`);
    }
    this.#at += count;
  }

  /** Reads a varint of up to 64 bits; from 2^53 on the result is rounded. */
  #varint(): number {
    const from = this.#from;
    let at = this.#at;
    let byte = from[at++];
    if (byte < 0x80) {
      this.#at = at;
      return byte;
    }
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (at > from.length) {
        throw new ProtocolError("proto_truncated", `Message of ${from.length} bytes ends inside a varint`);
      }
      if (i === 9 && byte > 1) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.#at = at;
        return value;
      }
      scale *= 0x80;
      byte = from[at++];
    }
    throw malformed("a varint of more than 64 bits");
  }
}

function tooMany(fieldsMax: number): ProtocolError {
  return new ProtocolError("proto_too_many", `Message has over ${fieldsMax} fields`);
}

function malformed(what: string): ProtocolError {
  return new ProtocolError("proto_malformed", `Message holds ${what}`);
}
