/** Bytes of a nonce where many stand in a row: 8 each, big-endian, as on the wire. Thousands a second are told and looked up so, without a bigint for each. */
export const NONCE_BYTES = 8;

/** Nonces in a row, packed. */
export function packNonces(nonces: readonly bigint[]): Uint8Array {
  const packed = new Uint8Array(NONCE_BYTES * nonces.length);
  const view = new DataView(packed.buffer);
  nonces.forEach((nonce, i) => view.setBigUint64(NONCE_BYTES * i, nonce));
  return packed;
}

/** Nonces in a row, to be read one by one. */
export function viewPacked(nonces: Uint8Array): DataView {
  return new DataView(nonces.buffer, nonces.byteOffset, nonces.length);
}

/** One nonce of a packed row, by where it stands. */
export function unpackNonce(nonces: Uint8Array, at: number): bigint {
  return viewPacked(nonces).getBigUint64(at);
}
