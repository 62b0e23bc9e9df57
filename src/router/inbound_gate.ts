import type { Clock } from "../base/clock.ts";

/** Limits of an {@link InboundGate}. */
export interface InboundGateOptions {
  /** Handshakes of inbound connections under way at once. @default {128} */
  handshakesMax?: number;
  /** Of these, from one host. @default {64} */
  handshakesPerHostMax?: number;
  /** Attempts that one host may make at once, before {@link attemptsPerSecond} applies. @default {256} */
  attemptsBurst?: number;
  /** Attempts per second from one host in the long run. @default {64} */
  attemptsPerSecond?: number;
}

/** Why a connection was not let in. */
export type Refusal = "too_many_handshakes" | "too_many_from_host" | "too_frequent_from_host";

interface Host {
  handshakes: number;
  allowance: number;
  atMs: number;
}

/** Hosts remembered; beyond it those without a handshake under way are forgotten, oldest first. */
const HOSTS_MAX = 4096;

/** Decides which inbound connections may begin a handshake: a bound on all, one per host, and a rate per host (token bucket). */
export class InboundGate {
  /** Connections refused so far. */
  refused = 0;
  readonly #clock: Clock;
  readonly #limits: Required<InboundGateOptions>;
  readonly #hosts = new Map<string, Host>();
  #handshakes = 0;

  /** An open gate. */
  constructor(clock: Clock, options: InboundGateOptions = {}) {
    const { handshakesMax = 128, handshakesPerHostMax = 64, attemptsBurst = 256, attemptsPerSecond = 64 } = options;
    this.#clock = clock;
    this.#limits = { handshakesMax, handshakesPerHostMax, attemptsBurst, attemptsPerSecond };
  }

  /** Lets a connection from `host` in and returns what to call when its handshake has ended, or says why not. */
  enter(host: string): (() => void) | Refusal {
    const known = this.#host(host);
    const refusal = this.#refusal(known);
    if (refusal !== undefined) {
      this.refused++;
      return refusal;
    }
    this.#handshakes++;
    known.handshakes++;
    known.allowance--;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#handshakes--;
      known.handshakes--;
    };
  }

  #refusal(host: Host): Refusal | undefined {
    if (this.#handshakes >= this.#limits.handshakesMax) return "too_many_handshakes";
    if (host.handshakes >= this.#limits.handshakesPerHostMax) return "too_many_from_host";
    return host.allowance < 1 ? "too_frequent_from_host" : undefined;
  }

  #host(name: string): Host {
    const now = this.#clock.now();
    const { attemptsBurst, attemptsPerSecond } = this.#limits;
    const known = this.#hosts.get(name);
    if (known !== undefined) {
      known.allowance = Math.min(attemptsBurst, known.allowance + ((now - known.atMs) / 1000) * attemptsPerSecond);
      known.atMs = now;
      return known;
    }
    if (this.#hosts.size >= HOSTS_MAX) this.#forgetOne();
    const host = { handshakes: 0, allowance: attemptsBurst, atMs: now };
    this.#hosts.set(name, host);
    return host;
  }

  #forgetOne(): void {
    for (const [name, host] of this.#hosts) {
      if (host.handshakes > 0) continue;
      this.#hosts.delete(name);
      return;
    }
  }
}
