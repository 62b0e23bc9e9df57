import { ProtocolError } from "../base/errors.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { ProtoReader } from "../codec/proto.ts";
import type { Slab } from "../codec/slab.ts";
import { ADDRESS_BYTES } from "../identity/address.ts";

/** What stands around the payload of a {@link RainTreeMessage}. */
export interface RainTreeHead {
  /** Classic: the level this message was sent at, a uint32; 0 is a direct send that is never passed on. */
  level: number;
  /** Exact: the receiver answers for every peer after itself and before this address (20 bytes). Absent in classic mode. */
  until?: Uint8Array;
  /** The sender's number of this message, a uint32 that grows by one per receiver: the receiver acknowledges it. Absent: no acknowledgement is wanted. */
  seq?: number;
  /** Milliseconds within which the receiver is to confirm the delivery to its segment. Absent or 0: no receipt is wanted. */
  receiptMs?: number;
  /** The receipt is to hold signatures. */
  signed?: boolean;
  /** A broadcast that does not come along the tree (repaired, or sent twice for safety): owed to nobody, but no private message either. */
  copy?: boolean;
}

/**
 * What travels along the tree: `RainTreeMessage { uint32 level = 1; bytes data = 2; bytes until = 3; uint32 seq = 4; uint32 receipt_ms = 5;
 * bool signed = 6; bool copy = 7; }`. Nodes that know only Pocket V1 ignore all from `until` on and see a classic message.
 */
export interface RainTreeMessage extends RainTreeHead {
  /** The payload: an encoded `PocketEnvelope`. */
  data: Uint8Array;
}

/** The most data a message carries by default: 4 MiB. */
export const RAINTREE_DATA_BYTES_MAX = 4 * 1024 * 1024;

/** The most that stands around the data: level, seq, receiptMs (6 each), until (22), two flags (2 each), tag and length of the data (6). */
export const RAINTREE_HEAD_BYTES_MAX = 50;

const UINT32_MAX = 0xffffffff;

// Field number and wire type in one byte, as protobuf has them.
const LEVEL = 0x08;
const DATA = 0x12;
const UNTIL = 0x1a;
const SEQ = 0x20;
const RECEIPT_MS = 0x28;
const SIGNED = 0x30;
const COPY = 0x38;

/**
 * Appends everything of a message but its data; the `dataBytes` bytes of data must follow. The data stands last, so that a sender
 * writes this small head per target and appends the shared data with one copy.
 *
 * @throws {RangeError} where `level`, `seq` or `receiptMs` is no uint32 or `until` is not 20 bytes long.
 */
export function writeRainTreeHead(out: ByteWriter, head: RainTreeHead, dataBytes: number): void {
  const { level, until, seq, receiptMs = 0, signed = false, copy = false } = head;
  if (level !== 0) writeUint32(out, LEVEL, level, "level");
  if (until !== undefined) {
    if (until.length !== ADDRESS_BYTES) {
      throw new RangeError(`Cannot send a bound of ${until.length} bytes: wanted an address of ${ADDRESS_BYTES}`);
    }
    out.byte(UNTIL);
    out.byte(ADDRESS_BYTES);
    out.push(until);
  }
  if (seq !== undefined) writeUint32(out, SEQ, seq, "sequence number");
  if (receiptMs !== 0) writeUint32(out, RECEIPT_MS, receiptMs, "receipt time");
  if (signed) writeUint32(out, SIGNED, 1, "flag");
  if (copy) writeUint32(out, COPY, 1, "flag");
  if (dataBytes > 0) {
    out.byte(DATA);
    out.varint(dataBytes);
  }
}

function writeUint32(out: ByteWriter, tag: number, value: number, what: string): void {
  if (!Number.isInteger(value) || value < 0 || value > UINT32_MAX) {
    throw new RangeError(`Cannot send ${what} ${value}: wanted an integer from 0 to ${UINT32_MAX}`);
  }
  out.byte(tag);
  out.varint(value);
}

/** The bytes of a message, in memory of `slab` if given; copies the data once. @throws {RangeError} as {@link writeRainTreeHead} does. */
export function encodeRainTreeMessage(message: RainTreeMessage, slab?: Slab): Uint8Array {
  const size = RAINTREE_HEAD_BYTES_MAX + message.data.length;
  const out = new ByteWriter(slab === undefined ? size : slab.take(size));
  writeRainTreeHead(out, message, message.data.length);
  out.push(message.data);
  return out.bytes();
}

/** Options of {@link decodeRainTreeMessage}. */
export interface RainTreeDecodeOptions {
  /** The most bytes of data accepted. @default {4194304} */
  dataBytesMax?: number;
}

/**
 * Reads a message; `data` and `until` are views of `bytes`, what is absent is `undefined`. Fields may come in any order, unknown ones are ignored. Whether the
 * level fits the ring is for the router to check.
 *
 * @throws {ProtocolError} `raintree_bad_level` (no uint32), `raintree_bad_seq`, `raintree_bad_receipt` (likewise), `raintree_bad_until` (neither empty nor 20 bytes),
 * `raintree_too_large` (data), or an error of `ProtoReader`.
 */
export function decodeRainTreeMessage(bytes: Uint8Array, options: RainTreeDecodeOptions = {}): RainTreeMessage {
  const { dataBytesMax = RAINTREE_DATA_BYTES_MAX } = options;
  let level = 0;
  let data: Uint8Array | undefined;
  let until: Uint8Array | undefined;
  let seq: number | undefined;
  let receiptMs: number | undefined;
  let signed: boolean | undefined;
  let copy: boolean | undefined;
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) data = reader.bytes();
    else if (field === 3) until = reader.bytes();
    else if (field === 4) seq = reader.uint();
    else if (field === 1) level = reader.uint();
    else if (field === 5) receiptMs = reader.uint();
    else if (field === 6) signed = reader.bool();
    else if (field === 7) copy = reader.bool();
  }
  if (level > UINT32_MAX) throw tooLarge("raintree_bad_level", "level", level);
  if (seq !== undefined && seq > UINT32_MAX) throw tooLarge("raintree_bad_seq", "sequence number", seq);
  if (receiptMs !== undefined && receiptMs > UINT32_MAX) {
    throw tooLarge("raintree_bad_receipt", "receipt time", receiptMs);
  }
  if (until !== undefined && until.length !== ADDRESS_BYTES) {
    if (until.length > 0) {
      throw new ProtocolError(
        "raintree_bad_until",
        `Message has a bound of ${until.length} bytes, an address takes ${ADDRESS_BYTES}`,
      );
    }
    until = undefined;
  }
  data ??= bytes.subarray(bytes.length);
  if (data.length > dataBytesMax) {
    throw new ProtocolError("raintree_too_large", `Message carries ${data.length} bytes, the limit is ${dataBytesMax}`);
  }
  return { level, data, until, seq, receiptMs, signed, copy };
}

function tooLarge(code: string, what: string, value: number): ProtocolError {
  return new ProtocolError(code, `Message has ${what} ${value}, the largest is ${UINT32_MAX}`);
}
