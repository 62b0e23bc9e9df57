import type { Direction } from "../transport/transport.ts";
import { isPinned, type Link, type Peer } from "./peer.ts";
import { scoreOf } from "./peer_record.ts";

/** How many connections may stand, and for how long without use. */
export interface LinkLimits {
  /** Ready connections altogether. */
  maxConnected: number;
  /** Ready connections that peers opened. */
  maxInbound: number;
  /** Ready connections that this node opened. */
  maxOutbound: number;
  /** Connections beyond `maxConnected` while better peers take the place of worse ones. */
  maxUpgrades: number;
  /** Connections kept without use. */
  keepConnected: number;
  /** An outbound connection of no use for so long is closed; an inbound one gives way to a newcomer. */
  idleMs: number;
}

/** Connections by kind. */
export interface LinkTally {
  /** Opened by peers. */
  inbound: number;
  /** Opened by this node. */
  outbound: number;
  /** Messages flow. */
  ready: number;
  /** To be closed; in none of the other numbers. */
  evicting: number;
}

/**
 * The connections that stand, who may still come and who has to go. At most a few hundred, so that rare questions (a newcomer, an
 * eviction) simply look at all of them.
 */
export class Links {
  readonly #limits: LinkLimits;
  readonly #links = new Set<Link>();
  /** To be closed, in this order. Each link is here at most once. */
  readonly #evictions: Link[] = [];
  /** No connection becomes idle before; `Infinity` if none can. */
  #idleCheckMs = Infinity;

  /** No connections yet. */
  constructor(limits: LinkLimits) {
    this.#limits = limits;
  }

  /** All connections, those to be closed too. */
  get size(): number {
    return this.#links.size;
  }

  /** Every connection. */
  values(): IterableIterator<Link> {
    return this.#links.values();
  }

  /** Adds a connection. */
  add(link: Link): void {
    this.#links.add(link);
  }

  /** Removes a connection that is gone. */
  remove(link: Link): void {
    this.#links.delete(link);
  }

