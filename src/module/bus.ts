import { asError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import type { Address } from "../identity/address.ts";

/** An application message: protobuf's `Any`. */
export interface Content {
  /** What `value` is: `type.googleapis.com/shared.StringMessage`. */
  readonly typeUrl: string;
  /** The encoded message. */
  readonly value: Uint8Array;
}

/** What the module tells the application. */
export type P2PEvent =
  /** A broadcast or a direct message arrived, once; the nonce is stripped. `from` handed it over: the sender of a direct message, the last hop of a broadcast. */
  | { readonly type: "message"; readonly content: Content; readonly from: Address }
  /** Messages to this peer go out from now on. */
  | { readonly type: "peer_up"; readonly peer: Address }
  /** They no longer do. */
  | { readonly type: "peer_down"; readonly peer: Address }
  /** `P2P_IsBootstrapped`: the peers are known, the state machine may move on. */
  | { readonly type: "bootstrapped" };

/** Where the module publishes; the application may bring its own. */
export interface Bus {
  /** Hands over an event. It must not throw and is called in the middle of work: do little, or queue. */
  publish(event: P2PEvent): void;
}

/** A bus within the process: each event goes to every subscriber, in order, at once. */
export class LocalBus implements Bus {
  readonly #subscribers = new Set<(event: P2PEvent) => void>();
  readonly #onError: (error: unknown) => void;

  /** `onError` is told what a subscriber throws; the others still get the event. @default {a log message of level error} */
  constructor(onError: (error: unknown) => void = logThrown) {
    this.#onError = onError;
  }

  /** Calls `subscriber` with each event from now on; the returned function ends that. */
  subscribe(subscriber: (event: P2PEvent) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** Hands an event to every subscriber. */
  publish(event: P2PEvent): void {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(event);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}

function logThrown(error: unknown): void {
  logger("module").error("a subscriber of the bus threw: {error}", { error: asError(error).message });
}
