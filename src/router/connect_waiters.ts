import { abortable } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import type { Address } from "../identity/address.ts";
import type { Socket } from "../socket/socket.ts";

interface Waiting {
  readonly result: PromiseWithResolvers<Socket>;
  calls: number;
}

/** Those who wait for a connection. All who wait for one peer hear the same. */
export class ConnectWaiters {
  readonly #waiting = new Map<Address, Waiting>();

  /** Waits for {@link answer}, or the signal. When nobody is left to wait for the peer, and no answer came, `over` is called. */
  async wait(peer: Address, signal: AbortSignal, over: () => void): Promise<Socket> {
    let waiting = this.#waiting.get(peer);
    if (waiting === undefined) {
      waiting = { result: Promise.withResolvers<Socket>(), calls: 0 };
      waiting.result.promise.catch(() => {}); // told to those who wait below
      this.#waiting.set(peer, waiting);
    }
    waiting.calls++;
    try {
      return await abortable(waiting.result.promise, signal);
    } finally {
      if (--waiting.calls === 0 && this.#waiting.get(peer) === waiting) {
        this.#waiting.delete(peer);
        over();
      }
    }
  }

  /** The peer is connected, or cannot be. */
  answer(peer: Address, result: Socket | P2pError): void {
    const waiting = this.#waiting.get(peer);
    this.#waiting.delete(peer);
    if (result instanceof P2pError) waiting?.result.reject(result);
    else waiting?.result.resolve(result);
  }

  /** Nobody will be connected any more. */
  close(reason: P2pError): void {
    for (const peer of [...this.#waiting.keys()]) this.answer(peer, reason);
  }
}
