import { createHash } from "node:crypto";
import { P2pError } from "../base/errors.ts";

/**
 * Who a node is: the first 20 bytes of SHA-256 of its 32-byte Ed25519 public key, as 40 lower-case hex digits.
 * Pocket's address and Tendermint's node ID alike.
 */
export type Address = string;

/** Bytes of an address in binary. */
export const ADDRESS_BYTES = 20;

const ADDRESS = /^[0-9a-f]{40}$/;

/** The address of an Ed25519 public key (32 bytes). */
export function addressOf(publicKey: Uint8Array): Address {
  return createHash("sha256").update(publicKey).digest("hex").slice(0, 2 * ADDRESS_BYTES);
}

/** Whether `text` is an address in its one written form. */
export function isAddress(text: string): text is Address {
  return ADDRESS.test(text);
}

/**
 * Reads an address as people write it: upper case and surrounding white space are forgiven.
 *
 * @throws {P2pError} `address_malformed`
 */
export function parseAddress(text: string): Address {
  const address = text.trim().toLowerCase();
  if (isAddress(address)) return address;
  throw new P2pError("address_malformed", `Address "${text}" is not 40 hex digits`);
}

/** The 20 bytes of an address. */
export function addressToBytes(address: Address): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  for (let i = 0; i < ADDRESS_BYTES; i++) bytes[i] = parseInt(address.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** The address whose 20 bytes these are. */
export function addressFromBytes(bytes: Uint8Array): Address {
  if (bytes.length !== ADDRESS_BYTES) {
    throw new P2pError("address_malformed", `Address has ${bytes.length} bytes, it takes ${ADDRESS_BYTES}`);
  }
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}
