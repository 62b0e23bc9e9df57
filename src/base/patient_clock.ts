import type { Cancel, Clock } from "./clock.ts";

/** The longest that time runs without a look at whether this process keeps up, milliseconds, but for {@link COMPANY_MS}. */
const TICK_MS = 25;

/** How late a look may be before time slows down: a share of the tick, and no less than so many milliseconds, by which timers miss on a machine that is not held up. */
const SLACK = 1.2;
const SLACK_MS = 5;

/** What is due so little later, milliseconds, is waited for: to wake up costs more than most of what is done then, and who waits the same time goes on together. */
const COMPANY_MS = 3;

interface Timer {
  readonly atMs: number;
  readonly fire: () => void;
}

/** See {@link PatientClock.of}. */
const PATIENT = new WeakMap<Clock, PatientClock>();

/**
 * Time for waiting on others: it slows down while this process is held up itself, by load or by being paused. A process that does not get to read what
 * arrived has no reason to think that nothing did. Who is three times 25 ms late finds time at a sixteenth of its speed, however soon he had wanted to
 * be woken; what is done when a timer fires takes no time at all, but for a few milliseconds.
 *
 * While a timer is set, `now()` is up to 28 ms behind and costs nothing; otherwise it is the inner clock's.
 */
export class PatientClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<Timer>();
  #nowMs = 0;
  /** When `#nowMs` was true, by the inner clock. */
  #innerMs: number;
  /** Both when the next tick was set, and how long it then was till there. */
  #armedNowMs = 0;
  #armedInnerMs = 0;
  #armedMs = 0;
  #cancel: Cancel | undefined;
  #ticking = false;

  /** The one that follows `clock`: it is a process that is held up, with all the nodes in it, and they wake up together. */
  static of(clock: Clock): PatientClock {
    let patient = PATIENT.get(clock);
    if (patient === undefined) PATIENT.set(clock, patient = new PatientClock(clock));
    return patient;
  }

  private constructor(clock: Clock) {
    this.#clock = clock;
    this.#innerMs = clock.now();
  }

  /** Milliseconds; only differences mean something. */
  now(): number {
    if (this.#cancel === undefined) this.#follow();
    return this.#nowMs;
  }

  /** See {@link Clock}. */
  wall(): number {
    return this.#clock.wall();
  }

  /** Calls `fire` once, when `ms` milliseconds of this clock have passed, or up to 3 later. */
  after(ms: number, fire: () => void): Cancel {
    this.#follow();
    const timer = { atMs: this.#nowMs + ms, fire };
    this.#timers.add(timer);
    const sooner = this.#cancel === undefined || this.#nowMs + Math.max(1, ms) < this.#tickAtMs;
    if (sooner && !this.#ticking) this.#arm();
    return () => {
      this.#timers.delete(timer);
      if (this.#timers.size > 0 || this.#ticking) return;
      this.#follow();
      this.#cancel?.();
      this.#cancel = undefined;
    };
  }

  get #tickAtMs(): number {
    return this.#armedNowMs + this.#armedMs;
  }

  /** Catches up with the inner clock, but while something is waited for not past the next tick, which alone tells whether this process keeps up. */
  #follow(): void {
    if (this.#ticking) return;
    const innerMs = this.#clock.now();
    const nowMs = this.#nowMs + innerMs - this.#innerMs;
    this.#nowMs = this.#cancel === undefined ? nowMs : Math.min(nowMs, this.#tickAtMs);
    this.#innerMs = innerMs;
  }

  #arm(): void {
    this.#cancel?.();
    let firstMs = this.#nowMs + TICK_MS;
    for (const { atMs } of this.#timers) firstMs = Math.min(firstMs, atMs);
    let lastMs = firstMs;
    for (const { atMs } of this.#timers) if (atMs <= firstMs + COMPANY_MS) lastMs = Math.max(lastMs, atMs);
    this.#armedMs = Math.max(1, lastMs - this.#nowMs);
    this.#armedNowMs = this.#nowMs;
    this.#armedInnerMs = this.#innerMs;
    this.#cancel = this.#clock.after(this.#armedMs, () => this.#tick());
  }

  #tick(): void {
    const innerMs = this.#clock.now();
    const elapsedMs = innerMs - this.#armedInnerMs;
    const late = elapsedMs > Math.max(SLACK * this.#armedMs, this.#armedMs + SLACK_MS);
    const speed = late ? (TICK_MS / (TICK_MS + elapsedMs - this.#armedMs)) ** 2 : 1;
    this.#nowMs = Math.max(this.#nowMs, this.#armedNowMs + speed * elapsedMs);
    const due = [...this.#timers].filter(({ atMs }) => atMs <= this.#nowMs).sort((a, b) => a.atMs - b.atMs);
    this.#ticking = true;
    try {
      for (const timer of due) if (this.#timers.delete(timer)) timer.fire();
    } finally {
      this.#ticking = false;
      this.#cancel = undefined;
      this.#innerMs = this.#clock.now();
      this.#nowMs += Math.min(SLACK_MS, this.#innerMs - innerMs);
      // Also if one throws: the others must not wait for ever.
      if (this.#timers.size > 0) this.#arm();
    }
  }
}
