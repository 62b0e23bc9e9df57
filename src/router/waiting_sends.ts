import { abortable } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import type { Address } from "../identity/address.ts";
import type { LaneOptions } from "../socket/send_lane.ts";
import type { Offer, Socket } from "../socket/socket.ts";
import type { ChannelHost, SendOptions } from "./channel.ts";

/** What the sends that wait belong to. */
export interface WaitingSendsOptions {
  /** To whom. */
  readonly to: Address;
  /** The channel. */
  readonly lane: LaneOptions;
  /** The channel's name, for errors. */
  readonly name: string;
  /** Sockets and the counting of drops. */
  readonly host: ChannelHost;
  /** The send of these bytes is over, in whatever way. Called before its promise settles; `left` is how many still wait. */
  readonly over: (bytes: Uint8Array, left: number) => void;
}

interface WaitingSend {
  readonly bytes: Uint8Array;
  readonly signal: AbortSignal | undefined;
  readonly connect: boolean;
  readonly giveUp: () => void;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The sends of one channel to one peer that could not be queued at once, in order: they share one connect, and go as the queue has room. When the
 * connect fails all of them fail with it. The channel bounds them.
 *
 * Of use until it is empty; who sends after that begins a new one.
 */
export class WaitingSends {
  readonly #options: WaitingSendsOptions;
  readonly #sends = new Set<WaitingSend>();
  /** Ends the wait for a connection or for room when nobody is left to want it. */
  readonly #empty = new AbortController();
  #running = false;

  /** Nobody waits yet. */
  constructor(options: WaitingSendsOptions) {
    this.#options = options;
  }

  /** Waits behind all others. What it rejects with, `Channel.send` tells. */
  add(bytes: Uint8Array, { signal, connect = true }: SendOptions): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => {
      this.#remove(send);
      reject(signal!.reason);
    };
    const send: WaitingSend = { bytes, signal, connect, giveUp, resolve, reject };
    this.#sends.add(send);
    if (signal?.aborted) giveUp();
    else signal?.addEventListener("abort", giveUp, { once: true });
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    } else if (this.#options.host.socket(this.#options.to) === undefined) {
      this.#failUnconnected();
    }
    return promise;
  }

  /** Fails every send. With a `dropped` reason each is counted. */
  fail(reason: unknown, dropped?: string): void {
    const { host, lane, to } = this.#options;
    for (const send of this.#sends) {
      if (dropped !== undefined) host.dropped(lane.id, to, dropped);
      this.#remove(send);
      send.reject(reason);
    }
  }

  /** Up to the first wait it runs within {@link add}, so that what fits by now is queued by then. */
  async #run(): Promise<void> {
    const { host, lane, to } = this.#options;
    const { signal } = this.#empty;
    try {
      while (this.#sends.size > 0) {
        let socket = host.socket(to);
        if (socket === undefined) {
          this.#failUnconnected();
          if (this.#sends.size === 0) return;
          socket = await abortable(host.connect(to, signal), signal);
        }
        if (!this.#offer(socket)) await abortable(socket.room(lane.id), signal);
      }
    } catch (caught) {
      this.fail(caught); // empty already where it is our own signal
    }
  }

  /** Offers the sends in order; false when the rest has to wait for room. */
  #offer(socket: Socket): boolean {
    const { host, lane, to } = this.#options;
    for (const send of this.#sends) {
      const offer = socket.offer(lane.id, send.bytes);
      if (offer === "full" && lane.whenFull !== "drop-newest") return false;
      this.#remove(send);
      if (offer === "accepted") {
        send.resolve();
        continue;
      }
      host.dropped(lane.id, to, offer);
      send.reject(this.#refusal(offer, send.bytes));
      if (offer === "closed") return true; // the others try the next connection
    }
    return true;
  }

  /** The peer is not connected: those that are to connect nobody end. */
  #failUnconnected(): void {
    const { host, lane, to } = this.#options;
    for (const send of this.#sends) {
      if (send.connect) continue;
      host.dropped(lane.id, to, "not_connected");
      this.#remove(send);
      send.reject(this.#refusal("closed", send.bytes));
    }
  }

  #refusal(offer: Exclude<Offer, "accepted">, bytes: Uint8Array): P2pError {
    const { lane, name, to } = this.#options;
    switch (offer) {
      case "full":
        return new P2pError("channel_full", `Queue of channel "${name}" to ${to} is full`);
      case "closed":
        return new P2pError("peer_disconnected", `Peer ${to} disconnected before the message was queued`);
      case "unsupported":
        return new P2pError("channel_unsupported", `Peer ${to} does not carry channel "${name}"`);
      case "too_large":
        return messageTooLarge(name, bytes.length, lane.messageBytesMax);
    }
  }

  // The channel hears of it before the caller does: one who sends again then is back on the fast path.
  #remove(send: WaitingSend): void {
    this.#sends.delete(send);
    send.signal?.removeEventListener("abort", send.giveUp);
    this.#options.over(send.bytes, this.#sends.size);
    if (this.#sends.size === 0) this.#empty.abort();
  }
}

/** The refusal of a message above the channel's limit. */
export function messageTooLarge(name: string, bytes: number, bytesMax: number): P2pError {
  return new P2pError("message_too_large", `Message has ${bytes} bytes, channel "${name}" takes ${bytesMax}`);
}
