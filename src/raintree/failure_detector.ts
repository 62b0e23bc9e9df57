import type { Cancel, Clock } from "../base/clock.ts";
import { below, type Random } from "../base/random.ts";
import type { Address } from "../identity/address.ts";

/** What a {@link FailureDetector} holds of a peer. */
export type PeerState = "alive" | "suspect" | "dead";

/** Options of a {@link FailureDetector}. Durations in milliseconds. */
export interface FailureDetectorOptions {
  /** Time. By a `PatientClock`, a node that is held up itself waits longer for everybody. */
  clock: Clock;
  /** For jitter, and to pick witnesses. */
  random: Random;
  /** Asks a peer whether it is there; any message of it is an answer. Dials where there is no connection. */
  probe(to: Address): void;
  /** A peer's state changed. Not called for {@link FailureDetector.forget}, nor for what is forgotten to make room. */
  onChange(peer: Address, state: PeerState): void;
  /** Peers with an open connection now, from which witnesses are drawn. @default {none} */
  connected?: () => Iterable<Address>;
  /** Peers remembered as suspect or dead. When full, the one dead for the longest is forgotten; where none is dead, a new suspicion is not noted. @default {4096} */
  peersMax?: number;
}

/** A peer that is not alive, as far as this node can tell. */
interface Tracked {
  dead: boolean;
  /** How long it has to give a sign of life, for an observer in good health. */
  patienceMs: number;
  /** When it turned suspect; when it was taken for dead. */
  sinceMs: number;
  /** When the next probe is due. */
  probeAtMs: number;
  /** How many messages this node had received, of anybody, when the suspicion began. */
  heardBefore: number;
}

/**
 * How long a suspect has to give a sign of life, for an observer in good health, milliseconds; half of it once its connection is lost. Longer finds the dead
 * later, shorter takes the slow for dead.
 */
const SUSPICION_MS = 1200;

/** Time between two probes of a suspect, a quarter more or less, milliseconds. Shorter stands more loss and costs messages. */
const PROBE_MS = 200;

/** The shortest and the longest time between two probes of a dead peer, milliseconds. */
const DEAD_PROBE_MS_MIN = 500;
const DEAD_PROBE_MS_MAX = 30_000;

/** The most that a node doubts itself: waits grow by a factor of up to one more. */
const HEALTH_MAX = 4;

/** Time in which a doubt wears off by itself, one step at a time, milliseconds. */
const HEALTH_DECAY_MS = 2000;

/** Timers due within this time are served together, milliseconds. */
const TICK_SLACK_MS = 10;

/** A dead peer is probed again when its absence has grown by this share: a short one is seen to end soon, a long one costs little. */
const DEAD_PROBE_SHARE = 1 / 4;

/**
 * Tells which peers are there: alive → suspect (an answer stayed out, or the connection was lost) → dead (no sign of life for 1.2 s or more,
 * though probed all the time) → alive again at any sign.
 *
 * A slow observer doubts itself first, after "Lifeguard: Local Health Awareness for More Accurate Failure Detection" (Dadgar,
 * Phillips, Currey). Its clock slows down while this process is held up, and its {@link health} rises when most of those it talks to turn suspect at
 * once; suspicions then last longer. Where it hears of nobody at all it probes witnesses, and gives everyone the longest
 * time there is: more likely the node itself is cut off. An answered probe, and time, make it trust itself again.
 *
 * Only peers that are not alive are stored, and one timer runs for all of them, and only while there are any.
 */
export class FailureDetector {
  readonly #options: FailureDetectorOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #peersMax: number;
  /** In order of the last change of state, so the first dead one is the one dead for the longest. */
  readonly #tracked = new Map<Address, Tracked>();
  /** Messages received while somebody was tracked. */
  #heard = 0;
  #heardAtTick = 0;
  #health = 0;
  /** When health last changed. */
  #healthAtMs = 0;
  /** Before this time, no more doubt from one and the same wave of suspicions. */
  #calmUntilMs = 0;
  #cancel: Cancel | undefined;
  #timerAtMs = Infinity;
  #closed = false;

  /** Everybody is alive to begin with. */
  constructor(options: FailureDetectorOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#peersMax = options.peersMax ?? 4096;
  }

  /** How many peers are suspect or dead. */
  get size(): number {
    return this.#tracked.size;
  }

  /** How much this node doubts itself: 0 is not at all, 4 the most. */
  get health(): number {
    this.#recover();
    return this.#health;
  }

  /** The factor by which other waits for an answer should be stretched: 1 for a node in good health. */
  doubt(): number {
    return this.#health === 0 ? 1 : 1 + this.health;
  }

