import { type Clock, sleep } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { AdminClient } from "../localnet/admin_client.ts";
import { assertionPayload } from "./assertion_payload.ts";
import type { AcceptedBroadcast } from "./broadcast_ledger.ts";

/** What {@link SteadyBroadcasts} needs. */
export interface SteadyBroadcastsOptions {
  /** Broadcasts a second. */
  ratePerSecond: number;
  /** Bytes of each payload. */
  payloadBytes: number;
  /** Who may be asked now; a random one is. */
  senders: () => readonly AdminClient[];
  /** Time. */
  clock: Clock;
  /** Who is asked, and what is sent. */
  random: Random;
}

/** A broadcast that was not accepted. */
export interface RefusedBroadcast {
  /** Who was asked. */
  readonly from: string;
  /** When, milliseconds. */
  readonly askedMs: number;
  /** What came instead of an answer. */
  readonly why: string;
}

/** Requests under way at once; one more waits, which shows in {@link SteadyBroadcasts.lateMs}. */
const UNDER_WAY_MAX = 64;

/** Keeps random nodes broadcasting, one every so many milliseconds whether or not the last one was answered. */
export class SteadyBroadcasts {
  /** Those that were answered for, in the order of the answers. */
  readonly accepted: AcceptedBroadcast[] = [];
  /** Those that were not. */
  readonly refused: RefusedBroadcast[] = [];
  /** How many were asked for. */
  asked = 0;
  /** The most that one was asked for later than it should have been, milliseconds. */
  lateMs = 0;
  readonly #options: SteadyBroadcastsOptions;
  readonly #underWay = new Set<Promise<void>>();

  /** Sends nothing yet. */
  constructor(options: SteadyBroadcastsOptions) {
    this.#options = options;
  }

  /** Asks for `count` broadcasts, or until the signal aborts; resolves when every answer is there or its time is up. */
  async run(count: number, signal: AbortSignal): Promise<void> {
    const { ratePerSecond, clock } = this.#options;
    const startMs = clock.now();
    for (let i = 0; i < count && !signal.aborted; i++) {
      const dueMs = startMs + i * 1_000 / ratePerSecond;
      // An end while waiting is looked at by the loop.
      if (clock.now() < dueMs) await sleep(clock, dueMs - clock.now(), signal).catch(asError);
      while (this.#underWay.size >= UNDER_WAY_MAX) await Promise.race(this.#underWay);
      if (signal.aborted) break;
      this.lateMs = Math.max(this.lateMs, clock.now() - dueMs);
      this.#ask();
    }
    await Promise.all(this.#underWay);
  }

  #ask(): void {
    const { senders, random } = this.#options;
    const all = senders();
    this.asked++;
    if (all.length === 0) {
      this.refused.push({ from: "", askedMs: this.#options.clock.now(), why: "nobody is there to be asked" });
      return;
    }
    const sending: Promise<void> = this.#send(all[Math.floor(random.next() * all.length)])
      .finally(() => this.#underWay.delete(sending));
    this.#underWay.add(sending);
  }

  async #send(client: AdminClient): Promise<void> {
    const { clock, random, payloadBytes } = this.#options;
    const from = client.node.name;
    const askedMs = clock.now();
    try {
      const { nonce } = await client.broadcast(assertionPayload(random, payloadBytes));
      this.accepted.push({ nonce, from, askedMs, acceptedMs: clock.now() });
    } catch (caught) {
      this.refused.push({ from, askedMs, why: asError(caught).message });
    }
  }
}
