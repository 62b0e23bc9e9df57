import type { Address } from "../identity/address.ts";
import type { Socket } from "../socket/socket.ts";

/** Messages that were dropped, by channel, peer and reason. */
export interface Drops {
  /** Channel ID. */
  readonly channel: number;
  /** The peer, or `other` beyond the number of peers that are counted singly. */
  readonly peer: Address | "other";
  /** `full`, `drop_oldest`, `closed`, `not_connected`, `malformed`, `too_large`, ... */
  readonly reason: string;
  /** How many. */
  readonly count: number;
}

/** Rows counted singly; what comes after is summed up under `other`. */
const ROWS_MAX = 10_000;

/** Counts drops, in bounded memory. */
export class DropCounter {
  readonly #rows = new Map<string, { channel: number; peer: Address | "other"; reason: string; count: number }>();

  /** Adds `count` drops. */
  add(channel: number, peer: Address, reason: string, count = 1): void {
    if (count === 0) return;
    const single = `${channel} ${peer} ${reason}`;
    const whole = this.#rows.size < ROWS_MAX || this.#rows.has(single);
    const key = whole ? single : `${channel} other ${reason}`;
    const row = this.#rows.get(key);
    if (row === undefined) this.#rows.set(key, { channel, peer: whole ? peer : "other", reason, count });
    else row.count += count;
  }

  /** Adds what the queues of a socket have dropped so far. */
  addLanes(socket: Socket): void {
    for (const { options: { id }, droppedOldest, droppedClosed } of socket.sendLanes) {
      if (droppedOldest + droppedClosed === 0) continue; // the socket may not know its peer yet
      this.add(id, socket.address, "drop_oldest", droppedOldest);
      this.add(id, socket.address, "closed", droppedClosed);
    }
  }

  /** Every row so far. */
  rows(): Drops[] {
    return [...this.#rows.values()];
  }
}
