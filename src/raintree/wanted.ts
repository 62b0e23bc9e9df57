import type { Cancel, Clock } from "../base/clock.ts";
import { dropOldest } from "../base/drop_oldest.ts";
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
  /** Least time that the tree has, after the first offer, before anybody is asked; grows where the tree turns out to be slower. @default {100} */
  graceMs?: number;
  /** Least time that whoever is asked has; grows with the measured time that answers take, to the fourfold. @default {175} */
  timeoutMs?: number;
}

/** Broadcasts that may be lacking at once; more are ignored. */
const ENTRIES_MAX = 8192;
/** Of the room left in the table, the part that those brought up by one peer may fill; halved with each strike. So there is always room for another peer. */
const SHARE = 0.5;
/** Who else is remembered for a broadcast; of more, those that kept silent the least. */
const OFFERERS_MAX = 8;
/** Who is asked at once for one broadcast, after silences. */
const WIDTH_MAX = 4;
/** Broadcasts that one peer is asked for at once; the others wait, or go to somebody else. */
const IN_FLIGHT_MAX = 128;
/** Broadcasts that one peer was asked for and that came from elsewhere or not yet: a copy of another forgives it nothing. */
const OVERDUE_MAX = 16 * IN_FLIGHT_MAX;
const PEERS_MAX = 4096;
const STRIKES_REPORTED = 5;
/** What nobody has sent by then is given up. */
const LIFE_MS = 20_000;
/** What nobody is left to be asked for is given up by then. */
const IDLE_MS = 1000;
/** Pause after the first strike; doubled with each, up to the fifth. */
const PAUSE_MS = 100;
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
  /** Who is asked now. */
  asked: Address[];
  askedMs: number;
  /** How many times all that were asked kept silent. */
  silences: number;
  everAsked: boolean;
}

class Offerer {
  /** Broadcasts it brought up that still lack. */
  listed = 0;
  /** Broadcasts it is asked for now. */
  inFlight = 0;
  /** Times in a row that it did not send what it was asked for; many at once count as one. */
  strikes = 0;
  /** How many of these are reported next: twice as many each time, as where far too much is on its way honest peers fail too, and must not ban each other. */
  reportedAt = STRIKES_REPORTED;
  /** Not asked before this. */
  pausedUntilMs = -Infinity;
  progressMs = -Infinity;
  /** What it was asked for and has not sent, the latest. */
  readonly overdue = new Set<bigint>();
}

