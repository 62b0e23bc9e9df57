import { asError, P2pError } from "../base/errors.ts";
import { addressOf, isAddress } from "../identity/address.ts";
import { serviceUrlToNodeAddress } from "../identity/address_conversions.ts";
import { type NodeAddress, parseNodeAddress } from "../identity/node_address.ts";
import { parseServiceUrl } from "../identity/service_url.ts";
import type { StakedPeer } from "../peer/staked_peer.ts";
import { sortByAddress } from "../peer/static_provider.ts";

/**
 * Reads a node's list of staked peers, JSON:
 * `[{ "address": "<40 hex>", "service_url": "host:port" or "url": "tcp://address@host:port", "public_key": "<64 hex>", "stake": "1000" }, ...]`.
 * The key may be missing; the stake is a whole number, as text where it is large. Sorted by address. One wrong entry makes the whole list wrong:
 * who sends it is broken or lies.
 *
 * @throws {P2pError} `peer_list_malformed` with the entry and what is wrong with it, `peer_list_empty`, `peerstore_duplicate`.
 */
export function readPeerList(text: string): readonly StakedPeer[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw new P2pError("peer_list_malformed", `List of peers is no JSON: ${asError(cause).message}`, { cause });
  }
  if (!Array.isArray(list)) throw new P2pError("peer_list_malformed", "List of peers is no list");
  if (list.length === 0) throw new P2pError("peer_list_empty", "List of peers is empty");
  return sortByAddress(list.map(readPeer));
}

function readPeer(entry: unknown, index: number): StakedPeer {
  if (typeof entry !== "object" || entry === null) throw malformed(index, "is no object");
  const { address, url, service_url, public_key, stake } = entry as Record<string, unknown>;
  if (typeof address !== "string" || !isAddress(address)) throw malformed(index, "has no address of 40 hex digits");
  const peer = { address, nodeAddress: readPlace(address, url, service_url, index), stake: readStake(stake, index) };
  if (public_key === undefined || public_key === null) return peer;
  if (typeof public_key !== "string" || !/^[0-9a-f]{64}$/i.test(public_key)) {
    throw malformed(index, "has a public key that is not 64 hex digits");
  }
  const publicKey = Uint8Array.fromHex(public_key);
  if (addressOf(publicKey) !== address) throw malformed(index, `has a public key that is not of ${address}`);
  return { ...peer, publicKey };
}

function readPlace(address: string, url: unknown, serviceUrl: unknown, index: number): NodeAddress {
  try {
    if (typeof url === "string") {
      const place = parseNodeAddress(url);
      if (place.id === address) return place;
    } else if (typeof serviceUrl === "string") {
      return serviceUrlToNodeAddress(parseServiceUrl(serviceUrl), address);
    }
  } catch (cause) {
    throw malformed(index, `says where it is as nobody can read: ${asError(cause).message}`, cause);
  }
  throw malformed(index, "has neither a service_url nor a url of its own address");
}

function readStake(stake: unknown, index: number): bigint {
  if (typeof stake === "string" && /^[0-9]{1,78}$/.test(stake)) return BigInt(stake);
  if (Number.isSafeInteger(stake) && (stake as number) >= 0) return BigInt(stake as number);
  throw malformed(index, "has a stake that is no whole number from 0");
}

function malformed(index: number, what: string, cause?: unknown): P2pError {
  return new P2pError("peer_list_malformed", `Peer ${index} of the list ${what}`, { cause });
}
