import { Signal } from "../base/signal.ts";
import type { Address } from "../identity/address.ts";

/** A peer became reachable or stopped being so. */
export interface PeerUpdate {
  /** Which peer. */
  readonly id: Address;
  /** `up`: messages sent to it now go out. `down`: they do not. */
  readonly status: "up" | "down";
}

/**
 * One subscriber's view of the peers: first an `up` for each that is up already, then every change in order.
 *
 * Nobody waits for a slow subscriber. When {@link PeerUpdates} holds `capacity` updates that were not taken, they collapse: each
 * peer keeps only its last update, and none where the subscriber already knows that state. What waits is then at most one update for
 * each peer that is up or was up when the subscriber last looked, and taking all of it still leads to the true state.
 */
export class PeerUpdates implements AsyncIterable<PeerUpdate>, Disposable {
  readonly #capacity: number;
  readonly #leave: (updates: PeerUpdates) => void;
  readonly #arrived = new Signal();
  /** Peers that are up as far as the subscriber was told. */
  readonly #told = new Set<Address>();
  #waiting: PeerUpdate[] = [];
  /** Takes the place of `#waiting` while collapsed. */
  #collapsed: Map<Address, PeerUpdate> | undefined;
  #closed = false;

  /** Made by `PeerManager.subscribe`; `leave` is called once, when closed. */
  constructor(capacity: number, leave: (updates: PeerUpdates) => void) {
    this.#capacity = capacity;
    this.#leave = leave;
  }

  /** How many updates wait to be taken. */
  get size(): number {
    return this.#collapsed?.size ?? this.#waiting.length;
  }

  /** Appends an update. Called by the manager. */
  push(update: PeerUpdate): void {
    if (this.#closed) return;
    if (this.#collapsed === undefined && this.#waiting.length >= this.#capacity) this.#collapse();
    if (this.#collapsed === undefined) this.#waiting.push(update);
    else this.#pushCollapsed(this.#collapsed, update);
    this.#arrived.raise();
  }

  /** The next update, or `undefined` if none waits. */
  take(): PeerUpdate | undefined {
    let update: PeerUpdate | undefined;
    if (this.#collapsed === undefined) {
      update = this.#waiting.shift();
    } else {
      [update] = this.#collapsed.values();
      if (update !== undefined) this.#collapsed.delete(update.id);
      if (this.#collapsed.size === 0) this.#collapsed = undefined;
    }
    if (update?.status === "up") this.#told.add(update.id);
    else if (update !== undefined) this.#told.delete(update.id);
    return update;
  }

  /** Updates as they come, until closed; those that wait then are still delivered. One loop at a time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<PeerUpdate, void, void> {
    for (;;) {
      const update = this.take();
      if (update !== undefined) yield update;
      else if (this.#closed) return;
      else await this.#arrived.raised();
    }
  }

  /** Ends the subscription. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#leave(this);
    this.#arrived.raise();
  }

  /** Closes. */
  [Symbol.dispose](): void {
    this.close();
  }

  #collapse(): void {
    this.#collapsed = new Map();
    for (const update of this.#waiting) this.#pushCollapsed(this.#collapsed, update);
    this.#waiting = [];
  }

  #pushCollapsed(collapsed: Map<Address, PeerUpdate>, update: PeerUpdate): void {
    // Taken out first, so that an update stands where its last change did.
    collapsed.delete(update.id);
    if ((update.status === "up") !== this.#told.has(update.id)) collapsed.set(update.id, update);
  }
}

/** All subscribers of one manager. */
export class PeerSubscribers {
  readonly #all = new Set<PeerUpdates>();

  /** A new subscriber that first hears which peers are up. */
  subscribe(capacity: number, up: Iterable<Address>): PeerUpdates {
    const updates = new PeerUpdates(capacity, (left) => this.#all.delete(left));
    for (const id of up) updates.push({ id, status: "up" });
    this.#all.add(updates);
    return updates;
  }

  /** Tells everybody. */
  publish(update: PeerUpdate): void {
    for (const updates of this.#all) updates.push(update);
  }

  /** Ends every subscription. */
  close(): void {
    for (const updates of [...this.#all]) updates.close();
  }
}
