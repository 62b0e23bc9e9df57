import type { P2pError } from "../../base/errors.ts";
import type { ByteWriter } from "../../codec/byte_writer.ts";

/** Serves a stream synchronously, without a promise per message: see `Libp2pStream.pipe`. */
export interface StreamPipe {
  /** Bytes arrived in order; they belong to the pipe, their room is given back at once. `false`: nobody looks at them again. A throw resets the stream. */
  data(chunk: Uint8Array): boolean | void;
  /** Nothing more arrives, once: `undefined` when the remote ended its direction, otherwise why the stream is gone. */
  ended(reason: P2pError | undefined): void;
  /**
   * The write routine asks for bytes at the moment of the socket write: append about `budget` of them, or none, which ends
   * the turn until the next `Libp2pStream.wake`. What is appended beyond the send window is kept and sent first later.
   */
  take(out: ByteWriter, budget: number): void;
}

/** Settings of `Libp2pStream.pipe`. */
export interface PipeOptions {
  /** Bytes the remote may send ahead; only ever grows from yamux's initial 262,144. More suits fast links with delay and costs memory. @default {262144} */
  windowBytes?: number;
}
