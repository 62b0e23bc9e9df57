import type { Cancel } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import { type SimEnd, SimLink } from "./sim_link.ts";
import type { SimNetwork, SimPlace } from "./sim_network.ts";
import { TraceKind } from "./sim_trace.ts";

/** What a kernel waits before it knocks again; twice as long each time after. */
const RETRY_MS = 1000;

/** One attempt to connect: half a round trip to the listener, half back; where nothing answers it knocks again until it is told to stop. */
export class SimDial {
  readonly #network: SimNetwork;
  readonly #own: SimEnd;
  readonly #path: string;
  readonly #result = Promise.withResolvers<SimLink>();
  #cancel: Cancel = () => {};
  #link: SimLink | undefined;

  /** Does nothing before {@link run}. */
  constructor(network: SimNetwork, own: SimEnd, path: string) {
    this.#network = network;
    this.#own = own;
    this.#path = path;
  }

  /** Resolves with the dialler's end. @throws {P2pError} `dial_refused`; the signal's reason */
  async run(signal?: AbortSignal): Promise<SimLink> {
    const abort = () => this.#giveUp(signal!.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.#knock(RETRY_MS);
    try {
      return await this.#result.promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  #giveUp(reason: unknown): void {
    this.#cancel();
    void this.#link?.close();
    this.#result.reject(reason);
  }

  #knock(retryMs: number): void {
    const place = this.#network.place(this.#path);
    if (place === undefined) return this.#after(0, () => this.#refuse());
    const { host } = place.end;
    const silent = host.crashed === "silent" || this.#network.separated(this.#own.host, host);
    if (silent) return this.#after(retryMs, () => this.#knock(2 * retryMs));
    this.#after(this.#network.latency(this.#own.host, host), () => this.#arrive(place));
  }

  #arrive(place: SimPlace): void {
    const { host } = place.end;
    const { trace, clock, stats } = this.#network;
    if (this.#network.place(this.#path) !== place) return this.#refuse();
    if (host.crashed !== undefined) return this.#after(RETRY_MS, () => this.#knock(2 * RETRY_MS));
    trace.add(TraceKind.dial, clock.now(), this.#own.host.number, host.number);
    stats.dials++;
    const [outbound, inbound] = SimLink.pair(this.#network, this.#own, place.end);
    this.#link = outbound;
    host.run(() => place.accept(inbound));
    this.#after(this.#network.latency(host, this.#own.host), () => this.#result.resolve(outbound));
  }

  #refuse(): void {
    const { trace, clock, stats } = this.#network;
    trace.add(TraceKind.refused, clock.now(), this.#own.host.number, 0);
    stats.refused++;
    this.#result.reject(new P2pError("dial_refused", `No one listens at "memory:${this.#path}"`));
  }

  #after(ms: number, then: () => void): void {
    this.#cancel = this.#network.clock.after(ms, () => this.#own.host.run(then));
  }
}
