import type { Address } from "../identity/address.ts";

/** Places of an account that nothing was handed over to yet, a power of two; and most that one keeps that owes nothing. */
const PLACES_FIRST = 16;
const PLACES_KEPT = 1024;

/**
 * What one peer owes of what it was handed, and how long its acknowledgements take. Message `seq` stands at place `seq % places`, so that numbers may go
 * round and a hand-over costs no memory of its own.
 */
export class AckAccount<T extends object> {
  /** Number of the next message. */
  next: number;
  /** Number of the oldest that is not settled; `next` if there is none. Later ones that are settled leave gaps. */
  oldest: number;
  /** One behind the latest that was acknowledged. */
  acked: number;
  /** One less than there are places. */
  mask = PLACES_FIRST - 1;
  /** What was handed over, by place. */
  handovers = new Array<T | undefined>(PLACES_FIRST).fill(undefined);
  /** When they were handed over, on the ledger's own clock; -1 where that is not known. */
  times = new Float64Array(PLACES_FIRST).fill(-1);
  /** How many are owed. */
  open = 0;
  /** Whether the next sweep looks at it. */
  listed = false;
  /** When the peer last acknowledged something, on the ledger's own clock. */
  progressMs = 0;
  /** The same by the clock. */
  heardMs = -Infinity;
  /** Mean round trip, milliseconds; 0 where none was measured. */
  roundTripMs = 0;
  /** Its mean deviation. */
  deviationMs = 0;
  /** What was handed over before waited for the connection, and says nothing of the way. */
  connectedMs = 0;
  /** By what its acknowledgements are given longer. */
  backoff = 1;
  /** When that was last doubled. */
  backedOffMs = 0;

  /** Of this peer, whose first message is to have number `first`. */
  constructor(readonly peer: Address, first: number) {
    this.next = this.oldest = this.acked = first;
  }

  /** Places from the oldest on, gaps included. */
  get span(): number {
    return (this.next - this.oldest) >>> 0;
  }

  /** Twice the places. */
  grow(): void {
    const { handovers, times, mask } = this;
    this.#resize(2 * (mask + 1));
    for (let seq = this.oldest; seq !== this.next; seq = (seq + 1) >>> 0) {
      this.handovers[seq & this.mask] = handovers[seq & mask];
      this.times[seq & this.mask] = times[seq & mask];
    }
  }

  /** Nothing is owed any more: a peak leaves no memory behind. */
  rest(): void {
    this.listed = false;
    if (this.mask >= PLACES_KEPT) this.#resize(PLACES_FIRST);
  }

  /** Leaves the gaps at the oldest end behind. */
  skipGaps(): void {
    const { handovers, mask, next } = this;
    let oldest = this.open === 0 ? next : this.oldest;
    while (oldest !== next && handovers[oldest & mask] === undefined) oldest = (oldest + 1) >>> 0;
    this.oldest = oldest;
  }

  /** Takes what is owed out of the books, oldest first, as long as `over` holds for it. */
  take(over: (seq: number, atMs: number) => boolean): T[] {
    const { handovers, times, mask, next } = this;
    const taken: T[] = [];
    for (let seq = this.oldest; seq !== next; seq = (seq + 1) >>> 0) {
      const handover = handovers[seq & mask];
      if (handover === undefined) continue;
      if (!over(seq, times[seq & mask])) break;
      handovers[seq & mask] = undefined;
      this.open--;
      taken.push(handover);
    }
    this.skipGaps();
    return taken;
  }

  /** The message at a place was acknowledged, perhaps too late: the peer is there, and this is how long it takes. */
  answered(place: number, nowMs: number): void {
    const atMs = this.times[place];
    if (atMs < 0) return;
    this.backoff = 1;
    if (atMs >= this.connectedMs) this.measure(nowMs - atMs);
  }

  /** Takes a round trip into the means. (RFC 6298, section 2) */
  measure(ms: number): void {
    const sample = Math.max(1, ms);
    if (this.roundTripMs === 0) {
      this.roundTripMs = sample;
      this.deviationMs = sample / 8;
    } else {
      this.deviationMs += (Math.abs(sample - this.roundTripMs) - this.deviationMs) / 4;
      this.roundTripMs += (sample - this.roundTripMs) / 8;
    }
  }

  #resize(places: number): void {
    this.mask = places - 1;
    this.handovers = new Array<T | undefined>(places).fill(undefined);
    this.times = new Float64Array(places).fill(-1);
  }
}
