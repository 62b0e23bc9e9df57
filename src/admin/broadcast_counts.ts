import type { Address } from "../identity/address.ts";
import type { RainTreeHead } from "../raintree/message.ts";

/** What a node did for broadcasts, in numbers that only grow. Those of private messages are not among them. */
export class BroadcastCounts {
  /** Broadcasts that began here. */
  began = 0;
  /** Broadcasts that came, each counted once: with those that began elsewhere, they say how many came through. */
  reached = 0;
  /** Copies sent beside the tree. */
  copies = 0;
  /** Hand-overs whose level is not looked up yet; as many as the tree has targets, which are few. */
  readonly #byTarget = new Map<Address, number>();
  readonly #byLevel = new Map<number, number>();

  /** A message came for the first time: by whom, `undefined` where it begins here. */
  arrived(from: Address | undefined, head: RainTreeHead): void {
    if (from === undefined) this.began++;
    else if (head.level > 0 || head.until !== undefined || head.copy) this.reached++;
  }

  /** A message is about to be queued for a peer. */
  handedOver(to: Address, { level, until, copy }: RainTreeHead): void {
    if (level > 0 || until !== undefined) this.#byTarget.set(to, (this.#byTarget.get(to) ?? 0) + 1);
    else if (copy) this.copies++;
  }

  /**
   * Hand-overs along the tree by the level of their target; 0 is for who has none, as a node behind a dead target. Levels are looked up here and not at each
   * hand-over: what was sent since the last time counts for the level that its target has now.
   */
  byLevel(levelOf: (target: Address) => number | undefined): ReadonlyMap<number, number> {
    for (const [target, count] of this.#byTarget) {
      const level = levelOf(target) ?? 0;
      this.#byLevel.set(level, (this.#byLevel.get(level) ?? 0) + count);
    }
    this.#byTarget.clear();
    return this.#byLevel;
  }
}
