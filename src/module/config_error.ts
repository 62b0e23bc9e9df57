import { P2pError } from "../base/errors.ts";

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** Where it stands: `port`, `persistent_peers[2]`, `env P2P_PORT`, `--port`, or the file's name. */
  readonly path: string;
  /** What it is and what it has to be; never holds a secret. */
  readonly message: string;
}

/** A configuration is wrong: {@link problems} has everything that is, at once. */
export class ConfigError extends P2pError {
  /** `ConfigError` */
  override name = "ConfigError";
  /** Every problem, in the order of the sources. */
  readonly problems: readonly ConfigProblem[];

  /** The message has a line per problem. */
  constructor(problems: readonly ConfigProblem[], hint?: string) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(
      "config_invalid",
      `Configuration has ${count}${problems.map(({ path, message }) => `\n  ${path}: ${message}`).join("")}`,
      { hint },
    );
    this.problems = problems;
  }
}
