import type { OnMessage } from "./side.ts";

/** Bytes of a length prefix, big-endian. */
const PREFIX_BYTES = 4;

/** A message with its length in front, so that it survives a byte stream. */
export function frame(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(PREFIX_BYTES + message.length);
  new DataView(framed.buffer).setUint32(0, message.length);
  framed.set(message, PREFIX_BYTES);
  return framed;
}

/** Takes chunks of a byte stream and hands out the messages in them, without a copy where a message came in one piece. */
export class FrameReader {
  readonly #onMessage: OnMessage;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(onMessage: OnMessage) {
    this.#onMessage = onMessage;
  }

  /** The next bytes of the stream. */
  push(chunk: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? chunk : concat(this.#rest, chunk);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (bytes.length - at >= PREFIX_BYTES) {
      const end = at + PREFIX_BYTES + view.getUint32(at);
      if (end > bytes.length) break;
      this.#onMessage(bytes.subarray(at + PREFIX_BYTES, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
