import { P2pError } from "../base/errors.ts";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** The longest text {@link decodeBase58} takes, in characters: the work grows with the square of it, and a peer ID has 52. */
export const BASE58_LENGTH_MAX = 256;

/** Bytes as base58btc text (the Bitcoin alphabet); every leading zero byte becomes a `1`. */
export function encodeBase58(bytes: Uint8Array): string {
  const digits: number[] = [];
  for (const byte of bytes) {
    let carry = byte;
    for (let i = 0; i < digits.length; i++) {
      carry += digits[i] * 256;
      digits[i] = carry % 58;
      carry = Math.floor(carry / 58);
    }
    for (; carry > 0; carry = Math.floor(carry / 58)) digits.push(carry % 58);
  }
  let text = "";
  for (let i = 0; i < bytes.length && bytes[i] === 0; i++) text += "1";
  for (let i = digits.length - 1; i >= 0; i--) text += ALPHABET[digits[i]];
  return text;
}

/**
 * The bytes of base58btc text.
 *
 * @throws {P2pError} `base58_malformed` for a character outside the alphabet or text above {@link BASE58_LENGTH_MAX}.
 */
export function decodeBase58(text: string): Uint8Array {
  if (text.length > BASE58_LENGTH_MAX) {
    throw new P2pError(
      "base58_malformed",
      `Base58 text has ${text.length} characters, the limit is ${BASE58_LENGTH_MAX}`,
    );
  }
  const bytes: number[] = [];
  for (const character of text) {
    let carry = ALPHABET.indexOf(character);
    if (carry < 0) throw new P2pError("base58_malformed", `Base58 text "${text}" holds "${character}"`);
    for (let i = 0; i < bytes.length; i++) {
      carry += bytes[i] * 58;
      bytes[i] = carry & 0xff;
      carry >>= 8;
    }
    for (; carry > 0; carry >>= 8) bytes.push(carry & 0xff);
  }
  for (let i = 0; i < text.length && text[i] === "1"; i++) bytes.push(0);
  return Uint8Array.from(bytes.reverse());
}
