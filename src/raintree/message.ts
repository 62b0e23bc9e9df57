import { ProtocolError } from "../base/errors.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { ProtoReader } from "../codec/proto.ts";
import type { Slab } from "../codec/slab.ts";
import { ADDRESS_BYTES } from "../identity/address.ts";

/**
 * What travels along the tree: `RainTreeMessage { uint32 level = 1; bytes data = 2; bytes until = 3; }`. Nodes that know
 * only Pocket V1 ignore `until` and see a classic message.
 */
export interface RainTreeMessage {
  /** Classic: the level this message was sent at, a uint32; 0 is a direct send that is never passed on. */
  level: number;
  /** The payload: an encoded `PocketEnvelope`. */
  data: Uint8Array;
  /** Exact: the receiver answers for every peer after itself and before this address (20 bytes). Absent in classic mode. */
  until?: Uint8Array;
}

/** The most data a message carries by default: 4 MiB. */
export const RAINTREE_DATA_BYTES_MAX = 4 * 1024 * 1024;

/** The most that stands around the data: level (6), until (22), tag and length of the data (6). */
export const RAINTREE_HEAD_BYTES_MAX = 34;

const UINT32_MAX = 0xffffffff;

// Field number and wire type in one byte, as protobuf has them.
const LEVEL = 0x08;
const DATA = 0x12;
const UNTIL = 0x1a;

/**
 * Appends everything of a message but its data; the `dataBytes` bytes of data must follow. The data stands last, so that a sender
 * writes this small head per target and appends the shared data with one copy.
 *
 * @throws {RangeError} where `level` is no uint32 or `until` is not 20 bytes long.
 */
export function writeRainTreeHead(
  out: ByteWriter,
  level: number,
  until: Uint8Array | undefined,
  dataBytes: number,
): void {
  if (!Number.isInteger(level) || level < 0 || level > UINT32_MAX) {
    throw new RangeError(`Cannot send level ${level}: wanted an integer from 0 to ${UINT32_MAX}`);
  }
  if (level > 0) {
    out.byte(LEVEL);
    out.varint(level);
  }
  if (until !== undefined) {
    if (until.length !== ADDRESS_BYTES) {
      throw new RangeError(`Cannot send a bound of ${until.length} bytes: wanted an address of ${ADDRESS_BYTES}`);
    }
    out.byte(UNTIL);
    out.byte(ADDRESS_BYTES);
    out.push(until);
  }
  if (dataBytes > 0) {
    out.byte(DATA);
    out.varint(dataBytes);
  }
}

/** The bytes of a message, in memory of `slab` if given; copies the data once. @throws {RangeError} as {@link writeRainTreeHead} does. */
export function encodeRainTreeMessage(message: RainTreeMessage, slab?: Slab): Uint8Array {
  const size = RAINTREE_HEAD_BYTES_MAX + message.data.length;
  const out = new ByteWriter(slab === undefined ? size : slab.take(size));
  writeRainTreeHead(out, message.level, message.until, message.data.length);
  out.push(message.data);
  return out.bytes();
}

/** Options of {@link decodeRainTreeMessage}. */
export interface RainTreeDecodeOptions {
  /** The most bytes of data accepted. @default {4194304} */
  dataBytesMax?: number;
}

/**
 * Reads a message; `data` and `until` are views of `bytes`. Fields may come in any order, unknown ones are ignored. Whether the
 * level fits the ring is for the router to check.
 *
 * @throws {ProtocolError} `raintree_bad_level` (no uint32), `raintree_bad_until` (neither empty nor 20 bytes),
 * `raintree_too_large` (data), or an error of `ProtoReader`.
 */
export function decodeRainTreeMessage(bytes: Uint8Array, options: RainTreeDecodeOptions = {}): RainTreeMessage {
  const { dataBytesMax = RAINTREE_DATA_BYTES_MAX } = options;
  let level = 0;
  let data: Uint8Array | undefined;
  let until: Uint8Array | undefined;
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) level = reader.uint();
    else if (field === 2) data = reader.bytes();
    else if (field === 3) until = reader.bytes();
  }
  if (level > UINT32_MAX) {
    throw new ProtocolError("raintree_bad_level", `Message has level ${level}, the largest is ${UINT32_MAX}`);
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
  return { level, data, until };
}
