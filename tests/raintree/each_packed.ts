import { NONCE_BYTES, viewPacked } from "../../src/raintree/packed_nonces.ts";

/** Calls `see` with each nonce of a packed row: its upper and its lower 32 bits, and where it stands. */
export function eachPacked(nonces: Uint8Array, see: (high: number, low: number, at: number) => void): void {
  const view = viewPacked(nonces);
  for (let at = 0; at < nonces.length; at += NONCE_BYTES) see(view.getUint32(at), view.getUint32(at + 4), at);
}
