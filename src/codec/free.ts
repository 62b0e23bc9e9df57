/** Buffers below this are cheaper left to the garbage collector. */
const FREED_BYTES_MIN = 16 * 1024;

/**
 * Gives the memory of a large buffer back at once: at hundreds of megabytes a second the collector would otherwise run all the time, on the
 * processors that the traffic needs. Does nothing unless `bytes` is the whole of its buffer. Nobody may look at it again.
 */
export function free({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= FREED_BYTES_MIN && byteLength === buffer.byteLength) (buffer as ArrayBuffer).transfer(0);
}