  /** A message of `peer` arrived, whatever it was. For a node with no suspect and nobody dead this is one comparison. */
  heard(peer: Address): void {
    if (this.#tracked.size === 0) return;
    this.#heard++;
    const tracked = this.#tracked.get(peer);
    if (tracked === undefined) return;
    this.forget(peer);
    this.#setHealth(this.health - 1);
    this.#options.onChange(peer, "alive");
  }

  /** An answer of `peer` stayed out. */
  silent(peer: Address): void {
    this.#suspect(peer, SUSPICION_MS);
  }

  /** The connection of `peer` ended without goodbye, or could not be made: stronger evidence than silence, so it is waited for half as long. */
  gone(peer: Address): void {
    this.#suspect(peer, SUSPICION_MS / 2);
  }

  /** What is held of `peer`. */
  stateOf(peer: Address): PeerState {
    const tracked = this.#tracked.get(peer);
    return tracked === undefined ? "alive" : tracked.dead ? "dead" : "suspect";
  }

  /** Whether `peer` is taken for dead. */
  isDead(peer: Address): boolean {
    return this.#tracked.size > 0 && this.#tracked.get(peer)?.dead === true;
  }

  /** Stops watching a peer: it left the ring. */
  forget(peer: Address): void {
    if (!this.#tracked.delete(peer) || this.#tracked.size > 0) return;
    this.#stop();
  }

  /** Forgets everybody and ends the timer. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#tracked.clear();
    this.#stop();
  }

  #suspect(peer: Address, patienceMs: number): void {
    if (this.#closed) return;
    const known = this.#tracked.get(peer);
    if (known !== undefined) known.patienceMs = Math.min(known.patienceMs, patienceMs);
    if (known !== undefined || !this.#makeRoom()) return;
    const now = this.#clock.now();
    if (this.#tracked.size === 0) this.#heardAtTick = this.#heard;
    const probeAtMs = now + this.#jitter(PROBE_MS);
    const suspect = { dead: false, patienceMs, sinceMs: now, probeAtMs, heardBefore: this.#heard };
    this.#tracked.set(peer, suspect);
    this.#doubtMajority(now);
    this.#arm(Math.min(probeAtMs, this.#expiresAtMs(suspect)));
    this.#options.onChange(peer, "suspect");
    this.#options.probe(peer);
  }

  /** Whether there is a place for one more. */
  #makeRoom(): boolean {
    if (this.#tracked.size < this.#peersMax) return true;
    for (const [peer, { dead }] of this.#tracked) {
      if (dead) return this.#tracked.delete(peer);
    }
    return false;
  }

  /** If more of those it talks to are suspect than not, the fault is rather this node's. */
  #doubtMajority(now: number): void {
    const { connected } = this.#options;
    if (connected === undefined || now < this.#calmUntilMs) return;
    let suspects = 0;
    for (const { dead } of this.#tracked.values()) if (!dead) suspects++;
    if (suspects < 3) return;
    let others = 0;
    for (const peer of connected()) if (!this.#tracked.has(peer) && ++others >= suspects) return;
    this.#calmUntilMs = now + SUSPICION_MS;
    this.#setHealth(this.health + 1);
  }

  #tick(): void {
    const now = this.#clock.now();
    this.#cancel = undefined;
    this.#timerAtMs = Infinity;
    this.#recover();
    let suspects = 0;
    for (const [peer, tracked] of this.#tracked) {
      if (!tracked.dead && now >= this.#expiresAtMs(tracked)) this.#bury(peer, tracked, now);
      else if (now + TICK_SLACK_MS >= tracked.probeAtMs) this.#probe(peer, tracked, now);
      if (!tracked.dead) suspects++;
    }
    if (suspects > 0 && this.#heard === this.#heardAtTick) this.#askWitness();
    this.#heardAtTick = this.#heard;
    let nextMs = Infinity;
    for (const tracked of this.#tracked.values()) {
      nextMs = Math.min(nextMs, tracked.probeAtMs, tracked.dead ? Infinity : this.#expiresAtMs(tracked));
    }
    this.#arm(nextMs);
  }

  #bury(peer: Address, tracked: Tracked, now: number): void {
    tracked.dead = true;
    tracked.sinceMs = now;
    tracked.probeAtMs = now + this.#jitter(DEAD_PROBE_MS_MIN);
    // Behind all that died before it.
    this.#tracked.delete(peer);
    this.#tracked.set(peer, tracked);
    this.#options.onChange(peer, "dead");
  }

  #probe(peer: Address, tracked: Tracked, now: number): void {
    const waitMs = tracked.dead
      ? Math.min(DEAD_PROBE_MS_MAX, Math.max(DEAD_PROBE_MS_MIN, (now - tracked.sinceMs) * DEAD_PROBE_SHARE))
      : PROBE_MS;
    tracked.probeAtMs = now + this.#jitter(waitMs);
    this.#options.probe(peer);
  }

  /** Nobody was heard of since the last tick. One more peer is asked, so that silence of all means something. */
  #askWitness(): void {
    let witness: Address | undefined;
    let candidates = 0;
    for (const peer of this.#options.connected?.() ?? []) {
      if (!this.#tracked.has(peer) && below(this.#random, ++candidates) === 0) witness = peer;
    }
    if (witness !== undefined) this.#options.probe(witness);
  }

  #expiresAtMs(tracked: Tracked): number {
    const health = this.#heard === tracked.heardBefore ? HEALTH_MAX : this.#health;
    return tracked.sinceMs + tracked.patienceMs * (1 + health);
  }

  /** Has the next tick come at `atMs` at the latest. */
  #arm(atMs: number): void {
    if (this.#closed || atMs >= this.#timerAtMs) return;
    this.#stop();
    const now = this.#clock.now();
    this.#timerAtMs = Math.max(now, atMs);
    this.#cancel = this.#clock.after(this.#timerAtMs - now, () => this.#tick());
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#timerAtMs = Infinity;
  }

  /** Time heals. */
  #recover(): void {
    if (this.#health === 0) return;
    const steps = Math.floor((this.#clock.now() - this.#healthAtMs) / HEALTH_DECAY_MS);
    if (steps <= 0) return;
    this.#health = Math.max(0, this.#health - steps);
    this.#healthAtMs += steps * HEALTH_DECAY_MS;
  }

  #setHealth(health: number): void {
    const bounded = Math.min(HEALTH_MAX, Math.max(0, health));
    if (bounded === 0 && this.#health === 0) return;
    this.#health = bounded;
    this.#healthAtMs = this.#clock.now();
  }

  #jitter(ms: number): number {
    return ms * (0.75 + 0.5 * this.#random.next());
  }
}
