import type { Cancel, Clock } from "../base/clock.ts";
import { ProtocolError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Address } from "../identity/address.ts";
import type { ControlSink } from "./control_outbox.ts";

/** Options of {@link Wanted}. Every duration is in milliseconds. */
export interface WantedOptions {
  /** Time. */
  clock: Clock;
  /** Keys the table, so that nobody can choose nonces that collide. */
  random: Random;
  /** Takes the questions. */
  sink: Pick<ControlSink, "want">;
  /** Whether a peer is known to be dead: it is not asked. */
  isDead(peer: Address): boolean;
  /** A peer offered several times what it then did not send. */
  onMisbehaviour(from: Address, error: Error): void;
  /** Least time that the tree has, after the first offer, before anybody is asked; grows where the tree turns out to be slower. @default {200} */
  graceMs?: number;
  /** Least time that whoever is asked has; grows with the measured time that answers take, to the fourfold. @default {200} */
  timeoutMs?: number;
}

/** Broadcasts that may be lacking at once; of more, the one lacking longest is given up. */
const ENTRIES_MAX = 8192;
/** Of those, how many one peer may have brought up; halved with each strike. More of it are ignored. */
const QUOTA = 2048;
/** Who else is remembered for a broadcast; more are ignored. */
const OFFERERS_MAX = 6;
/** Broadcasts that one peer is asked for at once; the others wait, or go to somebody else. */
const IN_FLIGHT_MAX = 128;
const PEERS_MAX = 4096;
const STRIKES_REPORTED = 8;
/** What nobody has sent by then will not come. */
const LIFE_MS = 20_000;
const GRACE_GROWTH = 4;
const TIMEOUT_GROWTH = 4;
const SCAN_MS = 25;

interface Lack {
  readonly nonce: bigint;
  /** Who brought it up. */
  readonly first: Address;
  readonly heardMs: number;
  /** Not asked before this. */
  dueMs: number;
  /** Who has it, by own account, and can be asked next. */
  readonly offerers: Address[];
  asked: Address | undefined;
  askedMs: number;
  asks: number;
}

class Offerer {
  /** Broadcasts it brought up that still lack. */
  listed = 0;
  /** Broadcasts it is asked for now. */
  inFlight = 0;
  /** Times in a row that it did not send what it was asked for; many at once count as one. */
  strikes = 0;
  progressMs = -Infinity;
}

/**
 * What this node lacks and others offer. It gives the tree time first, then asks one peer at a time, those first that never failed it, and the
 * next where nothing comes. Whoever brings up what does not exist is asked for it once per offer: it costs no more than it pays.
 *
 * Time is counted in scans: while this process itself is held up, nobody else becomes late.
 */
export class Wanted {
  readonly #options: Required<WantedOptions>;
  readonly #mask: bigint;
  readonly #lacks = new Map<bigint, Lack>();
  readonly #offerers = new Map<Address, Offerer>();
  #graceMs: number;
  /** How long answers take: mean and mean deviation, as in RFC 6298; 0 until the first. */
  #answerMs = 0;
  #deviationMs = 0;
  #nowMs = 0;
  #scannedMs = 0;
  #cancel: Cancel | undefined;
  #closed = false;

  /** Lacks nothing. */
  constructor(options: WantedOptions) {
    const { graceMs = 200, timeoutMs = 200 } = options;
    this.#options = { ...options, graceMs, timeoutMs };
    this.#graceMs = graceMs;
    this.#mask = new DataView(options.random.fill(new Uint8Array(8)).buffer).getBigUint64(0);
  }

  /** How many broadcasts are lacking. */
  get size(): number {
    return this.#lacks.size;
  }

  /** How many peers are remembered. */
  get offerers(): number {
    return this.#offerers.size;
  }

