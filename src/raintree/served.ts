import { dropOldest } from "../base/drop_oldest.ts";
import type { Address } from "../identity/address.ts";

/** Options of {@link Served}. */
export interface ServedOptions {
  /** Peers remembered; the one that was offered something the longest ago goes first, and may want nothing any more. @default {4096} */
  peersMax?: number;
  /** Single broadcasts remembered for one peer; the oldest go first. @default {8192} */
  entriesMax?: number;
}

const RUNS_MAX = 64;
/** How often one peer may have one broadcast. The second is for one that was lost on its way; of the third on, everybody would pay for who always wants more. */
const TAKES_MAX = 2;

/** What one peer was offered. */
class Account {
  /** Numbers offered in a row, first (included) and last (excluded) in turns, ascending unless offered again. */
  readonly runs: number[] = [];
  /** Numbers offered one by one and not wanted since. */
  readonly open = new Set<number>();
  /** Numbers wanted, and how often; not to be had again unless offered again one by one. */
  readonly taken = new Map<number, number>();
}

/**
 * What this node offered to whom, so that nobody is sent what it was not offered, nor twice for one offer. Broadcasts go by their number
 * among the recent ones: what is offered to a ring neighbour in one interval after the other is one long run, and takes no memory.
 */
export class Served {
  readonly #peersMax: number;
  readonly #entriesMax: number;
  readonly #accounts = new Map<Address, Account>();

  /** Nobody was offered anything. */
  constructor(options: ServedOptions = {}) {
    const { peersMax = 4096, entriesMax = 8192 } = options;
    this.#peersMax = peersMax;
    this.#entriesMax = entriesMax;
  }

  /** How many peers are remembered. */
  get peers(): number {
    return this.#accounts.size;
  }

  /** How many runs and single broadcasts are remembered, of all peers. */
  get entries(): number {
    let entries = 0;
    for (const { runs, open, taken } of this.#accounts.values()) entries += runs.length / 2 + open.size + taken.size;
    return entries;
  }

  /** Offered all from number `from` up to, not including, `until`. What was taken before does not come back by this. */
  offeredRun(peer: Address, from: number, until: number): void {
    const { runs } = this.#account(peer);
    const last = runs.length - 1;
    if (last > 0 && runs[last] >= from && runs[last - 1] <= from) {
      runs[last] = Math.max(runs[last], until);
      return;
    }
    runs.push(from, until);
    if (runs.length > 2 * RUNS_MAX) runs.splice(0, 2);
  }

  /** To be offered one, perhaps again: it may be taken once more. Returns whether it had it often enough: then it is not to be offered. */
  offered(peer: Address, sequence: number): boolean {
    const { open, taken } = this.#account(peer);
    if ((taken.get(sequence) ?? 0) >= TAKES_MAX) return true;
    open.delete(sequence);
    open.add(sequence);
    this.#bound(open);
    return false;
  }

  /** Whether the peer may have this one now; from now on it had it. */
  take(peer: Address, sequence: number): boolean {
    const account = this.#accounts.get(peer);
    if (account === undefined) return false;
    const { runs, open, taken } = account;
    if (!open.delete(sequence)) {
      if (taken.has(sequence)) return false;
      let at = 0;
      while (at < runs.length && (runs[at] > sequence || runs[at + 1] <= sequence)) at += 2;
      if (at === runs.length) return false;
    }
    taken.set(sequence, (taken.get(sequence) ?? 0) + 1);
    this.#bound(taken);
    return true;
  }

  /** Whether the peer had this one. */
  taken(peer: Address, sequence: number): boolean {
    return this.#accounts.get(peer)?.taken.has(sequence) ?? false;
  }

  /** Forgets what is older than number `oldest`: it cannot be served any more. */
  forgetBelow(oldest: number): void {
    for (const [peer, { runs, open, taken }] of this.#accounts) {
      while (runs.length > 0 && runs[1] <= oldest) runs.splice(0, 2);
      // In order of time and so nearly of number; a stray one goes a little later.
      for (const numbers of [open, taken]) {
        for (const sequence of numbers.keys()) {
          if (sequence >= oldest) break;
          numbers.delete(sequence);
        }
      }
      if (runs.length + open.size + taken.size === 0) this.#accounts.delete(peer);
    }
  }

  #account(peer: Address): Account {
    let account = this.#accounts.get(peer);
    if (account === undefined) {
      account = new Account();
      if (this.#accounts.size === this.#peersMax) dropOldest(this.#accounts);
    } else {
      this.#accounts.delete(peer);
    }
    this.#accounts.set(peer, account);
    return account;
  }

  #bound(numbers: Set<number> | Map<number, number>): void {
    if (numbers.size > this.#entriesMax) dropOldest(numbers);
  }
}
