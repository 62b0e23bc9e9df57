/** Buffers up to this length may be held by a part of them, however small. */
const HELD_BYTES = 1024;

/**
 * `bytes`, or a copy of them where they are a small part of a large buffer: what is kept must not hold on to far more memory than it is long, or a
 * remote that packs each small piece into a large record of its own fills the memory at 64 times what was granted.
 */
export function compact(bytes: Uint8Array): Uint8Array {
  const held = bytes.buffer.byteLength;
  return held > HELD_BYTES && bytes.length * 2 < held ? bytes.slice() : bytes;
}
