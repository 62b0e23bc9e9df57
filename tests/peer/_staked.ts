import type { StakedPeer } from "../../src/peer/staked_peer.ts";
import { at } from "./_fixture.ts";

/** The n-th staked peer at one of its places. */
export function staked(n: number, place = 1): StakedPeer {
  const nodeAddress = at(n, place);
  return { address: nodeAddress.id, nodeAddress, stake: 1n };
}
