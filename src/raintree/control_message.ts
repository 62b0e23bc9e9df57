import { ProtocolError } from "../base/errors.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { ProtoReader, ProtoWriter } from "../codec/proto.ts";
import { readVarint } from "../codec/varint.ts";
import { ADDRESS_BYTES } from "../identity/address.ts";

/** Peers in ring order from an address (included) to another (excluded); from an address to itself it is all of them. */
export interface AddressRange {
  /** The first, 20 bytes. */
  from: Uint8Array;
  /** The first that is not meant, 20 bytes. */
  until: Uint8Array;
}

/** What a node says of the part of a broadcast that it was handed. */
export interface Receipt {
  /** The broadcast. */
  nonce: bigint;
  /** Who of its segment has not confirmed. */
  missing: readonly AddressRange[];
  /** Of those who have, 96 bytes each: public key (32), signature (64). Empty where no signatures were asked for. */
  signatures: readonly Uint8Array[];
}

/** Messages in a row that are acknowledged: `count` of them, from number `first`; the numbers go round at 2^32. */
export interface AckRun {
  /** See `RainTreeMessage.seq`. */
  first: number;
  /** 1 or more. */
  count: number;
}

/** The small things that nodes tell each other about broadcasts, many in one message. Lists are empty where there is nothing to tell. */
export interface ControlMessage {
  /** Messages received and taken responsibility for. */
  acks: readonly AckRun[];
  /** Broadcasts that the sender has: answered with `wants` or not at all. */
  offers: readonly bigint[];
  /** Broadcasts that the sender has: answered with `wants` or `denials` (Pocket's `IGYW`). */
  asks: readonly bigint[];
  /** Broadcasts that the sender lacks (`IGYW_AFF`). */
  wants: readonly bigint[];
  /** Broadcasts that the sender has already (`IGYW_NEG`). */
  denials: readonly bigint[];
  /** Confirmations of delivery. */
  receipts: readonly Receipt[];
  /** The sender wants to know whether the receiver is there. */
  probe: boolean;
  /** The sender was asked that, and is. */
  alive: boolean;
}

/** Bytes of a signature in a {@link Receipt}: a public key (32) and the signature proper (64). */
export const RECEIPT_SIGNATURE_BYTES = 96;

/** Entries of one list of a {@link ControlMessage}: more are refused. Receipts are bounded by the size of the message alone. */
export const CONTROL_ENTRIES_MAX = 8192;

const NONCE_BYTES = 8;
const RANGE_BYTES = 2 * ADDRESS_BYTES;
const UINT32_MAX = 0xffffffff;
const NONE: readonly never[] = [];

/**
 * The bytes of a message: `RainTreeControl { repeated uint32 acks = 1 [packed]; bytes offers = 2; bytes asks = 3; bytes wants = 4; bytes denials = 5;
 * repeated Receipt receipts = 6; bool probe = 7; bool alive = 8; }`, where `acks` are pairs of first and count, lists of nonces 8 bytes each
 * (big-endian), and `Receipt { bytes nonce = 1; bytes missing = 2; bytes signatures = 3; }` has 40 bytes a range and 96 a signature.
 */
export function encodeControlMessage(message: ControlMessage): Uint8Array {
  const out = new ByteWriter(
    64 + 10 * message.acks.length + NONCE_BYTES * (message.offers.length + message.wants.length),
  );
  const writer = new ProtoWriter(out);
  if (message.acks.length > 0) {
    const packed = new ByteWriter(10 * message.acks.length);
    for (const { first, count } of message.acks) {
      packed.varint(first);
      packed.varint(count);
    }
    writer.bytes(1, packed.bytes());
  }
  writer.bytes(2, packNonces(message.offers)).bytes(3, packNonces(message.asks));
  writer.bytes(4, packNonces(message.wants)).bytes(5, packNonces(message.denials));
  for (const { nonce, missing, signatures } of message.receipts) {
    const receipt = new ProtoWriter().bytes(1, packNonces([nonce]));
    receipt.bytes(2, joined(missing.flatMap(({ from, until }) => [from, until]))).bytes(3, joined(signatures));
    writer.message(6, receipt.finish());
  }
  return writer.bool(7, message.probe).bool(8, message.alive).finish();
}

/**
 * Reads a message; nothing in it is a view of `bytes`. Unknown fields are ignored; lists that come in parts are joined.
 *
 * @throws {ProtocolError} `control_malformed` (a list that does not divide into entries, a nonce 0, an acknowledgement of nothing or beyond a
 * uint32), `control_too_many` (over 8,192 entries of a kind), or an error of `ProtoReader`.
 */
