import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError } from "../../src/base/errors.ts";
import { formatServiceUrl, parseServiceUrl } from "../../src/identity/service_url.ts";
import { hostile, ip6s, ports, serviceUrls } from "./generators.ts";

Deno.test("parseServiceUrl() reads hosts of every kind", () => {
  assertEquals(parseServiceUrl("Node1.consensus:42069"), { host: "node1.consensus", port: 42069 });
  assertEquals(parseServiceUrl("10.0.0.7:1"), { host: "10.0.0.7", port: 1 });
  assertEquals(parseServiceUrl("[2001:DB8:0::7]:65535"), { host: "2001:db8::7", port: 65535 });
});

Deno.test("parseServiceUrl() refuses what is no host and port", () => {
  const texts = ["", ":", ":80", "a", "a:", "a:0", "a:65536", "a:080", "a:8 0", "a:-1", "a:1e3", "a:80/", "a:80:81"];
  texts.push(
    "::1:80",
    "[::1]",
    "[::1]:",
    "[::1",
    "[1.2.3.4]:80",
    "[a]:80",
    "a b:80",
    "1.2.3:80",
    "http://a:80",
    "a:80\n",
  );
  texts.push(`${"a".repeat(300)}:80`, "a:99999999999999999999", "[::1%lo]:80", "user@a:80");
  for (const text of texts) {
    assertEquals(
      assertThrows(() => parseServiceUrl(text), P2pError).code,
      "service_url_malformed",
      JSON.stringify(text),
    );
  }
});

Deno.test("parseServiceUrl() reads what formatServiceUrl() wrote", () => {
  fc.assert(fc.property(serviceUrls, (url) => assertEquals(parseServiceUrl(formatServiceUrl(url)), url)), { seed: 1 });
  fc.assert(
    fc.property(ip6s, ports, (host, port) => {
      const text = formatServiceUrl({ host, port });
      assertEquals(formatServiceUrl(parseServiceUrl(text)), text);
    }),
    { seed: 2 },
  );
});

Deno.test("formatServiceUrl() refuses parts that would read differently", () => {
  for (
    const url of [{ host: "a:1", port: 2 }, { host: "", port: 1 }, { host: "a", port: 0 }, { host: "a", port: 1.5 }]
  ) {
    assertEquals(assertThrows(() => formatServiceUrl(url), P2pError).code, "service_url_malformed");
  }
});

Deno.test("parseServiceUrl() returns or throws P2pError on hostile text", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      try {
        const url = parseServiceUrl(text);
        assertEquals(parseServiceUrl(formatServiceUrl(url)), url);
      } catch (error) {
        assertInstanceOf(error, P2pError);
      }
    }),
    { seed: 3, numRuns: 1000 },
  );
});
