import { abortable, type Clock, deadline } from "../base/clock.ts";
import { asP2pError, P2pError } from "../base/errors.ts";
import { type Logger, logger } from "../base/log.ts";
import type { Address } from "../identity/address.ts";
import type { Socket } from "../socket/socket.ts";

/** How long a connection that lost the tie-break is listened to at most: the peer may use it until it has seen the other one. */
const RETIRE_MS = 2_000;

/**
 * The connections that lost the tie-break with another one to the same peer. Each is listened to until nothing more comes on it, because the peer may
 * have sent on it before it saw the other. One per peer: whoever connects again and again does not have hundreds of them here.
 */
export class Losers {
  readonly #clock: Clock;
  readonly #stop: AbortSignal;
  readonly #log: Logger = logger("router");
  readonly #of = new Map<Address, Socket>();

  /** `stop` ends the listening. */
  constructor(clock: Clock, stop: AbortSignal) {
    this.#clock = clock;
    this.#stop = stop;
  }

  /** Whether one of the peer's is listened to. */
  has(peer: Address): boolean {
    return this.#of.has(peer);
  }

  /**
   * Closes the loser once nothing more comes on it: the peer has answered on the winner, so it sends there now, and after that on the loser, so what it
   * had sent there is read. An earlier loser of the peer's is closed at once.
   */
  async hearOut(loser: Socket, winner: Socket): Promise<void> {
    const { address } = loser;
    void this.#of.get(address)?.close(new P2pError("peer_duplicate", `Peer ${address} connected again`));
    this.#of.set(address, loser);
    try {
      using limit = deadline(this.#clock, RETIRE_MS, "Hearing out a connection", this.#stop);
      await abortable(winner.ping().then(() => loser.ping()), limit.signal);
    } catch (caught) {
      this.#log.debug("a second connection ended early: {error}", { error: asP2pError("ping_failed", caught).message });
    }
    await loser.close();
    if (this.#of.get(address) === loser) this.#of.delete(address);
  }
}
