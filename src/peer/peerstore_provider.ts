import type { StakedPeer } from "./staked_peer.ts";

/** Options of a question to a provider. */
export interface ProviderOptions {
  /** Gives up: the answer rejects with its reason. */
  signal?: AbortSignal;
}

/**
 * Who is staked at a height: a genesis file, another node, a database, or what the application injects. The name is
 * Pocket's.
 */
export interface PeerstoreProvider {
  /** The staked peers at `height`, sorted by address, each once. @throws {P2pError} `height_unknown`, and what the source throws */
  getStakedPeerstoreAtHeight(height: number, options?: ProviderOptions): Promise<readonly StakedPeer[]>;
}

/** The height of the chain. */
export interface CurrentHeightProvider {
  /** The height at which this node is now, a whole number from 0. @throws {P2pError} what the source throws */
  getCurrentHeight(options?: ProviderOptions): Promise<number>;
}
