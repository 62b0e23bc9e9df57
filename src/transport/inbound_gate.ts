import type { Clock } from "../base/clock.ts";
import { TokenBucket } from "../base/token_bucket.ts";

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
  readonly attempts: TokenBucket;
}

/** A handshake under way. */
interface Entered {
  readonly host: Host;
  readonly atMs: number;
  readonly leave: () => void;
  readonly giveUp: () => void;
}

/** After this time a handshake may be given up for a newcomer's, whoever they are: an honest one is over by then. */
const DISPLACED_AFTER_MS = 1_000;

/** Hosts remembered; beyond it those without a handshake under way are forgotten, oldest first. */
const HOSTS_MAX = 4096;

/**
 * Decides which inbound connections may begin a handshake: a bound on all, one per host, and a rate per host. When all places are taken, the host that
 * holds the most gives one up, so that a few silent hosts do not keep everybody out.
 */
export class InboundGate {
  /** Connections refused so far. */
  refused = 0;
  readonly #clock: Clock;
  readonly #limits: Required<InboundGateOptions>;
  readonly #hosts = new Map<string, Host>();
  /** The oldest first. */
  readonly #entered = new Set<Entered>();

  /** An open gate. */
  constructor(clock: Clock, options: InboundGateOptions = {}) {
    const { handshakesMax = 128, handshakesPerHostMax = 64, attemptsBurst = 256, attemptsPerSecond = 64 } = options;
    this.#clock = clock;
    this.#limits = { handshakesMax, handshakesPerHostMax, attemptsBurst, attemptsPerSecond };
  }

  /**
   * Lets a connection from `host` in and returns what to call when its handshake has ended, or says why not. `giveUp` is called, once at most and not
   * after that, when the handshake has to make room for another.
   */
  enter(host: string, giveUp: () => void): (() => void) | Refusal {
    const known = this.#host(host);
    const refusal = this.#refusal(known);
    if (refusal !== undefined) {
      this.refused++;
      return refusal;
    }
    known.handshakes++;
    const leave = () => {
      if (this.#entered.delete(entered)) known.handshakes--;
    };
    const entered: Entered = { host: known, atMs: this.#clock.now(), leave, giveUp };
    this.#entered.add(entered);
    return leave;
  }

  #refusal(host: Host): Refusal | undefined {
    if (host.handshakes >= this.#limits.handshakesPerHostMax) return "too_many_from_host";
    if (!host.attempts.take()) return "too_frequent_from_host";
    return this.#entered.size < this.#limits.handshakesMax || this.#displaceFor(host)
      ? undefined
      : "too_many_handshakes";
  }

  /** Gives up the oldest handshake of the host that has the most; where none has more than the newcomer would, the oldest of all if it has had its time. */
  #displaceFor(newcomer: Host): boolean {
    let crowd: Host | undefined;
    for (const { host } of this.#entered) {
      if (host.handshakes > (crowd?.handshakes ?? newcomer.handshakes + 1)) crowd = host;
    }
    for (const { host, atMs, leave, giveUp } of this.#entered) {
      if (crowd !== undefined && host !== crowd) continue;
      if (crowd === undefined && this.#clock.now() - atMs < DISPLACED_AFTER_MS) return false;
      leave();
      giveUp();
      return true;
    }
    return false;
  }

  #host(name: string): Host {
    const known = this.#hosts.get(name);
    if (known !== undefined) return known;
    if (this.#hosts.size >= HOSTS_MAX) this.#forgetOne();
    const { attemptsBurst: burst, attemptsPerSecond: perSecond } = this.#limits;
    const host = { handshakes: 0, attempts: new TokenBucket(this.#clock, { burst, perSecond }) };
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
