import type { P2pError } from "../../../src/base/errors.ts";
import { ByteWriter } from "../../../src/codec/byte_writer.ts";
import { Yamux, type YamuxLimits } from "../../../src/transport/libp2p/yamux.ts";
import type { YamuxStream, YamuxStreamHandler } from "../../../src/transport/libp2p/yamux_stream.ts";

/** A stream's handler that keeps what happened and sends what it is told to. */
export class Recorder implements YamuxStreamHandler {
  readonly stream: YamuxStream;
  /** Give received bytes back at once. */
  reads: boolean;
  received: number[] = [];
  toSend: number[] = [];
  events: string[] = [];
  reason: P2pError | undefined;

  constructor(stream: YamuxStream, reads = true) {
    this.stream = stream;
    this.reads = reads;
    stream.handler = this;
  }

  send(bytes: ArrayLike<number>): void {
    for (let i = 0; i < bytes.length; i++) this.toSend.push(bytes[i]);
    this.stream.wake();
  }

  data(chunk: Uint8Array): boolean {
    for (const byte of chunk) this.received.push(byte);
    if (this.reads) this.stream.consumed(chunk.length);
    return true;
  }

  take(out: ByteWriter, budget: number): void {
    out.push(Uint8Array.from(this.toSend.splice(0, budget)));
  }

  ended(): void {
    this.events.push("ended");
  }

  finished(): void {
    this.events.push("finished");
  }

  closed(): void {
    this.events.push("closed");
  }

  aborted(reason: P2pError): void {
    this.events.push("aborted");
    this.reason = reason;
  }
}

/** One end of a pair of sessions, with the streams the other end opened. */
export class Side {
  readonly yamux: Yamux;
  readonly accepted: Recorder[] = [];
  failed: P2pError | undefined;
  reads = true;
  awake = false;

  constructor(initiator: boolean, limits?: YamuxLimits) {
    this.yamux = new Yamux(initiator, {
      opened: (stream) => {
        const recorder = new Recorder(stream, this.reads);
        this.accepted.push(recorder);
        return recorder;
      },
      wake: () => this.awake = true,
      failed: (reason) => this.failed = reason,
    }, limits);
  }

  open(reads = true): Recorder {
    return new Recorder(this.yamux.open(), reads);
  }

  /** What it would write in one turn. */
  compose(budget = 1 << 20): Uint8Array {
    const out = new ByteWriter();
    this.yamux.compose(out, budget);
    return out.bytes().slice();
  }
}

/** Moves bytes between two sides until both are silent. */
export function exchange(a: Side, b: Side): void {
  for (;;) {
    const fromA = a.compose();
    b.yamux.receive(fromA);
    const fromB = b.compose();
    a.yamux.receive(fromB);
    if (fromA.length === 0 && fromB.length === 0) return;
  }
}
