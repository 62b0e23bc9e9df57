import type { Cancel } from "../base/clock.ts";
import { drawRetransmission, retransmitMs } from "./link_profile.ts";
import type { SimHost } from "./sim_host.ts";
import type { SimNetwork } from "./sim_network.ts";
import { TraceKind } from "./sim_trace.ts";

/** Bytes under way on one direction of a connection; a sender waits when they are used up. */
const WINDOW_BYTES = 1 << 20;

/** What a {@link SimPipe} ends in. */
export interface PipeEnds {
  /** Bytes arrive at the receiver. */
  arrived(bytes: Uint8Array): void;
  /** The receiver is told that nothing more comes. */
  finished(): void;
  /** The sender is told that nobody is there. */
  refused(): void;
  /** The sender may have room for more. */
  room(): void;
}

/** Bytes, or the end, and when they arrive if nothing holds them up. */
interface Parcel {
  readonly bytes: Uint8Array | undefined;
  readonly atMs: number;
}

/**
 * One direction of a simulated connection: a stream of bytes, so all arrives, in order, and loss is lateness. Across a partition bytes wait and
 * are tried again at intervals that double, as TCP does. One timer however much is under way; that is bounded by the window.
 */
export class SimPipe {
  readonly #network: SimNetwork;
  readonly #from: SimHost;
  readonly #to: SimHost;
  readonly #ends: PipeEnds;
  readonly #queue: Parcel[] = [];
  #inFlight = 0;
  #lineFreeAtMs = 0;
  #lastAtMs = 0;
  #retryMs = 0;
  #cancel: Cancel | undefined;
  #abandoned = false;

  /** Nothing under way. */
  constructor(network: SimNetwork, from: SimHost, to: SimHost, ends: PipeEnds) {
    this.#network = network;
    this.#from = from;
    this.#to = to;
    this.#ends = ends;
  }

  /** Whether the window has room. */
  get open(): boolean {
    return this.#inFlight < WINDOW_BYTES;
  }

  /** Milliseconds until the line has sent what was given to it. */
  get busyMs(): number {
    return Math.max(0, this.#lineFreeAtMs - this.#network.clock.now());
  }

  /** Sends bytes, which belong to the receiver from now on. */
  send(bytes: Uint8Array): void {
    this.#inFlight += bytes.length;
    this.#push(bytes);
  }

  /** The end follows what was sent. */
  finish(): void {
    this.#push(undefined);
  }

  /** The receiver is gone: nothing more arrives. */
  abandon(): void {
    this.#abandoned = true;
    this.#queue.length = 0;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #push(bytes: Uint8Array | undefined): void {
    if (this.#abandoned) return;
    const { clock, random } = this.#network;
    const profile = this.#network.profile(this.#from, this.#to);
    const length = bytes?.length ?? 0;
    const now = clock.now();
    this.#lineFreeAtMs = Math.max(now, this.#lineFreeAtMs) + length * 1000 / profile.bytesPerSecond;
    const lateMs = drawRetransmission(profile, length, random);
    if (lateMs > 0) this.#network.stats.retransmissions++;
    const atMs = this.#lineFreeAtMs + this.#network.latency(this.#from, this.#to) + lateMs;
    this.#lastAtMs = Math.max(this.#lastAtMs, atMs);
    this.#queue.push({ bytes, atMs: this.#lastAtMs });
    if (this.#queue.length === 1) this.#cancel = clock.after(this.#lastAtMs - now, this.#due);
  }

  /** What stands first is due, and perhaps more. */
  readonly #due = (): void => {
    const { clock } = this.#network;
    this.#cancel = undefined;
    if (this.#network.separated(this.#from, this.#to)) {
      const profile = this.#network.profile(this.#from, this.#to);
      this.#retryMs = this.#retryMs === 0 ? retransmitMs(profile) : 2 * this.#retryMs;
      this.#cancel = clock.after(this.#retryMs, this.#due);
      return;
    }
    this.#retryMs = 0;
    do this.#deliver(this.#queue.shift()!); while (this.#queue.length > 0 && this.#queue[0].atMs <= clock.now());
    if (this.#queue.length > 0) this.#cancel = clock.after(this.#queue[0].atMs - clock.now(), this.#due);
  };

  #deliver({ bytes }: Parcel): void {
    const to = this.#to;
    if (to.crashed !== undefined) {
      // Nobody answers for a machine that is off; one that is up again says that it knows no such connection.
      if (this.#network.revived(to)) this.#ends.refused();
      return;
    }
    if (to.running) this.#hand(bytes);
    else to.run(() => this.#hand(bytes));
  }

  #hand(bytes: Uint8Array | undefined): void {
    if (this.#abandoned) return;
    const { trace, stats, clock } = this.#network;
    if (bytes === undefined) {
      trace.add(TraceKind.end, clock.now(), this.#from.number, this.#to.number);
      return this.#ends.finished();
    }
    trace.add(TraceKind.bytes, clock.now(), this.#from.number, this.#to.number, bytes);
    stats.chunks++;
    stats.bytes += bytes.length;
    const wasFull = !this.open;
    this.#inFlight -= bytes.length;
    this.#ends.arrived(bytes);
    if (wasFull && this.open) this.#ends.room();
  }
}
