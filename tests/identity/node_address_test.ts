import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import {
  formatNodeAddress,
  NODE_ADDRESS_LENGTH_MAX,
  type NodeAddress,
  parseNodeAddress,
} from "../../src/identity/node_address.ts";
import { addresses, hostile, serviceUrls } from "./generators.ts";

const id = "0123456789abcdef0123456789abcdef01234567";

Deno.test("parseNodeAddress() takes node address URLs apart", () => {
  const table: [string, NodeAddress][] = [
    [`tcp://${id}@validator1.example.org:26656`, { protocol: "tcp", id, host: "validator1.example.org", port: 26656 }],
    [`tcp://${id}@[2001:db8::7]:1`, { protocol: "tcp", id, host: "2001:db8::7", port: 1 }],
    [`mconn://${id}@10.0.0.7:80/a/B`, { protocol: "mconn", id, host: "10.0.0.7", port: 80, path: "a/B" }],
    [`memory:${id}`, { protocol: "memory", id }],
  ];
  for (const [url, address] of table) {
    assertEquals(parseNodeAddress(url), address);
    assertEquals(formatNodeAddress(address), url);
  }
});

Deno.test("parseNodeAddress() forgives case before the path, and an empty path", () => {
  const url = `TCP://${id.toUpperCase()}@Example.ORG:80/Path`;
  assertEquals(formatNodeAddress(parseNodeAddress(url)), `tcp://${id}@example.org:80/Path`);
  assertEquals(parseNodeAddress(`MEMORY:${id.toUpperCase()}`), { protocol: "memory", id });
  assertEquals(parseNodeAddress(`tcp://${id}@a:80/`), { protocol: "tcp", id, host: "a", port: 80 });
});

Deno.test("parseNodeAddress() refuses what is no node address URL", () => {
  const urls = [
    "",
    "tcp",
    "tcp:",
    "tcp://",
    `${id}@a:80`,
    `tcp://a:80`,
    `tcp://@a:80`,
    `tcp://${id}@`,
    `tcp://${id}@a`,
  ];
  urls.push(
    `tcp://${id}@a:0`,
    `tcp://${id}@a:70000`,
    `tcp://${id}@::1:80`,
    `tcp://${id.slice(1)}@a:80`,
    `tcp://${id}0@a:80`,
  );
  urls.push(
    `tcp://${id}@a@b:80`,
    `memory:${id}/x`,
    `memory:${id}@a`,
    `memory:${id.slice(1)}`,
    `1tcp://${id}@a:80`,
    `:${id}`,
  );
  urls.push(
    `tcp://${id}@a:80/ x`,
    `tcp://${id}@a:80/x?y`,
    `tcp://${id}@a:80/x#y`,
    `tcp://${id}@a:80\n`,
    `tcp://${id}@a:80/\n`,
  );
  urls.push(`tcp://${id}@a:80/${"x".repeat(NODE_ADDRESS_LENGTH_MAX)}`, `tcp://${id}@ä.de:80`, ` memory:${id}`);
  for (const url of urls) {
    const error = assertThrows(() => parseNodeAddress(url), P2pError);
    assertEquals(error.code, "node_address_malformed", JSON.stringify(url));
    assert(error.message.length < 400);
  }
});

Deno.test("formatNodeAddress() refuses parts that would read differently", () => {
  const refused: NodeAddress[] = [
    { protocol: "tcp", id, host: "a" },
    { protocol: "tcp", id, port: 1 },
    { protocol: "memory", id, path: "x" },
    { protocol: "memory", id: "me" },
    { protocol: "tcp", id: "me", host: "a", port: 1 },
    { protocol: "t cp", id, host: "a", port: 1 },
    { protocol: "tcp", id, host: "a/b", port: 1 },
    { protocol: "tcp", id, host: "a", port: 65536 },
    { protocol: "tcp", id, host: "a", port: 1, path: "x y" },
  ];
  for (const address of refused) {
    assertEquals(assertThrows(() => formatNodeAddress(address), P2pError).code, "node_address_malformed");
  }
});

Deno.test("parseNodeAddress() reads what formatNodeAddress() wrote", () => {
  const paths = fc.option(fc.stringMatching(/^[A-Za-z0-9._~%-][A-Za-z0-9._~%\/-]{0,20}$/), { nil: undefined });
  fc.assert(
    fc.property(fc.constantFrom("tcp", "mconn", "packet"), addresses, serviceUrls, paths, (protocol, id, url, path) => {
      const address = path === undefined ? { protocol, id, ...url } : { protocol, id, ...url, path };
      assertEquals(parseNodeAddress(formatNodeAddress(address)), address);
    }),
    { seed: 1 },
  );
});

Deno.test("parseNodeAddress() returns or throws P2pError on hostile text", () => {
  fc.assert(
    fc.property(hostile, fc.boolean(), (text, withId) => {
      try {
        const address = parseNodeAddress(withId ? `tcp://${id}@${text}` : text);
        assertEquals(parseNodeAddress(formatNodeAddress(address)), address);
      } catch (error) {
        assertInstanceOf(error, P2pError);
      }
    }),
    { seed: 2, numRuns: 1000 },
  );
});