/**
 * What this node lacks and others offer. It gives the tree time first, then asks one peer, one that never failed it before others, and where
 * nothing comes the next two, then four. Whoever brings up what does not exist is asked for it once per offer: it costs no more than it pays.
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
    const { graceMs = 100, timeoutMs = 175 } = options;
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
      const room = ENTRIES_MAX - this.#lacks.size;
      if (room === 0 || offerer.listed > (SHARE * room) / 2 ** offerer.strikes) return;
      this.#cancel ??= this.#scanLater();
      const heardMs = this.#nowMs;
      lack = {
        nonce,
        first: from,
        heardMs,
        dueMs: heardMs + this.#graceMs,
        offerers: [],
        asked: [],
        askedMs: 0,
        silences: 0,
        everAsked: false,
      };
      this.#lacks.set(nonce ^ this.#mask, lack);
      offerer.listed++;
    }
    const { asked, offerers } = lack;
    if (!asked.includes(from) && !offerers.includes(from)) this.#enlist(offerers, from);
    if (urgent) lack.dueMs = this.#nowMs;
    if (lack.dueMs <= this.#nowMs) this.#ask(lack);
  }

  /** The broadcast came, by the tree or because somebody was asked; from whom, where that is known. Returns whether anybody had been asked. */
  arrived(nonce: bigint, byTree: boolean, from?: Address): boolean {
    const lack = this.#lacks.get(nonce ^ this.#mask);
    if (lack === undefined) {
      if (!byTree && from !== undefined) this.late(from, nonce);
      return false;
    }
    // Their answers may be on their way.
    for (const peer of lack.asked) if (peer !== from) this.#owes(peer, nonce);
    if (byTree) {
      // Whoever asked too early got the payload twice: wait longer from now on, and a little less each time it was not needed.
      const { graceMs } = this.#options;
      const neededMs = 1.25 * (this.#nowMs - lack.heardMs);
      this.#graceMs = Math.min(GRACE_GROWTH * graceMs, Math.max(graceMs, neededMs, 0.95 * this.#graceMs));
    } else {
      if (lack.asked.length === 1 && lack.silences === 0) this.#measure(this.#nowMs - lack.askedMs);
      if (from !== undefined && lack.asked.includes(from)) this.#sent(from);
      else if (from !== undefined) this.late(from, nonce);
    }
    this.#remove(lack);
    return lack.everAsked;
  }

  /** A peer sent a copy of what is here. If it had been asked for it, it is slow, or too much is on its way, but it does not only talk. */
  late(from: Address, nonce: bigint): void {
    if (this.#offerers.get(from)?.overdue.delete(nonce ^ this.#mask)) this.#sent(from);
  }

  /** Lacks nothing any more and asks nobody. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#lacks.clear();
    this.#offerers.clear();
  }

  /** Where there is no room, in place of whoever kept silent the most, if more often than it: who only talks keeps nobody out. */
  #enlist(offerers: Address[], peer: Address): void {
    if (offerers.length < OFFERERS_MAX) return void offerers.push(peer);
    let worst = 0;
    for (let i = 1; i < offerers.length; i++) {
      if (this.#strikes(offerers[i]) > this.#strikes(offerers[worst])) worst = i;
    }
    if (this.#strikes(peer) < this.#strikes(offerers[worst])) offerers[worst] = peer;
  }

  #strikes(peer: Address): number {
    return this.#offerers.get(peer)?.strikes ?? 0;
  }

  /** Asks as many at once as is due: one, two after a silence, then four. */
  #ask(lack: Lack): void {
    const width = Math.min(WIDTH_MAX, 2 ** lack.silences);
    while (lack.asked.length < width) {
      const at = this.#best(lack.offerers);
      if (at < 0) return;
      const to = lack.offerers.splice(at, 1)[0];
      this.#offerer(to).inFlight++;
      if (lack.asked.push(to) === 1) lack.askedMs = this.#nowMs;
      lack.everAsked = true;
      this.#options.sink.want(to, lack.nonce);
    }
  }

  /** Where the one stands that kept silent the least, of those that can be asked now; -1 if there is none. */
  #best(peers: readonly Address[]): number {
    let best = -1;
    let bestStrikes = Infinity;
    for (let i = 0; i < peers.length; i++) {
      if (this.#options.isDead(peers[i])) continue;
      const { strikes, inFlight, pausedUntilMs } = this.#offerer(peers[i]);
      if (inFlight >= IN_FLIGHT_MAX || strikes >= bestStrikes || pausedUntilMs > this.#nowMs) continue;
      best = i;
      bestStrikes = strikes;
    }
    return best;
  }

  #owes(peer: Address, nonce: bigint): void {
    const { overdue } = this.#offerer(peer);
    overdue.add(nonce ^ this.#mask);
    if (overdue.size > OVERDUE_MAX) dropOldest(overdue);
  }

  #sent(peer: Address): void {
    const offerer = this.#offerer(peer);
    offerer.strikes = 0;
    offerer.pausedUntilMs = -Infinity;
    offerer.progressMs = this.#nowMs;
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
      if (lack.asked.length > 0) {
        if (lack.asked.some((peer) => this.#inTime(peer, lack.askedMs, waitMs))) continue;
        for (const peer of lack.asked) {
          this.#offerer(peer).inFlight--;
          this.#owes(peer, lack.nonce);
          if (!this.#options.isDead(peer)) late.add(peer);
        }
        lack.asked = [];
        lack.silences++;
      }
      if (this.#isOver(lack)) this.#remove(lack);
      else if (lack.dueMs <= this.#nowMs) this.#ask(lack);
    }
    for (const peer of late) this.#strike(peer);
    if (this.#lacks.size > 0 && !this.#closed) this.#cancel = this.#scanLater();
  }

  #isOver({ heardMs, askedMs, everAsked, offerers }: Lack): boolean {
    if (this.#nowMs - heardMs > LIFE_MS) return true;
    return everAsked && offerers.length === 0 && this.#nowMs - askedMs > IDLE_MS;
  }

  #inTime(peer: Address, askedMs: number, waitMs: number): boolean {
    if (this.#options.isDead(peer)) return false;
    // A peer with much to send is given time while it sends, but not for ever.
    const sinceMs = Math.max(askedMs, Math.min(this.#offerer(peer).progressMs, askedMs + 3 * waitMs));
    return this.#nowMs - sinceMs < waitMs;
  }

  #strike(peer: Address): void {
    const offerer = this.#offerer(peer);
    offerer.strikes++;
    offerer.pausedUntilMs = this.#nowMs + PAUSE_MS * 2 ** Math.min(offerer.strikes, 5);
    if (offerer.strikes < offerer.reportedAt) return;
    offerer.reportedAt *= 2;
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

  #remove(lack: Lack): void {
    this.#lacks.delete(lack.nonce ^ this.#mask);
    this.#offerer(lack.first).listed--;
    this.#tidy(lack.first);
    for (const peer of lack.asked) {
      this.#offerer(peer).inFlight--;
      this.#tidy(peer);
    }
  }

  /** Remembers nobody of whom there is nothing to remember. */
  #tidy(peer: Address): void {
    const { listed, inFlight, strikes, overdue } = this.#offerer(peer);
    if (listed <= 0 && inFlight <= 0 && strikes === 0 && overdue.size === 0) this.#offerers.delete(peer);
  }

  #offerer(peer: Address): Offerer {
    let offerer = this.#offerers.get(peer);
    if (offerer !== undefined) return offerer;
    offerer = new Offerer();
    if (this.#offerers.size === PEERS_MAX) dropOldest(this.#offerers);
    this.#offerers.set(peer, offerer);
    return offerer;
  }
}
