import { ProtocolError } from "../base/errors.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { concat } from "../codec/concat.ts";
import { ProtoReader, ProtoWriter } from "../codec/proto.ts";
import { type ReadVarint, readVarint, varintLength } from "../codec/varint.ts";
import { ADDRESS_BYTES } from "../identity/address.ts";
import { NONCE_BYTES, packNonces, viewPacked } from "./packed_nonces.ts";

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

/** A hand-over without the payload: the receiver has it already, or asks for it. */
export interface Duty {
  /** The broadcast. */
  nonce: bigint;
  /** See `RainTreeMessage.until`. */
  until: Uint8Array;
  /** See `RainTreeMessage.seq`. */
  seq: number;
  /** See `RainTreeMessage.receiptMs`; 0 where no receipt is wanted. */
  receiptMs: number;
  /** See `RainTreeMessage.signed`. */
  signed: boolean;
}

/** The small things that nodes tell each other about broadcasts, many in one message. Lists are empty where there is nothing to tell. */
export interface ControlMessage {
  /** Messages received and taken responsibility for. */
  acks: readonly AckRun[];
  /** Broadcasts that the sender has, packed (8 bytes each, big-endian): answered with `wants` or not at all. A view of the message where it was read. */
  offers: Uint8Array;
  /** Broadcasts that the sender has: answered with `wants` or `denials` (Pocket's `IGYW`). */
  asks: readonly bigint[];
  /** Broadcasts that the sender lacks (`IGYW_AFF`). */
  wants: readonly bigint[];
  /** Broadcasts that the sender has already (`IGYW_NEG`). */
  denials: readonly bigint[];
  /** Confirmations of delivery. */
  receipts: readonly Receipt[];
  /** Segments that the sender hands over, of broadcasts that it thinks are known to the receiver: acknowledged, or answered with `wants`. */
  duties: readonly Duty[];
  /** The sender wants to know whether the receiver is there. */
  probe: boolean;
  /** The sender was asked that, and is. */
  alive: boolean;
}

/** Bytes of a signature in a {@link Receipt}: a public key (32) and the signature proper (64). */
export const RECEIPT_SIGNATURE_BYTES = 96;

/** Entries of one list of a {@link ControlMessage} or a {@link Receipt}: more are refused. */
export const CONTROL_ENTRIES_MAX = 8192;

/** Messages that the runs of one {@link ControlMessage} acknowledge: looking for more would take long. */
export const CONTROL_ACKED_MAX = 2 ** 15;

/** Fields of one {@link ControlMessage}: as many receipts and duties as there may be, and room for lists in parts. */
const FIELDS_MAX = 3 * CONTROL_ENTRIES_MAX;

/** Fields of a receipt or a duty, of which three and five are known: there may be thousands of these. */
const INNER_FIELDS_MAX = 8;

const RANGE_BYTES = 2 * ADDRESS_BYTES;
const UINT32_MAX = 0xffffffff;

/** The most that an entry of `acks` takes: two varints of a uint32. */
const ACK_BYTES_MAX = 10;

/** The most that stands around all else: tags and lengths of five lists, two flags. */
const HEAD_BYTES_MAX = 5 * 6 + 2 * 2;

// Field number and wire type in one byte, as protobuf has them.
const ACKS = 0x0a;
const OFFERS = 0x12;
const ASKS = 0x1a;
const WANTS = 0x22;
const DENIALS = 0x2a;
const PROBE = 0x38;
const ALIVE = 0x40;
const DUTY_NONCE = 0x0a;
const RECEIPT_NONCE = 0x0a;
const RECEIPT_MISSING = 0x12;
const RECEIPT_SIGNATURES = 0x1a;

/**
 * The bytes of a message: `RainTreeControl { repeated uint32 acks = 1 [packed]; bytes offers = 2; bytes asks = 3; bytes wants = 4; bytes denials = 5;
 * repeated Receipt receipts = 6; bool probe = 7; bool alive = 8; repeated Duty duties = 9; }`, where `acks` are pairs of first and count, lists of nonces 8 bytes each
 * (big-endian), and `Receipt { bytes nonce = 1; bytes missing = 2; bytes signatures = 3; }` has 40 bytes a range and 96 a signature;
 * `Duty { bytes nonce = 1; bytes until = 2; uint32 seq = 3; uint32 receipt_ms = 4; bool signed = 5; }`.
 */
