import { asError, P2pError } from "../base/errors.ts";

/** Options of {@link eachSeed}. */
export interface EachSeedOptions {
  /** The first seed, an unsigned 32-bit integer. @default {1} */
  first?: number;
  /** How many, one after the other. @default {100} */
  count?: number;
  /** The command that runs one seed alone: a failure shows it. */
  replay(seed: number): string;
}

/**
 * Runs a simulation with each of many seeds. The first that fails ends it, with the command that replays just that run.
 *
 * @throws {P2pError} (as a rejection) `sim_seed_failed`; its cause is what the run threw.
 *
 * @example
 * ```ts
 * import { eachSeed } from "@raintree/p2p/testing";
 *
 * const only = undefined; // in a test: what the environment variable SEED says
 * const replay = (seed: number) => `SEED=${seed} deno test my_network_test.ts`;
 * const seeds: number[] = [];
 * await eachSeed({ first: only ?? 1, count: only === undefined ? 3 : 1, replay }, (seed) => {
 *   seeds.push(seed); // build a SimNetwork from the seed, run it, assert
 * });
 * if (seeds.join() !== "1,2,3") throw new Error("unreachable");
 * ```
 */
export async function eachSeed(options: EachSeedOptions, run: (seed: number) => Promise<void> | void): Promise<void> {
  const { first = 1, count = 100, replay } = options;
  for (let seed = first; seed < first + count; seed++) {
    try {
      await run(seed);
    } catch (caught) {
      const cause = asError(caught);
      const command = replay(seed);
      throw new P2pError("sim_seed_failed", `Seed ${seed} fails: ${cause.message}\nReplay it: ${command}`, {
        cause,
        hint: `Run ${command}`,
      });
    }
  }
}
