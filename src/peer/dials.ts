import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Address } from "../identity/address.ts";
import { backoffMs } from "./backoff.ts";
import type { DialCandidate } from "./decisions.ts";
import { statusOf } from "./explain.ts";
import type { Links } from "./links.ts";
import { CANDIDATES, isPinned, type Peer, tierOf } from "./peer.ts";
import type { PeerBook } from "./peer_book.ts";
import type { PeerManagerOptions } from "./peer_manager_options.ts";
import type { PeerEndpoint } from "./peer_record.ts";
import { peerNotDialing } from "./refusals.ts";

/** Limits of {@link Dials}. */
export type DialLimits = Required<
  Pick<PeerManagerOptions, "maxDialing" | "minBackoffMs" | "maxBackoffMs" | "maxPinnedBackoffMs">
>;

/** The dials under way: whose turn is next, how many there may be, and how long to rest after one that came to nothing. */
export class Dials {
  readonly #book: PeerBook;
  readonly #links: Links;
  readonly #limits: DialLimits;
  readonly #clock: Clock;
  readonly #random: Random;
  #count = 0;

  /** No dial of those in `book` is under way. */
  constructor(book: PeerBook, links: Links, limits: DialLimits, clock: Clock, random: Random) {
    this.#book = book;
    this.#links = links;
    this.#limits = limits;
    this.#clock = clock;
    this.#random = random;
  }

  /** How many are under way. */
  get count(): number {
    return this.#count;
  }

  /** Who is to be dialled now. */
  next(): Peer | undefined {
    if (this.#count >= this.#limits.maxDialing) return undefined;
    const peer = this.#book.due();
    if (peer === undefined) return undefined;
    if (tierOf(peer) === 0 && this.#links.isEnough(this.#count)) return undefined;
    return this.#links.hasRoom(peer, "outbound", this.#count, this.#clock.now()) ? peer : undefined;
  }

  /** Dials the peer at its best endpoint. */
  begin(peer: Peer): DialCandidate {
    const endpoint = this.#book.bestEndpoint(peer);
    peer.dialing = endpoint;
    this.#count++;
    this.#book.place(peer);
    return { address: endpoint.address, candidate: CANDIDATES[tierOf(peer)] };
  }

  /** The dial of a peer is over, one way or the other. @throws {P2pError} `peer_not_dialing` */
  end(id: Address): { peer: Peer; endpoint: PeerEndpoint } {
    const peer = this.#book.get(id);
    if (peer?.dialing === undefined) throw peerNotDialing(id, statusOf(peer));
    const endpoint = peer.dialing;
    peer.dialing = undefined;
    peer.requested = false;
    this.#count--;
    return { peer, endpoint };
  }

  /** How long to leave a peer alone after `failures` in a row. */
  backoffMs(peer: Peer, failures: number): number {
    const { minBackoffMs: minMs, maxBackoffMs, maxPinnedBackoffMs } = this.#limits;
    return backoffMs(failures, { minMs, maxMs: isPinned(peer) ? maxPinnedBackoffMs : maxBackoffMs }, this.#random);
  }
}
