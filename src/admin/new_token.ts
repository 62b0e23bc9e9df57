import type { Random } from "../base/random.ts";

/** A bearer token for admin APIs, out of 16 random bytes. */
export function newToken(random: Random): string {
  return random.fill(new Uint8Array(16)).toHex();
}
