/** Every failure a caller can handle. Branch on {@link code}, show {@link message} and {@link hint}, read the history in `cause`. */
export class P2pError extends Error {
  /** `P2pError`, or the name of the derived class. */
  /** `P2pError`. */
  override name = "P2pError";
  /** Stable, machine-readable, snake_case: `dial_refused`, `noise_bad_signature`. */
  readonly code: string;
  /** What a person can do about it, one sentence; absent where nothing helps. */
  readonly hint: string | undefined;

  /** `message` states what failed with the current and the wanted value, `options.hint` what to do. */
  constructor(code: string, message: string, options: P2pErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** Optional parts of a {@link P2pError}. */
export interface P2pErrorOptions {
  /** The error that led to this one. */
  cause?: unknown;
  /** What a person can do about it. */
  hint?: string;
}

/** A peer sent bytes that break a protocol. The connection that carried them is closed, the peer is penalised. */
export class ProtocolError extends P2pError {
  /** `ProtocolError`. */
  /** `ProtocolError`. */
  override name = "ProtocolError";
}

/** Narrows what was caught to an `Error`, so that a thrown string keeps its text. */
export function asError(caught: unknown): Error {
  return caught instanceof Error ? caught : new Error(String(caught));
}

/** What was caught as a {@link P2pError}: itself if it is one, otherwise wrapped under `code` with its message. */
export function asP2pError(code: string, caught: unknown): P2pError {
  return caught instanceof P2pError ? caught : new P2pError(code, asError(caught).message, { cause: caught });
}

/** Why `signal` aborted: its own reason if that is a {@link P2pError}, otherwise `aborted`, which names `what` was given up. */
export function abortError(signal: AbortSignal, what: string): P2pError {
  const { reason } = signal;
  return reason instanceof P2pError ? reason : new P2pError("aborted", `${what} was given up`, { cause: reason });
}
