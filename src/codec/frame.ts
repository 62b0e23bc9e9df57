import { ProtocolError } from "../base/errors.ts";
import type { ByteWriter } from "./byte_writer.ts";
import { readVarint, varintLength, writeVarint } from "./varint.ts";

/**
 * One frame of `/raintree/channel/1`: varint length of what follows, varint channel ID, one byte of flags, body.
 * (spec/wire.md section 2.) A longer message travels as several frames, all but the last flagged {@link MORE}, so
 * that another channel's frames pass between them.
 */
export const FRAME_BODY_BYTES_MAX = 64 * 1024;

/** Flag: the message continues in this channel's next frame. */
export const MORE = 1;

/** Channel IDs are varints below this. */
export const CHANNEL_ID_MAX = 0x3fff;

/** The most that stands before a body: length (3), channel ID (2), flags (1). */
export const FRAME_HEADER_BYTES_MAX = 6;

/** Appends one frame to `out`. */
export function writeFrame(out: ByteWriter, channel: number, flags: number, body: Uint8Array): void {
  const length = varintLength(channel) + 1 + body.length;
  let offset = out.reserve(varintLength(length) + length);
  const buffer = out.buffer;
  offset = writeVarint(buffer, offset, length);
  offset = writeVarint(buffer, offset, channel);
  buffer[offset] = flags;
  buffer.set(body, offset + 1);
}

/** Receives one frame; `body` belongs to the receiver, nobody writes to it again. */
export type OnFrame = (channel: number, flags: number, body: Uint8Array) => void;

/**
 * Cuts a byte stream into frames. Bodies are views of the pushed chunks wherever a frame lies within one; a frame that
 * spans chunks is copied once, into memory that grows with what arrived and not with what a length claims.
 */
export class FrameDecoder {
  readonly #onFrame: OnFrame;
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  #needed = 0;

  /** `onFrame` is called for each frame in order, from within {@link push}. */
  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /**
   * Takes the next bytes of the stream; the decoder keeps views of them, so they must not be overwritten.
   *
   * @throws {ProtocolError} `frame_too_long`, `frame_too_short`, `frame_bad_channel` or a varint error; the stream is then beyond repair.
   */
  push(chunk: Uint8Array): void {
    if (this.#restBytes > 0) {
      this.#rest.push(chunk);
      this.#restBytes += chunk.length;
      if (this.#restBytes < this.#needed) return;
      chunk = concat(this.#rest, this.#restBytes);
      this.#rest = [];
      this.#restBytes = 0;
    }
    let at = 0;
    const size = chunk.length;
    while (at < size) {
      // The one- and two-byte forms carry every frame below 16 KiB: no object is made for them.
      let length = chunk[at];
      let start = at + 1;
      if (length >= 0x80) {
        const read = readVarint(chunk, at);
        if (read === undefined) {
          if (size - at >= 3) throw tooLong("a length of more than three bytes");
          return this.#keep(chunk.subarray(at), size - at + 1);
        }
        length = read.value;
        start = read.end;
      }
      if (length > FRAME_BODY_BYTES_MAX + 3) throw tooLong(`${length} bytes`);
      if (length < 2) throw new ProtocolError("frame_too_short", `Frame of ${length} bytes has no channel and flags`);
      const end = start + length;
      if (end > size) return this.#keep(chunk.subarray(at), end - at);
      let channel = chunk[start++];
      if (channel >= 0x80) {
        if (chunk[start] >= 0x80 || start + 1 >= end) {
          throw new ProtocolError("frame_bad_channel", `Frame names a channel above ${CHANNEL_ID_MAX}`);
        }
        channel = (channel & 0x7f) | (chunk[start++] << 7);
      }
      this.#onFrame(channel, chunk[start], chunk.subarray(start + 1, end));
      at = end;
    }
  }

  #keep(rest: Uint8Array, needed: number): void {
    this.#rest = [rest];
    this.#restBytes = rest.length;
    this.#needed = needed;
  }
}

function concat(parts: Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function tooLong(what: string): ProtocolError {
  return new ProtocolError("frame_too_long", `Frame claims ${what}, the limit is ${FRAME_BODY_BYTES_MAX} of body`);
}