export function decodeControlMessage(bytes: Uint8Array): ControlMessage {
  let acks = NONE as readonly AckRun[];
  let [offers, asks, wants, denials]: (readonly bigint[])[] = [NONE, NONE, NONE, NONE];
  const receipts: Receipt[] = [];
  let probe = false;
  let alive = false;
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) acks = bounded(acks, readAcks(reader.bytes()));
    else if (field === 2) offers = bounded(offers, readNonces(reader.bytes()));
    else if (field === 3) asks = bounded(asks, readNonces(reader.bytes()));
    else if (field === 4) wants = bounded(wants, readNonces(reader.bytes()));
    else if (field === 5) denials = bounded(denials, readNonces(reader.bytes()));
    else if (field === 6) receipts.push(readReceipt(reader.bytes()));
    else if (field === 7) probe = reader.bool();
    else if (field === 8) alive = reader.bool();
    if (receipts.length > CONTROL_ENTRIES_MAX) throw tooMany(receipts.length);
  }
  return { acks, offers, asks, wants, denials, receipts, probe, alive };
}

function packNonces(nonces: readonly bigint[]): Uint8Array {
  const packed = new Uint8Array(NONCE_BYTES * nonces.length);
  const view = new DataView(packed.buffer);
  for (let i = 0; i < nonces.length; i++) view.setBigUint64(NONCE_BYTES * i, nonces[i]);
  return packed;
}

function readNonces(packed: Uint8Array): bigint[] {
  const nonces = new Array<bigint>(entries(packed, NONCE_BYTES, "nonces"));
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  for (let i = 0; i < nonces.length; i++) {
    const nonce = view.getBigUint64(NONCE_BYTES * i);
    if (nonce === 0n) throw malformed("a nonce 0");
    nonces[i] = nonce;
  }
  return nonces;
}

function readAcks(packed: Uint8Array): AckRun[] {
  const runs: AckRun[] = [];
  for (let at = 0; at < packed.length;) {
    const first = number(packed, at);
    const count = number(packed, first.end);
    if (count.value === 0) throw malformed("an acknowledgement of nothing");
    runs.push({ first: first.value, count: count.value });
    if (runs.length > CONTROL_ENTRIES_MAX) throw tooMany(runs.length);
    at = count.end;
  }
  return runs;
}

function number(packed: Uint8Array, at: number): { value: number; end: number } {
  const read = readVarint(packed, at);
  if (read === undefined) throw malformed("an acknowledgement that is cut off");
  if (read.value > UINT32_MAX) throw malformed(`an acknowledgement of number ${read.value}`);
  return read;
}

function readReceipt(bytes: Uint8Array): Receipt {
  let nonce = 0n;
  let missing: AddressRange[] = [];
  let signatures: Uint8Array[] = [];
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) {
      const [first, ...more] = readNonces(reader.bytes());
      if (first === undefined || more.length > 0) throw malformed("a receipt for no broadcast or several");
      nonce = first;
    } else if (field === 2) {
      missing = pieces(reader.bytes(), RANGE_BYTES, "ranges").map((range) => {
        return { from: range.subarray(0, ADDRESS_BYTES), until: range.subarray(ADDRESS_BYTES) };
      });
    } else if (field === 3) {
      signatures = pieces(reader.bytes(), RECEIPT_SIGNATURE_BYTES, "signatures");
    }
  }
  if (nonce === 0n) throw malformed("a receipt for no broadcast");
  return { nonce, missing, signatures };
}

/** Copies of the equal pieces that `bytes` consist of. */
function pieces(bytes: Uint8Array, size: number, what: string): Uint8Array[] {
  const count = entries(bytes, size, what);
  const own = bytes.slice();
  return Array.from({ length: count }, (_, i) => own.subarray(i * size, (i + 1) * size));
}

function entries(bytes: Uint8Array, size: number, what: string): number {
  if (bytes.length % size !== 0) throw malformed(`${what} in ${bytes.length} bytes, they take ${size} each`);
  const count = bytes.length / size;
  if (size === NONCE_BYTES && count > CONTROL_ENTRIES_MAX) throw tooMany(count);
  return count;
}

function bounded<T>(before: readonly T[], more: readonly T[]): readonly T[] {
  if (before.length === 0) return more;
  if (before.length + more.length > CONTROL_ENTRIES_MAX) throw tooMany(before.length + more.length);
  return [...before, ...more];
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new ByteWriter(64);
  for (const part of parts) out.push(part);
  return out.bytes();
}

function malformed(what: string): ProtocolError {
  return new ProtocolError("control_malformed", `Control message holds ${what}`);
}

function tooMany(count: number): ProtocolError {
  return new ProtocolError(
    "control_too_many",
    `Control message holds ${count} entries of a kind, the most is ${CONTROL_ENTRIES_MAX}`,
  );
}
