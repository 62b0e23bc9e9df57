import type { Address } from "../identity/address.ts";
import { delta } from "../peer/delta.ts";
import type { PeerManager } from "../peer/peer_manager.ts";
import type { CurrentHeightProvider, PeerstoreProvider } from "../peer/peerstore_provider.ts";
import type { StakedPeer } from "../peer/staked_peer.ts";
import type { RainTreeRouter } from "../raintree/raintree_router.ts";
import { Ring } from "../raintree/ring.ts";

/** Keeps the ring, the peer manager's book and the wanted connections in step with the staked set of the current height. */
export class StakedView {
  readonly #self: Address;
  readonly #provider: PeerstoreProvider;
  readonly #heights: CurrentHeightProvider;
  readonly #peers: PeerManager;
  #staked: readonly StakedPeer[] = [];
  #height = 0;
  #asked = 0;

  /** Knows nobody before {@link load}. */
  constructor(self: Address, provider: PeerstoreProvider, heights: CurrentHeightProvider, peers: PeerManager) {
    this.#self = self;
    this.#provider = provider;
    this.#heights = heights;
    this.#peers = peers;
  }

  /** The height of the view. */
  get height(): number {
    return this.#height;
  }

  /** Who is staked. */
  get staked(): readonly StakedPeer[] {
    return this.#staked;
  }

  /** Asks for the current height and its set. @throws what the providers throw. */
  async load(signal?: AbortSignal): Promise<Ring> {
    return await this.at(await this.#heights.getCurrentHeight({ signal }), signal);
  }

  /** Moves to the set of `height` and returns its ring. Of several moves under way at once the last one asked for stays. */
  async at(height: number, signal?: AbortSignal): Promise<Ring> {
    const turn = ++this.#asked;
    const staked = await this.#provider.getStakedPeerstoreAtHeight(height, { signal });
    if (turn === this.#asked) {
      const { added, moved } = delta(this.#staked, staked);
      for (const { nodeAddress } of [...added, ...moved]) this.#peers.add(nodeAddress, { replace: true });
      this.#staked = staked;
      this.#height = height;
    }
    return Ring.of(this.#staked.map(({ address }) => address), { height: this.#height });
  }

  /** Has the peer manager keep the connections that the tree needs, and no others for its sake. */
  want(raintree: RainTreeRouter): void {
    this.#peers.want(raintree.targets().filter((address) => address !== this.#self));
  }
}