  /** Connections by kind. */
  tally(): LinkTally {
    const tally: LinkTally = { inbound: 0, outbound: 0, ready: 0, evicting: 0 };
    // Asked at every dial: forEach() makes no object per connection, as an iterator does.
    this.#links.forEach(({ eviction, direction, ready }) => {
      if (eviction !== undefined) {
        tally.evicting++;
        return;
      }
      tally[direction]++;
      if (ready) tally.ready++;
    });
    return tally;
  }

  /**
   * Whether one more connection has room while `dialing` are under way: below the limits always, at the limits if enough worse
   * connections would give way for it and for every other upgrade under way.
   */
  hasRoom(peer: Peer, direction: Direction, dialing: number, now: number): boolean {
    const { maxConnected, maxInbound, maxOutbound, maxUpgrades } = this.#limits;
    if (this.#links.size + dialing >= maxConnected + maxUpgrades) return false;
    const { inbound, outbound } = this.tally();
    const over = inbound + outbound + dialing + 1 - maxConnected;
    const overDirection = direction === "inbound" ? inbound + 1 - maxInbound : outbound + dialing + 1 - maxOutbound;
    const missing = Math.max(over, overDirection);
    if (missing <= 0) return true;
    if (overDirection > maxUpgrades) return false;
    let worse = 0;
    for (const link of this.#links) {
      if (overDirection > 0 && link.direction !== direction) continue;
      if (this.#yields(link, peer, direction, now)) worse++;
    }
    return worse >= missing;
  }

  /**
   * Whether a peer that nobody asked for need not be dialled while `dialing` are under way. At the very limit it may be, in exchange
   * for a worse one.
   */
  isEnough(dialing: number): boolean {
    const { inbound, outbound } = this.tally();
    const connected = inbound + outbound + dialing;
    return connected >= this.#limits.keepConnected && connected < this.#limits.maxConnected;
  }

  /** Marks a connection, if there is one, to be closed. The first reason stays, unless it was only to make room. */
  evict(link: Link | undefined, reason: string, { forRoom = false }: { forRoom?: boolean } = {}): void {
    if (link === undefined) return;
    if (link.eviction !== undefined) {
      if (link.eviction.forRoom && !forRoom) link.eviction = { reason, forRoom };
      return;
    }
    link.eviction = { reason, forRoom };
    this.#evictions.push(link);
  }

  /**
   * Has the worst connections closed while more are ready than may be. Pinned peers stay even then, and `newcomer`, for whose sake
   * this is done, goes only if there is no other.
   */
  trim(now: number, newcomer?: Link): void {
    const { maxConnected, maxInbound, maxOutbound } = this.#limits;
    const ready = { inbound: 0, outbound: 0 };
    for (const link of this.#links) if (link.ready && link.eviction === undefined) ready[link.direction]++;
    for (;;) {
      let direction: Direction | undefined;
      if (ready.inbound > maxInbound) direction = "inbound";
      else if (ready.outbound > maxOutbound) direction = "outbound";
      else if (ready.inbound + ready.outbound <= maxConnected) return;
      const worst = this.#worst(direction, now, newcomer) ?? this.#worst(direction, now, undefined);
      if (worst === undefined) return;
      this.evict(worst, "capacity", { forRoom: true });
      ready[worst.direction]--;
    }
  }

  /** Looks for idle connections at `atMs` at the latest. */
  checkIdle(atMs: number): void {
    this.#idleCheckMs = Math.min(this.#idleCheckMs, atMs);
  }

  /** When {@link nextEviction} may have something; `Infinity` if nothing is in sight. */
  nextEvictionMs(): number {
    return this.#evictions.length > 0 ? -Infinity : this.#idleCheckMs;
  }

  /** The next connection to close, told once. */
  nextEviction(now: number): Link | undefined {
    if (now >= this.#idleCheckMs) this.#evictIdle(now);
    for (let link = this.#evictions.shift(); link !== undefined; link = this.#evictions.shift()) {
      if (!this.#links.has(link)) continue;
      if (!link.eviction!.forRoom || !isPinned(link.peer)) return link;
      link.eviction = undefined;
      this.trim(now);
    }
    return undefined;
  }

  #isIdle(link: Link, now: number): boolean {
    return link.ready && !isPinned(link.peer) && now - link.usedMs >= this.#limits.idleMs;
  }

  /** Whether the link would be closed in favour of the newcomer. */
  #yields(link: Link, newcomer: Peer, direction: Direction, now: number): boolean {
    if (link.eviction !== undefined || isPinned(link.peer)) return false;
    if (isPinned(newcomer) || newcomer.requested) return true;
    // An idle peer is no reason to dial another that will be as idle.
    if (direction === "inbound" && this.#isIdle(link, now)) return true;
    return scoreOf(link.peer.record) < scoreOf(newcomer.record);
  }

  #worst(direction: Direction | undefined, now: number, except: Link | undefined): Link | undefined {
    let worst: Link | undefined;
    for (const link of this.#links) {
      if (!link.ready || link.eviction !== undefined || isPinned(link.peer) || link === except) continue;
      if (direction !== undefined && link.direction !== direction) continue;
      if (worst === undefined || this.#isWorse(link, worst, now)) worst = link;
    }
    return worst;
  }

  #isWorse(a: Link, b: Link, now: number): boolean {
    const idle = Number(this.#isIdle(a, now)) - Number(this.#isIdle(b, now));
    if (idle !== 0) return idle > 0;
    const score = scoreOf(a.peer.record) - scoreOf(b.peer.record);
    return score !== 0 ? score < 0 : a.usedMs < b.usedMs;
  }

  /** Only outbound ones: an inbound connection may be one that its dialler wants, and would only be dialled again. */
  #evictIdle(now: number): void {
    const { idleMs, keepConnected } = this.#limits;
    const idle: Link[] = [];
    let spare = -keepConnected;
    let check = Infinity;
    for (const link of this.#links) {
      if (!link.ready || link.eviction !== undefined) continue;
      spare++;
      if (link.direction === "inbound" || isPinned(link.peer)) continue;
      if (this.#isIdle(link, now)) idle.push(link);
      else check = Math.min(check, link.usedMs + idleMs);
    }
    idle.sort((a, b) => a.usedMs - b.usedMs);
    for (const link of idle) {
      if (spare-- > 0) this.evict(link, "idle", { forRoom: true });
      else check = Math.min(check, now + idleMs);
    }
    this.#idleCheckMs = check;
  }
}
