import { ProtocolError } from "../base/errors.ts";
import type { ByteWriter } from "../codec/byte_writer.ts";
import { writeFrame } from "../codec/frame.ts";
import { readVarint, varintLength, writeVarint } from "../codec/varint.ts";
import { CONTROL_CHANNEL } from "./framed_connection.ts";

/**
 * What sockets tell each other on channel 0, one byte of kind and varints behind it:
 * `ping` (1) and `pong` (2) carry a number that comes back; `credit` (3) a channel and the bytes it accepts in addition.
 */
export type ControlFrame =
  | { readonly type: "ping" | "pong"; readonly nonce: number }
  | { readonly type: "credit"; readonly channel: number; readonly bytes: number };

/** What a message takes of the credit beside its length, so that empty messages are bounded too. */
export const MESSAGE_COST = 64;

const PING = 1;
const PONG = 2;
const CREDIT = 3;

/** Appends a control frame. */
export function writeControlFrame(out: ByteWriter, frame: ControlFrame): void {
  switch (frame.type) {
    case "ping":
      return write(out, PING, frame.nonce);
    case "pong":
      return write(out, PONG, frame.nonce);
    case "credit":
      return write(out, CREDIT, frame.channel, frame.bytes);
  }
}

function write(out: ByteWriter, kind: number, ...numbers: number[]): void {
  const body = new Uint8Array(1 + numbers.reduce((sum, number) => sum + varintLength(number), 0));
  body[0] = kind;
  let at = 1;
  for (const number of numbers) at = writeVarint(body, at, number);
  writeFrame(out, CONTROL_CHANNEL, 0, body);
}

/** Reads a control frame's body; `undefined` for a kind of a later release. @throws {ProtocolError} `control_malformed` */
export function readControlFrame(body: Uint8Array): ControlFrame | undefined {
  if (body.length === 0) throw new ProtocolError("control_malformed", "Control frame is empty");
  const kind = body[0];
  if (kind !== PING && kind !== PONG && kind !== CREDIT) return undefined;
  const first = readVarint(body, 1);
  const second = first && kind === CREDIT ? readVarint(body, first.end) : undefined;
  const end = kind === CREDIT ? second?.end : first?.end;
  if (first === undefined || end !== body.length) {
    throw new ProtocolError("control_malformed", `Control frame of kind ${kind} has ${body.length} bytes`);
  }
  if (kind === CREDIT) return { type: "credit", channel: first.value, bytes: second!.value };
  return { type: kind === PING ? "ping" : "pong", nonce: first.value };
}
