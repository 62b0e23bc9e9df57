import { ProtocolError } from "../base/errors.ts";
import type { ByteWriter } from "./byte_writer.ts";
import { varintLength, writeVarint } from "./varint.ts";

/**
 * One frame of `/raintree/channel/1`: varint length of what follows, varint channel ID, one byte of flags, body.
 * A longer message travels as several frames, all but the last flagged {@link MORE}, so that another channel's frames
 * pass between them.
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

/** What a frame's length may claim at most: channel (2), flags (1), body. */
const FRAME_LENGTH_MAX = FRAME_BODY_BYTES_MAX + 3;

/** Bytes that the varint of a length may have. */
const LENGTH_BYTES_MAX = 3;

/**
 * Cuts a byte stream into frames. Bodies are views of the pushed chunks wherever a frame lies within one; a frame that
 * spans chunks is copied, alone, into memory that grows with what arrived and not with what a length claims.
 */
export class FrameDecoder {
  readonly #onFrame: OnFrame;
  /** The beginning of a frame that goes on in the next chunk. */
  #rest: Uint8Array = NOTHING;
  #restBytes = 0;
  /** Bytes of that frame, or of as much of it as its beginning tells. */
  #needed = 0;

  /** `onFrame` is called for each frame in order, from within {@link push}. */
  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /**
   * Takes the next bytes of the stream, which must not be overwritten. Returns whether a body handed over is a view of them; if not, nobody looks
   * at them again.
   *
   * @throws {ProtocolError} `frame_too_long`, `frame_too_short` or `frame_bad_channel`; the stream is then beyond repair.
   */
  push(chunk: Uint8Array): boolean {
    let at = 0;
    while (this.#restBytes > 0) {
      if (at === chunk.length) return false;
      const end = Math.min(chunk.length, at + this.#needed - this.#restBytes);
      this.#append(chunk.subarray(at, end));
      at = end;
      if (this.#restBytes < this.#needed) return false;
      const whole = this.#rest.subarray(0, this.#restBytes);
      this.#rest = NOTHING;
      this.#restBytes = 0;
      this.#cut(whole, 0);
    }
    return this.#cut(chunk, at);
  }

  /** Hands over the frames from `at` on and keeps a copy of what is left. Returns whether it handed over any. */
  #cut(chunk: Uint8Array, at: number): boolean {
    const from = at;
    const size = chunk.length;
    while (at < size) {
      let start = at;
      let length = 0;
      let byte: number;
      do {
        if (start - at === LENGTH_BYTES_MAX) throw tooLong(`a length of over ${LENGTH_BYTES_MAX} bytes`);
        if (start === size) return this.#keep(chunk.subarray(at), size - at + 1, at > from);
        byte = chunk[start];
        length |= (byte & 0x7f) << (7 * (start - at));
        start++;
      } while (byte >= 0x80);
      if (length > FRAME_LENGTH_MAX) throw tooLong(`${length} bytes`);
      if (length < 2) throw new ProtocolError("frame_too_short", `Frame of ${length} bytes has no channel and flags`);
      const end = start + length;
      if (end > size) return this.#keep(chunk.subarray(at), end - at, at > from);
      let channel = chunk[start++];
      if (channel >= 0x80) {
        if (chunk[start] >= 0x80 || start + 1 >= end) {
          throw new ProtocolError("frame_bad_channel", `Frame names no channel from 0 to ${CHANNEL_ID_MAX}`);
        }
        channel = (channel & 0x7f) | (chunk[start++] << 7);
      }
      if (end - start - 1 > FRAME_BODY_BYTES_MAX) throw tooLong(`a body of ${end - start - 1} bytes`);
      this.#onFrame(channel, chunk[start], chunk.subarray(start + 1, end));
      at = end;
    }
    return at > from;
  }

  /** Memory for the whole frame once a good part of it is there: what a peer only claims costs at most three times what it sent. */
  #keep(rest: Uint8Array, needed: number, handedOver: boolean): boolean {
    this.#rest = new Uint8Array(rest.length * 4 >= needed ? needed : rest.length);
    this.#rest.set(rest);
    this.#restBytes = rest.length;
    this.#needed = needed;
    return handedOver;
  }

  #append(part: Uint8Array): void {
    const length = this.#restBytes + part.length;
    if (length > this.#rest.length) {
      const grown = new Uint8Array(Math.min(this.#needed, Math.max(length, 2 * this.#restBytes)));
      grown.set(this.#rest.subarray(0, this.#restBytes));
      this.#rest = grown;
    }
    this.#rest.set(part, this.#restBytes);
    this.#restBytes = length;
  }
}

const NOTHING = new Uint8Array(0);

function tooLong(what: string): ProtocolError {
  return new ProtocolError("frame_too_long", `Frame claims ${what}, the limit is ${FRAME_BODY_BYTES_MAX} of body`);
}