export function encodeControlMessage(message: ControlMessage): Uint8Array {
  const { acks, offers, asks, wants, denials, receipts, duties, probe, alive } = message;
  const nonces = offers.length / NONCE_BYTES + asks.length + wants.length + denials.length;
  const out = new ByteWriter(HEAD_BYTES_MAX + ACK_BYTES_MAX * acks.length + NONCE_BYTES * nonces);
  if (acks.length > 0) writeAcks(out, acks);
  if (offers.length > 0) writePacked(out, OFFERS, offers);
  if (asks.length > 0) writeNonces(out, ASKS, asks);
  if (wants.length > 0) writeNonces(out, WANTS, wants);
  if (denials.length > 0) writeNonces(out, DENIALS, denials);
  for (const receipt of receipts) new ProtoWriter(out).message(6, encodeReceipt(receipt));
  for (const duty of duties) new ProtoWriter(out).message(9, encodeDuty(duty));
  if (probe) writeFlag(out, PROBE);
  if (alive) writeFlag(out, ALIVE);
  return out.bytes();
}

/**
 * Reads a message; nothing in it but `offers` is a view of `bytes`. Unknown fields are ignored; lists that come in parts are joined.
 *
 * @throws {ProtocolError} `control_malformed` (a list that does not divide into entries, a nonce 0, an acknowledgement of nothing or beyond a
 * uint32, of over 2^15 messages in all), `control_too_many` (over 8,192 entries of a kind), or an error of `ProtoReader` (over 24,576 fields, over 8 of a
 * receipt or duty) or `readVarint`.
 */
export function decodeControlMessage(bytes: Uint8Array): ControlMessage {
  const acks: AckRun[] = [];
  const offers: Uint8Array[] = [];
  let offered = 0;
  const asks: bigint[] = [];
  const wants: bigint[] = [];
  const denials: bigint[] = [];
  const receipts: Receipt[] = [];
  const duties: Duty[] = [];
  let probe = false;
  let alive = false;
  const reader = new ProtoReader(bytes, FIELDS_MAX);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) readAcks(reader.bytes(), acks);
    else if (field === 2) offered = readOffers(reader.bytes(), offers, offered);
    else if (field === 3) readNonces(reader.bytes(), asks);
    else if (field === 4) readNonces(reader.bytes(), wants);
    else if (field === 5) readNonces(reader.bytes(), denials);
    else if (field === 6) readReceipt(reader.bytes(), receipts);
    else if (field === 7) probe = reader.bool();
    else if (field === 8) alive = reader.bool();
    else if (field === 9) readDuty(reader.bytes(), duties);
  }
  let acked = 0;
  for (const { count } of acks) acked += count;
  if (acked > CONTROL_ACKED_MAX) {
    throw malformed(`acknowledgements of ${acked} messages, the most is ${CONTROL_ACKED_MAX}`);
  }
  return {
    acks,
    offers: offers.length === 1 ? offers[0] : concat(offers),
    asks,
    wants,
    denials,
    receipts,
    duties,
    probe,
    alive,
  };
}

function writeFlag(out: ByteWriter, tag: number): void {
  out.byte(tag);
  out.byte(1);
}

function writeAcks(out: ByteWriter, acks: readonly AckRun[]): void {
  let size = 0;
  for (const { first, count } of acks) size += varintLength(first) + varintLength(count);
  out.byte(ACKS);
  out.varint(size);
  for (const { first, count } of acks) {
    out.varint(first);
    out.varint(count);
  }
}

function readAcks(packed: Uint8Array, into: AckRun[]): void {
  for (let at = 0; at < packed.length;) {
    const first = readNumber(packed, at);
    const count = readNumber(packed, first.end);
    if (count.value === 0) throw malformed("an acknowledgement of nothing");
    if (into.length === CONTROL_ENTRIES_MAX) throw tooMany(CONTROL_ENTRIES_MAX + 1);
    into.push({ first: first.value, count: count.value });
    at = count.end;
  }
}

function readNumber(packed: Uint8Array, at: number): ReadVarint {
  const read = readVarint(packed, at);
  if (read === undefined) throw malformed("an acknowledgement that is cut off");
  if (read.value > UINT32_MAX) throw malformed(`an acknowledgement of number ${read.value}`);
  return read;
}

function writePacked(out: ByteWriter, tag: number, nonces: Uint8Array): void {
  out.byte(tag);
  out.varint(nonces.length);
  out.push(nonces);
}

function writeNonces(out: ByteWriter, tag: number, nonces: readonly bigint[]): void {
  writePacked(out, tag, packNonces(nonces));
}

function readNonces(packed: Uint8Array, into: bigint[]): void {
  checkNonces(packed, into.length);
  const view = viewPacked(packed);
  for (let at = 0; at < packed.length; at += NONCE_BYTES) into.push(view.getBigUint64(at));
}

/** Whether it is a row of nonces, of which `before` came in other parts. */
function checkNonces(packed: Uint8Array, before: number): void {
  entries(packed, NONCE_BYTES, "nonces", before);
  const view = viewPacked(packed);
  for (let at = 0; at < packed.length; at += NONCE_BYTES) {
    if ((view.getUint32(at) | view.getUint32(at + 4)) === 0) throw malformed("a nonce 0");
  }
}

