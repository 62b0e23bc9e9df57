import { ProtocolError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { ProtoReader, ProtoWriter } from "../codec/proto.ts";
import type { TextMemo } from "../codec/text_memo.ts";
import { varintLength } from "../codec/varint.ts";

/**
 * An application message on its way: `PocketEnvelope { google.protobuf.Any content = 1; uint64 nonce = 2; }`, where `Any` is
 * `{ string type_url = 1; bytes value = 2; }`. Flat here: an envelope has exactly one content.
 */
export interface PocketEnvelope {
  /** What `value` is: `type.googleapis.com/shared.StringMessage`; never empty. */
  typeUrl: string;
  /** The encoded message of the application; may be empty. */
  value: Uint8Array;
  /** Tells broadcasts apart: 64 random bits, never 0. */
  nonce: bigint;
}

const CONTENT = 0x0a;
const UINT64_LIMIT = 1n << 64n;
/** Reading one takes as long as a hundred bytes of value. */
const PARTS_MAX = 16;
const encoder = new TextEncoder();

/** A nonce for a new envelope: 64 random bits, never 0. */
export function randomNonce(random: Random): bigint {
  const bytes = new Uint8Array(8);
  for (;;) {
    const nonce = new DataView(random.fill(bytes).buffer).getBigUint64(0);
    if (nonce !== 0n) return nonce;
  }
}

/**
 * The bytes of an envelope; copies the value once.
 *
 * @throws {RangeError} where the type URL is empty, or the nonce is 0 or has more than 64 bits.
 */
export function encodeEnvelope(envelope: PocketEnvelope): Uint8Array {
  const { typeUrl, value, nonce } = envelope;
  if (typeUrl === "") throw new RangeError("Cannot send content without a type URL");
  if (nonce <= 0n || nonce >= UINT64_LIMIT) {
    throw new RangeError(`Cannot send nonce ${nonce}: wanted an integer from 1 to 2^64 - 1`);
  }
  const url = encoder.encode(typeUrl);
  const contentBytes = delimitedBytes(url.length) + (value.length === 0 ? 0 : delimitedBytes(value.length));
  const out = new ByteWriter(delimitedBytes(contentBytes) + 11);
  out.byte(CONTENT);
  out.varint(contentBytes);
  new ProtoWriter(out).bytes(1, url).bytes(2, value);
  new ProtoWriter(out).uint64(2, nonce);
  return out.bytes();
}

/**
 * Reads an envelope; `value` is a view of `bytes`. Unknown fields are dropped. `typeUrls` saves decoding the URL that the last one had.
 *
 * @throws {ProtocolError} `envelope_no_content` (no type URL), `envelope_zero_nonce`, `envelope_parts` (more than 16 parts of content, of which two suffice), or an
 * error of `ProtoReader`.
 */
export function decodeEnvelope(bytes: Uint8Array, typeUrls?: TextMemo): PocketEnvelope {
  let typeUrl = "";
  let value = bytes.subarray(bytes.length);
  let nonce = 0n;
  let parts = 0;
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) {
      nonce = reader.uint64();
    } else if (field === 1) {
      // Content that comes twice is merged field by field, as protobuf asks for embedded messages.
      const content = new ProtoReader(reader.bytes());
      for (let part = content.next(); part !== 0; part = content.next()) {
        if (++parts > PARTS_MAX) {
          throw new ProtocolError("envelope_parts", `Envelope has more than ${PARTS_MAX} parts of content`);
        }
        if (part === 1) typeUrl = content.string(typeUrls);
        else if (part === 2) value = content.bytes();
      }
    }
  }
  if (nonce === 0n) throw new ProtocolError("envelope_zero_nonce", "Envelope has nonce 0, wanted 64 random bits");
  if (typeUrl === "") throw new ProtocolError("envelope_no_content", "Envelope has no content with a type URL");
  return { typeUrl, value, nonce };
}

/** Bytes of a length-delimited field below number 16: tag, length, content. */
function delimitedBytes(length: number): number {
  return 1 + varintLength(length) + length;
}
