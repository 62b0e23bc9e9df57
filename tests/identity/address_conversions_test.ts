import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import {
  multiaddrToNodeAddress,
  multiaddrToServiceUrl,
  nodeAddressToMultiaddr,
  nodeAddressToServiceUrl,
  serviceUrlToMultiaddr,
  serviceUrlToNodeAddress,
} from "../../src/identity/address_conversions.ts";
import { addressOf } from "../../src/identity/address.ts";
import { parseMultiaddr } from "../../src/identity/multiaddr.ts";
import { peerIdOf } from "../../src/identity/peer_id.ts";
import { addresses, serviceUrls } from "./generators.ts";

const publicKeys = fc.uint8Array({ minLength: 32, maxLength: 32 });
const id = "0123456789abcdef0123456789abcdef01234567";

function codeOf(work: () => unknown): string {
  return assertThrows(work, P2pError).code;
}

Deno.test("service URLs, node addresses and multiaddrs convert to each other and back", () => {
  fc.assert(
    fc.property(serviceUrls, publicKeys, (url, publicKey) => {
      const peerId = peerIdOf(publicKey);
      const node = serviceUrlToNodeAddress(url, addressOf(publicKey));
      const multi = serviceUrlToMultiaddr(url, peerId);
      assertEquals(nodeAddressToServiceUrl(node), url);
      assertEquals(multiaddrToServiceUrl(multi), url);
      assertEquals(nodeAddressToMultiaddr(node, peerId), multi);
      assertEquals(multiaddrToNodeAddress(multi), node);
    }),
    { seed: 1 },
  );
});

Deno.test("nodeAddressToMultiaddr() leaves out a peer ID that nobody knows, and refuses another node's", () => {
  fc.assert(
    fc.property(serviceUrls, addresses, publicKeys, (url, id, publicKey) => {
      const node = serviceUrlToNodeAddress(url, id);
      assertEquals(nodeAddressToMultiaddr(node), serviceUrlToMultiaddr(url));
      assertEquals(codeOf(() => nodeAddressToMultiaddr(node, peerIdOf(publicKey))), "address_mismatch");
    }),
    { seed: 2 },
  );
});

Deno.test("addresses without what another form needs are not convertible", () => {
  const memory = { protocol: "memory", id };
  const withPath = { protocol: "tcp", id, host: "a", port: 1, path: "x" };
  const refused = [
    () => nodeAddressToServiceUrl(memory),
    () => nodeAddressToMultiaddr(memory),
    () => nodeAddressToServiceUrl(withPath),
    () => nodeAddressToMultiaddr(withPath),
    () => nodeAddressToMultiaddr({ protocol: "mconn", id, host: "a", port: 1 }),
    () => multiaddrToNodeAddress(parseMultiaddr("/ip4/1.2.3.4/tcp/1")),
    () => multiaddrToServiceUrl(parseMultiaddr("/ip4/1.2.3.4/tcp/0")),
    () => serviceUrlToMultiaddr({ host: "a b", port: 1 }),
  ];
  for (const convert of refused) assertEquals(codeOf(convert), "address_not_convertible");
  const rsa = parseMultiaddr("/ip4/1.2.3.4/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N");
  assertEquals(codeOf(() => multiaddrToNodeAddress(rsa)), "peer_id_not_ed25519");
});
