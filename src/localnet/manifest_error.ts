import { P2pError } from "../base/errors.ts";
import type { ConfigProblem } from "../module/config_error.ts";

/** A manifest is wrong: {@link problems} has everything that is, at once. */
export class ManifestError extends P2pError {
  /** `ManifestError`. */
  override name = "ManifestError";
  /** Every problem, in the order of the fields. */
  readonly problems: readonly ConfigProblem[];

  /** `source` names the file; the message has a line per problem. */
  constructor(source: string, problems: readonly ConfigProblem[], cause?: unknown) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(
      "manifest_malformed",
      `Manifest "${source}" has ${count}${problems.map(({ path, message }) => `\n  ${path}: ${message}`).join("")}`,
      { cause, hint: "docs/localnet.md lists the fields" },
    );
    this.problems = problems;
  }
}
