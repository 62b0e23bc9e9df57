import type { Cancel, Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Routines } from "../base/routines.ts";
import type { Address } from "../identity/address.ts";
import type { ProvenIdentity } from "../transport/frame_link.ts";
import type { Transport } from "../transport/transport.ts";
import type { SimLink } from "./sim_link.ts";
import type { SimNetwork } from "./sim_network.ts";
import { SimTransport } from "./sim_transport.ts";

/** How a node's clock is wrong. */
export interface ClockSkew {
  /** Milliseconds by which its wall clock is ahead. @default {0} */
  skewMs?: number;
  /** Its seconds for one of the network's: 1.001 is a clock that gains 3.6 s an hour. Both its clocks and its timers go by it. @default {1} */
  rate?: number;
}

/**
 * The machine that one node of a {@link SimNetwork} runs on, from its start to its crash: its clock, its randomness and its way to the network.
 * Hand them to production code; a restart takes a new one from {@link SimNetwork.host}.
 */
export class SimHost {
  /** Who runs on it. */
  readonly identity: ProvenIdentity;
  /** Time as the node sees it. Its timers wait while it is paused and never fire once it has crashed. */
  readonly clock: Clock;
  /** Randomness of the node, from the network's seed and its address. */
  readonly random: Random;
  /** Its number in the trace. */
  readonly number: number;
  /** Its open connections. */
  readonly links: Set<SimLink> = new Set();
  /** Channels of which nothing that it sends arrives. */
  readonly muted: Set<number> = new Set();
  /** Added to each delay from and to it, milliseconds. */
  slowMs = 0;
  readonly #network: SimNetwork;
  #paused = false;
  #crashed: "silent" | "loud" | undefined;
  #held: (() => void)[] = [];

  /**
   * For networks.
   *
   * @internal
   */
  constructor(network: SimNetwork, identity: ProvenIdentity, number: number, random: Random, skew: ClockSkew) {
    this.#network = network;
    this.identity = identity;
    this.number = number;
    this.random = random;
    this.clock = new HostClock(this, network.clock, skew);
  }

  /** Who runs on it. */
  get address(): Address {
    return this.identity.address;
  }

  /** Whether its code runs: neither paused nor crashed. */
  get running(): boolean {
    return !this.#paused && this.#crashed === undefined;
  }

  /** Whether it was told to crash, and how; `undefined` while it lives. */
  get crashed(): "silent" | "loud" | undefined {
    return this.#crashed;
  }

  /** Makes the node's transport: what `P2PModuleOptions.transport` takes. Protocol `memory`. */
  readonly transport = (routines: Routines): Transport => new SimTransport(this.#network, this, routines);

  /** Lets `event` happen to the node: now, when it is resumed, or never. */
  run(event: () => void): void {
    if (this.#crashed !== undefined) return;
    if (this.#paused) this.#held.push(event);
    else event();
  }

  /** Stops its code, as SIGSTOP does: its kernel still accepts connections and buffers what fits the window. */
  pause(): void {
    this.#paused = true;
  }

  /** Goes on: what happened meanwhile happens now, in that order, each in a turn of its own. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const held = this.#held;
    this.#held = [];
    for (const event of held) this.#network.clock.after(0, () => this.run(event));
  }

  /** Ends it for ever. */
  crash(how: "silent" | "loud"): void {
    this.#crashed = how;
    this.#held = [];
  }
}

class HostClock implements Clock {
  readonly #host: SimHost;
  readonly #clock: Clock;
  readonly #skewMs: number;
  readonly #rate: number;

  constructor(host: SimHost, clock: Clock, { skewMs = 0, rate = 1 }: ClockSkew) {
    if (!(rate > 0 && rate < Infinity)) throw new RangeError(`Clock has rate ${rate}, wanted more than 0`);
    this.#host = host;
    this.#clock = clock;
    this.#skewMs = skewMs;
    this.#rate = rate;
  }

  now(): number {
    return this.#clock.now() * this.#rate;
  }

  wall(): number {
    return this.#clock.wall() + this.#clock.now() * (this.#rate - 1) + this.#skewMs;
  }

  after(ms: number, fire: () => void): Cancel {
    const host = this.#host;
    if (host.crashed !== undefined) return () => {};
    let cancelled = false;
    const cancel = this.#clock.after(ms / this.#rate, () => {
      if (host.running) fire();
      else host.run(() => cancelled || fire());
    });
    return () => {
      cancelled = true;
      cancel();
    };
  }
}
