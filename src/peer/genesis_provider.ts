import { P2pError } from "../base/errors.ts";
import { type GenesisValidator, parseGenesis } from "./genesis.ts";
import type { PeerstoreProvider, ProviderOptions } from "./peerstore_provider.ts";
import type { StakedPeer } from "./staked_peer.ts";
import { assertHeight, sortByAddress } from "./static_provider.ts";

/** The staked peers that a genesis file names, the same at every height but for those whose unstaking height has come. */
export class GenesisProvider implements PeerstoreProvider {
  readonly #validators: readonly GenesisValidator[];

  /** The provider of validators read by {@link parseGenesis}. */
  constructor(validators: readonly GenesisValidator[]) {
    this.#validators = validators;
  }

  /** Reads the genesis file at `path`. @throws {P2pError} `genesis_unreadable`, `genesis_malformed` ({@link GenesisError}) */
  static async open(path: string, { signal }: ProviderOptions = {}): Promise<GenesisProvider> {
    let text: string;
    try {
      text = await Deno.readTextFile(path, { signal });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new P2pError("genesis_unreadable", `Cannot read genesis file "${path}"`, {
        cause,
        hint: cause instanceof Deno.errors.NotFound
          ? "The file does not exist: check the path in the configuration"
          : "Check that the path is a file, that this user may read it, and --allow-read",
      });
    }
    return new GenesisProvider(parseGenesis(text, path));
  }

  /** Those still staked at `height`. */
  getStakedPeerstoreAtHeight(height: number, { signal }: ProviderOptions = {}): Promise<readonly StakedPeer[]> {
    return Promise.resolve().then(() => {
      signal?.throwIfAborted();
      assertHeight(height);
      return sortByAddress(this.#validators.filter((validator) => height < validator.unstakingHeight));
    });
  }
}