  /** A peer has a broadcast that this node lacks. `urgent`: the tree is over and done with, ask at once. */
  heard(from: Address, nonce: bigint, urgent = false): void {
    if (this.#closed) return;
    let lack = this.#lacks.get(nonce ^ this.#mask);
    if (lack === undefined) {
      const offerer = this.#offerer(from);
      if (offerer.listed >= QUOTA >> Math.min(offerer.strikes, 10)) return;
      if (this.#lacks.size === ENTRIES_MAX) this.#giveUpOldest();
      this.#cancel ??= this.#scanLater();
      const heardMs = this.#nowMs;
      lack = {
        nonce,
        first: from,
        heardMs,
        dueMs: heardMs + this.#graceMs,
        offerers: [],
        asked: undefined,
        askedMs: 0,
        asks: 0,
      };
      this.#lacks.set(nonce ^ this.#mask, lack);
      offerer.listed++;
    }
    if (lack.asked !== from && lack.offerers.length < OFFERERS_MAX && !lack.offerers.includes(from)) {
      lack.offerers.push(from);
    }
    if (urgent) lack.dueMs = this.#nowMs;
    if (lack.asked === undefined && lack.dueMs <= this.#nowMs) this.#ask(lack);
  }

  /** The broadcast came, by the tree or because somebody was asked. Returns whether anybody had been. */
  arrived(nonce: bigint, byTree: boolean): boolean {
    const lack = this.#lacks.get(nonce ^ this.#mask);
    if (lack === undefined) return false;
    const { asked, asks } = lack;
    if (byTree) {
      // Whoever asked too early got the payload twice: wait longer from now on, and a little less each time it was not needed.
      const { graceMs } = this.#options;
      const neededMs = 1.25 * (this.#nowMs - lack.heardMs);
      this.#graceMs = Math.min(GRACE_GROWTH * graceMs, Math.max(graceMs, neededMs, 0.95 * this.#graceMs));
    } else if (asked !== undefined) {
      const offerer = this.#offerer(asked);
      offerer.strikes = 0;
      offerer.progressMs = this.#nowMs;
      if (asks === 1) this.#measure(this.#nowMs - lack.askedMs);
    }
    this.#remove(lack);
    return asks > 0;
  }

  /** Lacks nothing any more and asks nobody. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#lacks.clear();
    this.#offerers.clear();
  }

  #ask(lack: Lack): void {
    const { offerers } = lack;
    let best = -1;
    let bestStrikes = Infinity;
    for (let i = 0; i < offerers.length; i++) {
      if (this.#options.isDead(offerers[i])) continue;
      const { strikes, inFlight } = this.#offerer(offerers[i]);
      if (inFlight >= IN_FLIGHT_MAX || strikes >= bestStrikes) continue;
      best = i;
      bestStrikes = strikes;
    }
    if (best < 0) return;
    const to = offerers.splice(best, 1)[0];
    this.#offerer(to).inFlight++;
    lack.asked = to;
    lack.askedMs = this.#nowMs;
    lack.asks++;
    this.#options.sink.want(to, lack.nonce);
  }

  #scanLater(): Cancel {
    this.#scannedMs = this.#options.clock.now();
    return this.#options.clock.after(SCAN_MS, () => this.#scan());
  }

  #scan(): void {
    this.#cancel = undefined;
    this.#nowMs += Math.min(2 * SCAN_MS, this.#options.clock.now() - this.#scannedMs);
    const { timeoutMs } = this.#options;
    const measuredMs = this.#answerMs + 4 * this.#deviationMs;
    const waitMs = Math.min(TIMEOUT_GROWTH * timeoutMs, Math.max(timeoutMs, measuredMs));
    const late = new Set<Address>();
    for (const lack of this.#lacks.values()) {
      const { asked, askedMs } = lack;
      if (asked !== undefined) {
        const dead = this.#options.isDead(asked);
        // A peer with much to send is given time while it sends, but not for ever.
        const sinceMs = Math.max(askedMs, Math.min(this.#offerer(asked).progressMs, askedMs + 3 * waitMs));
        if (!dead && this.#nowMs - sinceMs < waitMs) continue;
        if (!dead) late.add(asked);
        this.#offerer(asked).inFlight--;
        lack.asked = undefined;
      }
      if (this.#nowMs - lack.heardMs > LIFE_MS) this.#remove(lack);
      else if (lack.dueMs <= this.#nowMs) this.#ask(lack);
    }
    for (const peer of late) this.#strike(peer);
    if (this.#lacks.size > 0 && !this.#closed) this.#cancel = this.#scanLater();
  }

  #strike(peer: Address): void {
    const offerer = this.#offerer(peer);
    offerer.strikes++;
    if (offerer.strikes % STRIKES_REPORTED !== 0) return;
    const message =
      `Peer ${peer} offered broadcasts ${offerer.strikes} times in a row and did not send them when asked`;
    this.#options.onMisbehaviour(peer, new ProtocolError("repair_not_sent", message));
  }

  #measure(ms: number): void {
    if (this.#answerMs === 0) {
      this.#answerMs = ms;
      this.#deviationMs = ms / 4;
      return;
    }
    this.#deviationMs += (Math.abs(ms - this.#answerMs) - this.#deviationMs) / 4;
    this.#answerMs += (ms - this.#answerMs) / 8;
  }

  #giveUpOldest(): void {
    for (const lack of this.#lacks.values()) return this.#remove(lack);
  }

  #remove(lack: Lack): void {
    this.#lacks.delete(lack.nonce ^ this.#mask);
    this.#offerer(lack.first).listed--;
    this.#tidy(lack.first);
    if (lack.asked === undefined) return;
    this.#offerer(lack.asked).inFlight--;
    this.#tidy(lack.asked);
  }

  /** Remembers nobody of whom there is nothing to remember. */
  #tidy(peer: Address): void {
    const { listed, inFlight, strikes } = this.#offerer(peer);
    if (listed <= 0 && inFlight <= 0 && strikes === 0) this.#offerers.delete(peer);
  }

  #offerer(peer: Address): Offerer {
    let offerer = this.#offerers.get(peer);
    if (offerer !== undefined) return offerer;
    offerer = new Offerer();
    if (this.#offerers.size === PEERS_MAX) {
      for (const first of this.#offerers.keys()) {
        this.#offerers.delete(first);
        break;
      }
    }
    this.#offerers.set(peer, offerer);
    return offerer;
  }
}
