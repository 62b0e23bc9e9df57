import type { Cancel, Clock } from "../base/clock.ts";

/** Options of the keep-alive. Durations in milliseconds. */
export interface KeepAliveOptions {
  /** Time between pings. Lower finds dead peers sooner and costs bytes. @default {10_000} */
  intervalMs?: number;
  /** How long a pong may take before the socket closes. @default {20_000} */
  timeoutMs?: number;
}

/** Pings at an interval, measures round trips, and says when the peer has been silent for too long. Pure but for one timer. */
export class KeepAlive {
  /** Round trip of the last pings, milliseconds, smoothed (RFC 6298, weight 1/8); `undefined` before the first. */
  rttMs: number | undefined;
  readonly #clock: Clock;
  readonly #ping: (nonce: number) => void;
  readonly #timedOut: () => void;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  #nonce = 0;
  #sentAt: number | undefined;
  #waiting: PromiseWithResolvers<number> | undefined;
  #cancel: Cancel | undefined;
  #stopped = false;

  /** `ping` sends one, `timedOut` ends the socket. Nothing happens before {@link start}. */
  constructor(clock: Clock, ping: (nonce: number) => void, timedOut: () => void, options: KeepAliveOptions = {}) {
    const { intervalMs = 10_000, timeoutMs = 20_000 } = options;
    this.#clock = clock;
    this.#ping = ping;
    this.#timedOut = timedOut;
    this.#intervalMs = intervalMs;
    this.#timeoutMs = timeoutMs;
  }

  /** Arms the first ping. */
  start(): void {
    this.#arm(this.#intervalMs);
  }

  /** Ends the timer; waiting round trips reject with `reason`. */
  stop(reason: Error): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
  }

  /** Sends a ping now unless one is under way; resolves with the round trip in milliseconds. */
  measure(): Promise<number> {
    this.#waiting ??= Promise.withResolvers<number>();
    const { promise } = this.#waiting;
    if (this.#sentAt === undefined) this.#send();
    return promise;
  }

  /** A pong came back. False if nobody asked for it. */
  pong(nonce: number): boolean {
    if (this.#sentAt === undefined || nonce !== this.#nonce) return false;
    const tookMs = this.#clock.now() - this.#sentAt;
    this.#sentAt = undefined;
    this.rttMs = this.rttMs === undefined ? tookMs : this.rttMs + (tookMs - this.rttMs) / 8;
    this.#waiting?.resolve(tookMs);
    this.#waiting = undefined;
    this.#arm(this.#intervalMs);
    return true;
  }

  #send(): void {
    this.#nonce++;
    this.#sentAt = this.#clock.now();
    this.#ping(this.#nonce);
    this.#arm(this.#timeoutMs);
  }

  #arm(ms: number): void {
    if (this.#stopped) return;
    this.#cancel?.();
    this.#cancel = this.#clock.after(ms, () => this.#sentAt === undefined ? this.#send() : this.#timedOut());
  }
}
