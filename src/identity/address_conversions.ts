import { P2pError } from "../base/errors.ts";
import type { Address } from "./address.ts";
import { parseHost } from "./host.ts";
import type { Multiaddr } from "./multiaddr.ts";
import type { NodeAddress } from "./node_address.ts";
import { addressOfPeerId, type PeerId } from "./peer_id.ts";
import type { ServiceUrl } from "./service_url.ts";

/** The node address of the node `id` that serves at `url`, over `tcp`. */
export function serviceUrlToNodeAddress(url: ServiceUrl, id: Address): NodeAddress {
  return { protocol: "tcp", id, host: url.host, port: url.port };
}

/** The multiaddr of a service URL; who must answer there is known only if `peerId` says so. @throws {P2pError} `address_not_convertible` for what is no host. */
export function serviceUrlToMultiaddr(url: ServiceUrl, peerId?: PeerId): Multiaddr {
  const host = parseHost(url.host);
  if (host === undefined) throw notConvertible(`Service URL with the host "${url.host}" has no multiaddr`);
  const address = { kind: host.kind, host: host.name, port: url.port };
  return peerId === undefined ? address : { ...address, peerId };
}

/** The service URL of a node address. @throws {P2pError} `address_not_convertible` where there is no host and port, or a path would be lost. */
export function nodeAddressToServiceUrl(address: NodeAddress): ServiceUrl {
  const { protocol, host, port, path } = address;
  if (host === undefined || port === undefined) {
    throw notConvertible(`Node address of the protocol "${protocol}" has no host and port`);
  }
  if (path !== undefined) throw notConvertible(`Node address has the path "${path}", which would be lost`);
  return { host, port };
}

/**
 * The multiaddr of a node address. An ID is a hash of the public key, so a peer ID does not follow from it: give it where it is known.
 *
 * @throws {P2pError} `address_not_convertible` for another protocol than `tcp`, or where a path would be lost; `address_mismatch` if `peerId` is of another node.
 */
export function nodeAddressToMultiaddr(address: NodeAddress, peerId?: PeerId): Multiaddr {
  if (address.protocol !== "tcp") {
    throw notConvertible(`Node address of the protocol "${address.protocol}" has no multiaddr`);
  }
  if (peerId !== undefined && addressOfPeerId(peerId) !== address.id) {
    throw new P2pError("address_mismatch", `Peer ID "${peerId}" is of another node than "${address.id}"`);
  }
  return serviceUrlToMultiaddr(nodeAddressToServiceUrl(address), peerId);
}

/** The service URL of a multiaddr; drops who must answer, and which kind of IP address a DNS name is resolved to. @throws {P2pError} `address_not_convertible` for port 0. */
export function multiaddrToServiceUrl(address: Multiaddr): ServiceUrl {
  if (address.port === 0) throw notConvertible("Multiaddr has port 0, at which nobody can be dialled");
  return { host: address.host, port: address.port };
}

/**
 * The node address of a multiaddr.
 *
 * @throws {P2pError} `address_not_convertible` without a peer ID or with port 0, `peer_id_not_ed25519` for a peer that has no address.
 */
export function multiaddrToNodeAddress(address: Multiaddr): NodeAddress {
  if (address.peerId === undefined) throw notConvertible("Multiaddr has no peer ID, so nobody knows who must answer");
  return serviceUrlToNodeAddress(multiaddrToServiceUrl(address), addressOfPeerId(address.peerId));
}

function notConvertible(message: string): P2pError {
  return new P2pError("address_not_convertible", message);
}
