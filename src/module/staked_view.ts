import type { Address } from "../identity/address.ts";
import type { NodeAddress } from "../identity/node_address.ts";
import { delta } from "../peer/delta.ts";
import type { PeerManager } from "../peer/peer_manager.ts";
import type { CurrentHeightProvider, PeerstoreProvider } from "../peer/peerstore_provider.ts";
import type { StakedPeer } from "../peer/staked_peer.ts";
import { sortByAddress } from "../peer/static_provider.ts";
import type { RainTreeRouter } from "../raintree/raintree_router.ts";
import { Ring } from "../raintree/ring.ts";

/**
 * Keeps the ring, the peer manager's book and the wanted connections in step with the staked set of the current height. The book learns of those
 * whom the tree needs, the others are looked up when they are dialled: a million staked peers are no reason to know a million.
 */
export class StakedView {
  readonly #self: Address;
  readonly #provider: PeerstoreProvider;
  readonly #heights: CurrentHeightProvider;
  readonly #peers: PeerManager;
  /** In ring order. */
  #staked: readonly StakedPeer[] = [];
  #ring = Ring.of([]);
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
    return this.#ring.height;
  }

  /** The set of that height, in ring order. */
  get staked(): readonly StakedPeer[] {
    return this.#staked;
  }

  /** Asks for the current height and its set. @throws what the providers throw. */
  async load(signal: AbortSignal): Promise<Ring> {
    return await this.at(await this.#heights.getCurrentHeight({ signal }), signal);
  }

  /**
   * Moves to the set of `height` and returns its ring. Of several moves under way at once the last one asked for stays.
   *
   * @throws what the provider throws, `peerstore_duplicate`, the signal's reason.
   */
  async at(height: number, signal: AbortSignal): Promise<Ring> {
    const turn = ++this.#asked;
    const given = await this.#provider.getStakedPeerstoreAtHeight(height, { signal });
    signal.throwIfAborted();
    if (turn !== this.#asked) return this.#ring;
    const staked = sortByAddress(given);
    const { added, moved } = delta(this.#staked, staked);
    this.#ring = Ring.of(staked.map(({ address }) => address), { height });
    this.#staked = staked;
    // What the chain says of a peer known by other means counts.
    for (const { address, nodeAddress } of [...added, ...moved]) {
      if (this.#peers.status(address) !== "unknown") this.#peers.add(nodeAddress, { replace: true });
    }
    return this.#ring;
  }

  /** Where a staked peer is. */
  find(address: Address): NodeAddress | undefined {
    return this.#staked[this.#ring.indexOf(address)]?.nodeAddress;
  }

  /** Has the peer manager keep the connections that the tree needs, and no others for its sake. */
  want(raintree: RainTreeRouter): void {
    const targets = raintree.targets().filter((address) => address !== this.#self);
    // First wanted, then known: a full book makes room for who is wanted.
    this.#peers.want(targets, raintree.awaited());
    for (const target of targets) this.#peers.add(this.find(target)!, { replace: true });
  }
}
