import { P2pError } from "../base/errors.ts";

/**
 * The nine states of a {@link Socket} (Pocket's P2P module design, section 2.2):
 * `opening` made, nothing asked of the network yet; `connecting` dialling, or accepted and not yet handshaken; `authenticating` handshake under way;
 * `authenticated` identity proven, the router decides; `connected` admitted; `open` messages flow; `errored` failed, about to close;
 * `closing` draining or tearing down; `closed` over.
 */
export type SocketState =
  | "opening"
  | "connecting"
  | "authenticating"
  | "authenticated"
  | "connected"
  | "open"
  | "errored"
  | "closing"
  | "closed";

/** The legal transitions. Whatever is alive may fail or be closed; nothing comes back. */
export const TRANSITIONS: Readonly<Record<SocketState, readonly SocketState[]>> = {
  opening: ["connecting", "errored", "closing"],
  connecting: ["authenticating", "errored", "closing"],
  authenticating: ["authenticated", "errored", "closing"],
  authenticated: ["connected", "errored", "closing"],
  connected: ["open", "errored", "closing"],
  open: ["errored", "closing"],
  errored: ["closing"],
  closing: ["closed"],
  closed: [],
};

/** Holds a state and lets only legal transitions happen. */
export class SocketLifecycle {
  #state: SocketState = "opening";
  #illegal = 0;
  readonly #strict: boolean;
  readonly #onChange: (state: SocketState, from: SocketState) => void;

  /** `strict` throws on an illegal transition (development); otherwise it is refused and counted (production). */
  constructor(strict: boolean, onChange: (state: SocketState, from: SocketState) => void) {
    this.#strict = strict;
    this.#onChange = onChange;
  }

  /** The state now. */
  get state(): SocketState {
    return this.#state;
  }

  /** Illegal transitions refused so far. */
  get illegalTransitions(): number {
    return this.#illegal;
  }

  /** Moves on; false if that is not legal from here. @throws {P2pError} `socket_illegal_transition` when strict. */
  go(state: SocketState): boolean {
    const from = this.#state;
    if (!TRANSITIONS[from].includes(state)) {
      this.#illegal++;
      if (this.#strict) {
        throw new P2pError("socket_illegal_transition", `Socket is ${from}, it cannot become ${state}`);
      }
      return false;
    }
    this.#state = state;
    this.#onChange(state, from);
    return true;
  }
}
