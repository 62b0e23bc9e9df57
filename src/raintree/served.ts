import { dropOldest } from "../base/drop_oldest.ts";
import type { Address } from "../identity/address.ts";
import type { RecentMessages } from "./recent_messages.ts";

/** Options of {@link Served}. */
export interface ServedOptions {
  /** Peers remembered; the one that was offered something the longest ago goes first, and may want nothing any more. @default {4096} */
  peersMax?: number;
}

const RUNS_MAX = 64;
/** How often one peer may have one broadcast. The second is for one that was lost on its way; of the third on, everybody would pay for who always wants more. */
const TAKES_MAX = 2;

/** Numbers whose state lies together; those of nobody's take none. */
const PAGE = 256;
/** Of the state of a number: how often it was taken; whether it was offered alone, or handed over without the payload, and not taken since. */
const TAKES = 3;
const OPEN = 4;
const HANDED = 8;

/** What one peer was offered. */
class Account {
  /** Numbers offered in a row, first (included) and last (excluded) in turns, ascending unless offered again. */
  readonly runs: number[] = [];
  /** State of each number that was taken, offered alone or handed over, a byte each. */
  readonly pages = new Map<number, Uint8Array>();

  /** The state of a number. */
  at(sequence: number): number {
    return this.pages.get(Math.floor(sequence / PAGE))?.[sequence % PAGE] ?? 0;
  }

  set(sequence: number, state: number): void {
    const index = Math.floor(sequence / PAGE);
    let page = this.pages.get(index);
    if (page === undefined) this.pages.set(index, page = new Uint8Array(PAGE));
    page[sequence % PAGE] = state;
  }

  /** Whether it was offered in a row. */
  inRun(sequence: number): boolean {
    const { runs } = this;
    for (let at = 0; at < runs.length; at += 2) if (runs[at] <= sequence && runs[at + 1] > sequence) return true;
    return false;
  }

  forgetBelow(oldest: number): void {
    while (this.runs.length > 0 && this.runs[1] <= oldest) this.runs.splice(0, 2);
    for (const index of this.pages.keys()) if ((index + 1) * PAGE <= oldest) this.pages.delete(index);
  }
}

/**
 * What this node offered to whom, so that nobody is sent what it was not offered, nor twice for one offer. Broadcasts go by their number
 * among the recent ones: what is offered to a ring neighbour in one interval after the other is one long run, and takes no memory.
 *
 * Of what is still among the recent ones nothing is forgotten, as long as the peer itself is remembered: a byte each at most. So who asks for much
 * cannot have it again, and who asks for what it was offered is never refused.
 */
export class Served {
  readonly #recent: Pick<RecentMessages, "oldest" | "size">;
  readonly #peersMax: number;
  readonly #accounts = new Map<Address, Account>();

  /** Nobody was offered anything of `recent`. */
  constructor(recent: Pick<RecentMessages, "oldest" | "size">, options: ServedOptions = {}) {
    this.#recent = recent;
    this.#peersMax = options.peersMax ?? 4096;
  }

  /** How many peers are remembered. */
  get peers(): number {
    return this.#accounts.size;
  }

  /** How many runs, and pages of 256 single broadcasts, are remembered, of all peers. */
  get entries(): number {
    let entries = 0;
    for (const { runs, pages } of this.#accounts.values()) entries += runs.length / 2 + pages.size;
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
    const account = this.#account(peer);
    const state = account.at(sequence);
    if ((state & TAKES) >= TAKES_MAX) return true;
    this.#set(account, sequence, state | OPEN);
    return false;
  }

  /** Whether the peer may have this one now; from now on it had it. */
  take(peer: Address, sequence: number): boolean {
    const account = this.#accounts.get(peer);
    if (account === undefined) return false;
    const state = account.at(sequence);
    const takes = state & TAKES;
    let used = state & OPEN;
    if (used === 0 && (takes > 0 || !account.inRun(sequence))) {
      used = state & HANDED;
      if (used === 0) return false;
    }
    this.#set(account, sequence, (state & ~used & ~TAKES) | Math.min(takes + 1, TAKES));
    return true;
  }

  /** To be handed its segment without the payload: it may be taken once for that. */
  handed(peer: Address, sequence: number): void {
    const account = this.#account(peer);
    this.#set(account, sequence, account.at(sequence) | HANDED);
  }

  /** It was taken for that. */
  given(peer: Address, sequence: number): void {
    const account = this.#accounts.get(peer);
    if (account !== undefined) this.#set(account, sequence, account.at(sequence) & ~HANDED);
  }

  /** Whether the peer had this one. */
  taken(peer: Address, sequence: number): boolean {
    return ((this.#accounts.get(peer)?.at(sequence) ?? 0) & TAKES) > 0;
  }

  /** Forgets what is not among the recent ones any more: it cannot be served. */
  tidy(): void {
    const { oldest } = this.#recent;
    for (const [peer, account] of this.#accounts) {
      account.forgetBelow(oldest);
      if (account.runs.length + account.pages.size === 0) this.#accounts.delete(peer);
    }
  }

  #set(account: Account, sequence: number, state: number): void {
    account.set(sequence, state);
    // Twice as many as there can be: some are of broadcasts that were forgotten since the last tidying.
    if (account.pages.size > 2 * (2 + this.#recent.size / PAGE)) account.forgetBelow(this.#recent.oldest);
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
}
