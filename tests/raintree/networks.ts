import { seededRandom } from "../../src/base/random.ts";
import { type Address, addressFromBytes } from "../../src/identity/address.ts";
import { visitHandovers } from "../../src/raintree/targets.ts";
import type { Ring } from "../../src/raintree/ring.ts";

/** `count` different addresses, not in ring order; equal seeds give equal addresses. */
export function addresses(count: number, seed: number): Address[] {
  const random = seededRandom(seed);
  const made = new Set<Address>();
  while (made.size < count) made.add(addressFromBytes(random.fill(new Uint8Array(20))));
  return [...made];
}

/** What one exact broadcast did: how often each address received it, and the hops of the last. */
export interface Spread {
  received: Map<Address, number>;
  depth: number;
}

/** Sends one exact broadcast from `originator` by hand, each node using its own view of the ring. */
export function broadcastExact(originator: Address, viewOf: (node: Address) => Ring): Spread {
  const received = new Map<Address, number>();
  const home = viewOf(originator);
  let depth = 0;
  let turn: [node: Address, until: Uint8Array][] = [[originator, home.bytesAt(home.indexOf(originator))]];
  for (let hop = 1; turn.length > 0; hop++) {
    const next: [node: Address, until: Uint8Array][] = [];
    for (const [node, until] of turn) {
      const ring = viewOf(node);
      visitHandovers(ring, ring.indexOf(node), until, (target, bound) => {
        depth = hop;
        const address = ring.at(target);
        received.set(address, (received.get(address) ?? 0) + 1);
        next.push([address, bound]);
      });
    }
    turn = next;
  }
  return { received, depth };
}
