import { abortable, type Clock } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { CurrentHeightProvider, PeerstoreProvider, ProviderOptions } from "../peer/peerstore_provider.ts";
import type { StakedPeer } from "../peer/staked_peer.ts";
import { assertHeight } from "../peer/static_provider.ts";
import { EndpointsView } from "./endpoints_view.ts";
import { type EndpointSource, EndpointsWatch } from "./endpoints_watch.ts";

/** What an {@link EndpointsProvider} is made of. */
export interface EndpointsProviderOptions {
  /** Everybody who may ever be staked; the first label of an entry's host is the name of its pod. */
  genesis: PeerstoreProvider;
  /** The slices of the Service of the validators. */
  source: EndpointSource;
  /** Time. */
  clock: Clock;
  /** Randomness of back-off. */
  random: Random;
}

/** So many sets are kept for those who ask for a height that has just passed. */
const SETS_MAX = 16;

/**
 * The staked set of a network on Kubernetes: the entries of the genesis file whose pods are behind the Service of the validators. Scaling the
 * StatefulSet changes it, at a new height. Peers are where their pods are, at the IP addresses: these change before names do.
 */
export class EndpointsProvider implements PeerstoreProvider, CurrentHeightProvider, AsyncDisposable {
  readonly #genesis: PeerstoreProvider;
  readonly #view = new EndpointsView();
  readonly #watch: EndpointsWatch;
  /** By height, ascending; the oldest goes when there are more than {@link SETS_MAX}. */
  readonly #sets: { readonly height: number; readonly places: ReadonlyMap<string, string> }[] = [];
  /** Replaced when it resolves: somebody waits for the next change. */
  #next = Promise.withResolvers<void>();

  private constructor({ genesis, source, clock, random }: EndpointsProviderOptions) {
    this.#genesis = genesis;
    this.#watch = EndpointsWatch.start({ source, view: this.#view, onChange: () => this.#changed(), clock, random });
  }

  /** Begins to watch; runs until it is closed. */
  static start(options: EndpointsProviderOptions): EndpointsProvider {
    return new EndpointsProvider(options);
  }

  /** Ends the watch. Idempotent. */
  async close(): Promise<void> {
    await this.#watch.close();
  }

  /** The same as {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The newest height; waits for the first answer of the API server. @throws the signal's reason */
  async getCurrentHeight({ signal }: ProviderOptions = {}): Promise<number> {
    return await this.heightAfter(undefined, signal);
  }

  /** The newest height, as soon as it is another one than `height`. @throws the signal's reason */
  async heightAfter(height: number | undefined, signal?: AbortSignal): Promise<number> {
    for (;;) {
      signal?.throwIfAborted();
      const newest = this.#sets.at(-1)?.height;
      if (newest !== undefined && newest !== height) return newest;
      const { promise } = this.#next;
      await (signal === undefined ? promise : abortable(promise, signal));
    }
  }

  /** The set with the greatest height up to `height`. @throws {P2pError} `height_unknown` where that has passed long ago; what the genesis throws */
  async getStakedPeerstoreAtHeight(height: number, options: ProviderOptions = {}): Promise<readonly StakedPeer[]> {
    assertHeight(height);
    const set = this.#sets.findLast((each) => each.height <= height);
    if (set === undefined) {
      throw new P2pError("height_unknown", `The staked set of height ${height} is not known any more, or not yet`);
    }
    const all = await this.#genesis.getStakedPeerstoreAtHeight(height, options);
    return all.flatMap((peer) => {
      const { nodeAddress } = peer;
      const host = set.places.get(nodeAddress.host?.split(".")[0] ?? "");
      return host === undefined ? [] : [{ ...peer, nodeAddress: { ...nodeAddress, host } }];
    });
  }

  #changed(): void {
    const { height, places } = this.#view;
    this.#sets.push({ height, places });
    if (this.#sets.length > SETS_MAX) this.#sets.shift();
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }
}
