import fc from "fast-check";
import type { ServiceUrl } from "../../src/identity/service_url.ts";

/** Hosts in their written form. */
export const dnsNames = fc.array(fc.stringMatching(/^[a-z](?:[a-z0-9_-]{0,8}[a-z0-9])?$/), {
  minLength: 1,
  maxLength: 4,
})
  .map((labels) => labels.join("."));
export const ip4s = fc.ipV4();
export const addresses = fc.stringMatching(/^[0-9a-f]{40}$/);
export const ports = fc.integer({ min: 1, max: 65535 });

/** IPv6 addresses as people write them: with and without a double colon, IPv4 at the end. */
export const ip6s = fc.ipV6();

export const serviceUrls: fc.Arbitrary<ServiceUrl> = fc.record(
  { host: fc.oneof(dnsNames, ip4s), port: ports },
  { noNullPrototype: true },
);

/** Text that comes close to an address, and text that does not. */
export const hostile = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.stringMatching(/^[a-z0-9:\/@.\[\]-]{0,80}$/),
  fc.constantFrom("tcp://", "/ip4/", "memory:", "[::1]:", "a@b@c:1").chain((start) =>
    fc.string().map((end) => start + end)
  ),
);
