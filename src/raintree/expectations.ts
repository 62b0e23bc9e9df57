import { simulateClassic, simulateExact } from "./simulate.ts";
import type { TreeMode } from "./tree.ts";

/** What a fault-free network with equal views is expected to do, by ring position. */
export interface ExpectedTraffic {
  /** Messages each node receives over the network; classic counts second copies, a demotion is none. */
  reads: number[];
  /** Messages each node sends over the network. */
  writes: number[];
  /** Broadcasts of others that reach each node's application: copies count once, the node's own not at all. */
  deliveries: number[];
  /** Messages over the network in all. */
  messages: number;
}

/**
 * The table that Pocket's P2P module README asks of a test generator: reads and writes of every node of a ring of `n`, summed over one
 * broadcast from each of the `originators` (ring positions; name one twice for two broadcasts).
 *
 * @throws {RangeError} where an originator is not a position of the ring.
 */
export function expectedTraffic(mode: TreeMode, n: number, originators: Iterable<number>): ExpectedTraffic {
  const once = mode === "exact" ? simulateExact(n) : simulateClassic(n);
  const reads = new Array<number>(n).fill(0);
  const writes = new Array<number>(n).fill(0);
  const deliveries = new Array<number>(n).fill(0);
  let messages = 0;
  for (const originator of originators) {
    if (!Number.isInteger(originator) || originator < 0 || originator >= n) {
      throw new RangeError(
        `Cannot expect a broadcast from position ${originator}: the ring has positions 0 to ${n - 1}`,
      );
    }
    // Every node sees the ring rotated to itself, so one simulation serves all originators.
    let position = originator;
    for (let offset = 0; offset < n; offset++) {
      reads[position] += once.reads[offset];
      writes[position] += once.writes[offset];
      if (offset > 0 && once.reads[offset] > 0) deliveries[position]++;
      if (++position === n) position = 0;
    }
    messages += once.messages;
  }
  return { reads, writes, deliveries, messages };
}
