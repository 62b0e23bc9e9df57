import { P2pError } from "../base/errors.ts";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * The bytes of base32 text (RFC 4648, lower case, no padding), as multibase `b` writes it. Text that does not come from
 * whole bytes is refused, so each byte string has one text.
 *
 * @throws {P2pError} `base32_malformed`
 */
export function decodeBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let at = 0;
  let bits = 0;
  let held = 0;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit < 0) throw new P2pError("base32_malformed", `Base32 text "${text}" holds "${character}"`);
    held = (held << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits;
      held &= (1 << bits) - 1;
    }
  }
  if (bits >= 5 || held !== 0) throw new P2pError("base32_malformed", `Base32 text "${text}" does not end on a byte`);
  return bytes;
}
