import { ProtocolError } from "../../base/errors.ts";

/**
 * The 12-byte header of yamux, big-endian: version 1 (always 0), type 1, flags 2, stream ID 4, length 4.
 * Only data frames have a body; elsewhere `length` is a value: window increment, ping number, go-away code.
 * (hashicorp/yamux spec.md, libp2p yamux spec.)
 */
export const YAMUX_HEADER_BYTES = 12;

/** What each side may send on a new stream before it is given more. */
export const YAMUX_INITIAL_WINDOW = 256 * 1024;

/** Frame types. */
export const DATA = 0, WINDOW_UPDATE = 1, PING = 2, GO_AWAY = 3;

/** Flags. */
export const SYN = 1, ACK = 2, FIN = 4, RST = 8;

/** Go-away codes. */
export const GO_AWAY_NORMAL = 0, GO_AWAY_PROTOCOL_ERROR = 1, GO_AWAY_INTERNAL_ERROR = 2;

/** Writes a header at `offset`. */
export function writeYamuxHeader(
  into: Uint8Array,
  offset: number,
  type: number,
  flags: number,
  streamId: number,
  length: number,
): void {
  into[offset] = 0;
  into[offset + 1] = type;
  into[offset + 2] = flags >>> 8;
  into[offset + 3] = flags;
  writeUint32(into, offset + 4, streamId);
  writeUint32(into, offset + 8, length);
}

/** The header at `offset`, read field by field without making an object: see {@link uint32At}. @throws {ProtocolError} `yamux_bad_version`, `yamux_bad_type` */
export function checkYamuxHeader(from: Uint8Array, offset: number): void {
  if (from[offset] !== 0) {
    throw new ProtocolError("yamux_bad_version", `Yamux frame has version ${from[offset]}, wanted 0`);
  }
  if (from[offset + 1] > GO_AWAY) {
    throw new ProtocolError("yamux_bad_type", `Yamux frame has type ${from[offset + 1]}, the last known is ${GO_AWAY}`);
  }
}

/** The big-endian number at `offset`. */
export function uint32At(from: Uint8Array, offset: number): number {
  return ((from[offset] << 24) | (from[offset + 1] << 16) | (from[offset + 2] << 8) | from[offset + 3]) >>> 0;
}

function writeUint32(into: Uint8Array, offset: number, value: number): void {
  into[offset] = value >>> 24;
  into[offset + 1] = value >>> 16;
  into[offset + 2] = value >>> 8;
  into[offset + 3] = value;
}
