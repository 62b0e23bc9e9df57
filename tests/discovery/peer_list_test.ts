import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { readPeerList } from "../../src/discovery/peer_list.ts";

const [a, b] = [1, 2].map((seed) => NodeKey.fromSeed(new Uint8Array(32).fill(seed)))
  .sort((x, y) => x.address < y.address ? -1 : 1);

function entry(key: NodeKey, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    address: key.address,
    service_url: "validator.example.org:42069",
    public_key: key.publicKey.toHex(),
    stake: "15000000000",
    ...more,
  };
}

Deno.test("readPeerList() reads peers, sorted by address", () => {
  const list = [
    entry(b, { service_url: undefined, url: `tcp://${b.address}@[2001:db8::7]:1`, public_key: undefined, stake: 7 }),
    entry(a, { unknown: "ignored" }),
  ];
  assertEquals(readPeerList(JSON.stringify(list)), [
    {
      address: a.address,
      nodeAddress: { protocol: "tcp", id: a.address, host: "validator.example.org", port: 42069 },
      publicKey: a.publicKey,
      stake: 15_000_000_000n,
    },
    {
      address: b.address,
      nodeAddress: { protocol: "tcp", id: b.address, host: "2001:db8::7", port: 1 },
      stake: 7n,
    },
  ]);
});

Deno.test("readPeerList() says which entry is wrong, and what is", () => {
  const cases: [list: unknown, code: string, says: string][] = [
    [{ peers: [] }, "peer_list_malformed", "no list"],
    [[], "peer_list_empty", "empty"],
    [[entry(a), null], "peer_list_malformed", "Peer 1 of the list is no object"],
    [[entry(a, { address: a.address.toUpperCase() })], "peer_list_malformed", "40 hex digits"],
    [[entry(a, { service_url: undefined })], "peer_list_malformed", "neither a service_url nor a url"],
    [[entry(a, { service_url: "nowhere" })], "peer_list_malformed", "nowhere"],
    [[entry(a, { url: `tcp://${b.address}@10.0.0.7:1` })], "peer_list_malformed", "its own address"],
    [[entry(a, { url: "http://10.0.0.7" })], "peer_list_malformed", "nobody can read"],
    [[entry(a, { public_key: "abc" })], "peer_list_malformed", "64 hex digits"],
    [[entry(a, { public_key: b.publicKey.toHex() })], "peer_list_malformed", `not of ${a.address}`],
    [[entry(a, { stake: -1 })], "peer_list_malformed", "stake"],
    [[entry(a, { stake: 1.5 })], "peer_list_malformed", "stake"],
    [[entry(a, { stake: "9".repeat(79) })], "peer_list_malformed", "stake"],
    [[entry(a, { stake: undefined })], "peer_list_malformed", "stake"],
    [[entry(a), entry(a)], "peerstore_duplicate", a.address],
  ];
  for (const [list, code, says] of cases) {
    const error = assertThrows(() => readPeerList(JSON.stringify(list)), P2pError);
    assertEquals(error.code, code, error.message);
    assert(error.message.includes(says), error.message);
  }
  assertEquals(assertThrows(() => readPeerList("<html>"), P2pError).code, "peer_list_malformed");
});

Deno.test("readPeerList() throws nothing but typed errors, whatever it reads", () => {
  const anything = fc.oneof(
    fc.json(),
    fc.array(fc.record({
      address: fc.oneof(fc.constant(a.address), fc.anything()),
      url: fc.oneof(fc.constant(`tcp://${a.address}@h:1`), fc.anything()),
      service_url: fc.oneof(fc.webAuthority(), fc.anything()),
      public_key: fc.oneof(fc.constant(a.publicKey.toHex()), fc.anything()),
      stake: fc.anything(),
    })).map((list) => JSON.stringify(list, (_key, value) => typeof value === "bigint" ? `${value}` : value)),
  );
  fc.assert(
    fc.property(anything, (text) => {
      try {
        readPeerList(text);
      } catch (error) {
        assert(error instanceof P2pError, String(error));
      }
    }),
    { seed: 20260101, numRuns: 500 },
  );
});
