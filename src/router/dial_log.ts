import type { P2pError } from "../base/errors.ts";
import { type Logger, logger } from "../base/log.ts";
import type { Address } from "../identity/address.ts";

/** Failures that do not pass by themselves: somebody has to change a configuration, a release or a permission. */
const LASTING: ReadonlySet<string> = new Set([
  "dial_forbidden",
  "handshake_unsupported",
  "handshake_wrong_identity",
  "handshake_wrong_network",
  "handshake_wrong_version",
]);

/** Peers remembered as warned of; beyond it further ones are not warned of until some connect. */
const WARNED_MAX = 1_000;

/** Says why dials fail: what passes by itself in the debug log, what does not once per peer and reason as a warning. */
export class DialLog {
  readonly #log: Logger = logger("router");
  readonly #warned = new Map<Address, string>();

  /** A dial failed. */
  failed(peer: Address, error: P2pError): void {
    const fields = { peer, error: error.message, code: error.code };
    const known = this.#warned.get(peer);
    const isNew = known === undefined ? this.#warned.size < WARNED_MAX : known !== error.code;
    if (!LASTING.has(error.code) || !isNew) return this.#log.debug("dialling peer {peer} failed: {error}", fields);
    this.#warned.set(peer, error.code);
    if (error.hint === undefined) this.#log.warn("peer {peer} cannot be connected: {error}", fields);
    else this.#log.warn("peer {peer} cannot be connected: {error}. {hint}", { ...fields, hint: error.hint });
  }

  /** A peer is connected: what fails from now on is news. */
  connected(peer: Address): void {
    this.#warned.delete(peer);
  }
}