/** Returns how many bytes of offers there are now. */
function readOffers(packed: Uint8Array, into: Uint8Array[], before: number): number {
  checkNonces(packed, before / NONCE_BYTES);
  if (packed.length > 0) into.push(packed);
  return before + packed.length;
}

function encodeReceipt({ nonce, missing, signatures }: Receipt): Uint8Array {
  const out = new ByteWriter(64 + RANGE_BYTES * missing.length + RECEIPT_SIGNATURE_BYTES * signatures.length);
  writeNonces(out, RECEIPT_NONCE, [nonce]);
  if (missing.length > 0) {
    out.byte(RECEIPT_MISSING);
    out.varint(RANGE_BYTES * missing.length);
    for (const { from, until } of missing) {
      out.push(from);
      out.push(until);
    }
  }
  if (signatures.length > 0) {
    out.byte(RECEIPT_SIGNATURES);
    out.varint(RECEIPT_SIGNATURE_BYTES * signatures.length);
    for (const signature of signatures) out.push(signature);
  }
  return out.bytes();
}

function readReceipt(bytes: Uint8Array, into: Receipt[]): void {
  if (into.length === CONTROL_ENTRIES_MAX) throw tooMany(CONTROL_ENTRIES_MAX + 1);
  const nonces: bigint[] = [];
  const missing: AddressRange[] = [];
  const signatures: Uint8Array[] = [];
  const reader = new ProtoReader(bytes, INNER_FIELDS_MAX);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) readNonces(reader.bytes(), nonces);
    else if (field === 2) readRanges(reader.bytes(), missing);
    else if (field === 3) readSignatures(reader.bytes(), signatures);
  }
  if (nonces.length !== 1) throw malformed(`a receipt for ${nonces.length} broadcasts`);
  into.push({ nonce: nonces[0], missing, signatures });
}

function encodeDuty({ nonce, until, seq, receiptMs, signed }: Duty): Uint8Array {
  const out = new ByteWriter(64);
  writeNonces(out, DUTY_NONCE, [nonce]);
  new ProtoWriter(out).bytes(2, until).uint(3, seq).uint(4, receiptMs).bool(5, signed);
  return out.bytes();
}

function readDuty(bytes: Uint8Array, into: Duty[]): void {
  if (into.length === CONTROL_ENTRIES_MAX) throw tooMany(CONTROL_ENTRIES_MAX + 1);
  const nonces: bigint[] = [];
  let until = new Uint8Array();
  let seq = 0;
  let receiptMs = 0;
  let signed = false;
  const reader = new ProtoReader(bytes, INNER_FIELDS_MAX);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) readNonces(reader.bytes(), nonces);
    else if (field === 2) until = new Uint8Array(reader.bytes());
    else if (field === 3) seq = reader.uint();
    else if (field === 4) receiptMs = reader.uint();
    else if (field === 5) signed = reader.bool();
  }
  if (nonces.length !== 1) throw malformed(`a duty for ${nonces.length} broadcasts`);
  if (until.length !== ADDRESS_BYTES) throw malformed(`a duty with a bound of ${until.length} bytes`);
  if (seq > UINT32_MAX || receiptMs > UINT32_MAX) throw malformed(`a duty of number ${seq} within ${receiptMs} ms`);
  into.push({ nonce: nonces[0], until, seq, receiptMs, signed });
}

// Copied by constructor: of a node Buffer, slice() would be a view.
function readRanges(bytes: Uint8Array, into: AddressRange[]): void {
  const count = entries(bytes, RANGE_BYTES, "ranges", into.length);
  const own = new Uint8Array(bytes);
  for (let i = 0; i < count; i++) {
    const from = i * RANGE_BYTES;
    const until = from + ADDRESS_BYTES;
    into.push({ from: own.subarray(from, until), until: own.subarray(until, from + RANGE_BYTES) });
  }
}

function readSignatures(bytes: Uint8Array, into: Uint8Array[]): void {
  const count = entries(bytes, RECEIPT_SIGNATURE_BYTES, "signatures", into.length);
  const own = new Uint8Array(bytes);
  for (let i = 0; i < count; i++) {
    into.push(own.subarray(i * RECEIPT_SIGNATURE_BYTES, (i + 1) * RECEIPT_SIGNATURE_BYTES));
  }
}

/** How many entries a list consists of, of which `before` came in other parts. */
function entries(bytes: Uint8Array, size: number, what: string, before: number): number {
  if (bytes.length % size !== 0) throw malformed(`${what} in ${bytes.length} bytes, they take ${size} each`);
  const count = bytes.length / size;
  if (before + count > CONTROL_ENTRIES_MAX) throw tooMany(before + count);
  return count;
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
