import { asError, P2pError, type P2pErrorOptions } from "../base/errors.ts";

/** A request that the admin API refuses. */
export class AdminError extends P2pError {
  /** `AdminError`. */
  override name = "AdminError";
  /** The HTTP status that says so. */
  readonly status: number;

  /** `code` is what a program branches on, `message` what a person reads. */
  constructor(status: number, code: string, message: string, options?: P2pErrorOptions) {
    super(code, message, options);
    this.status = status;
  }
}

/** The body of every answer that is an error. */
export interface ErrorBody {
  /** What went wrong. */
  readonly error: {
    /** Stable, snake_case. */
    readonly code: string;
    /** For people. */
    readonly message: string;
    /** What they can do about it. */
    readonly hint?: string;
  };
}

/** Statuses of the module's errors: first match counts. */
const STATUSES: readonly (readonly [RegExp, number])[] = [
  [/^(address_malformed|envelope_|config_)/, 400],
  [/^(raintree_too_large|message_too_large)$/, 413],
  [/^(raintree_not_staked|receipt_needs_exact|receipt_ring_too_large|receipt_no_layers)$/, 409],
  [/^peer_unknown$/, 404],
  [/^(module_|router_stopped$|raintree_closed$|channel_closed$|channel_full$)/, 503],
  [/^(deadline|request_timeout|dial_timeout)$/, 504],
  [/^(peer_|dial_|handshake_|channel_unsupported$|request_failed$|connection_lost$)/, 502],
];

/** Status and body for what a handler threw. What is not ours to tell (a bug) says only that. */
export function errorAnswer(thrown: unknown): { status: number; body: ErrorBody } {
  if (thrown instanceof P2pError) {
    const { code, message, hint } = thrown;
    const status = thrown instanceof AdminError
      ? thrown.status
      : STATUSES.find(([pattern]) => pattern.test(code))?.[1] ?? 500;
    return { status, body: { error: { code, message, hint } } };
  }
  if (thrown instanceof RangeError) {
    return { status: 400, body: { error: { code: "out_of_range", message: asError(thrown).message } } };
  }
  return { status: 500, body: { error: { code: "internal", message: "Unexpected error; the node's log has it" } } };
}
