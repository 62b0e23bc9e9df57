import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ip6FromBytes, ip6ToBytes, parseHost } from "../../src/identity/host.ts";
import { dnsNames, ip4s, ip6s } from "./generators.ts";

Deno.test("parseHost() tells IP addresses from names and writes each in one form", () => {
  const table: [string, string, string][] = [
    ["127.0.0.1", "ip4", "127.0.0.1"],
    ["0.0.0.0", "ip4", "0.0.0.0"],
    ["255.255.255.255", "ip4", "255.255.255.255"],
    ["::", "ip6", "::"],
    ["::1", "ip6", "::1"],
    ["2001:DB8::7", "ip6", "2001:db8::7"],
    ["2001:db8:0:1:1:1:1:1", "ip6", "2001:db8:0:1:1:1:1:1"], // RFC 5952, 4.2.2: one group is not shortened
    ["2001:0:0:1:0:0:0:1", "ip6", "2001:0:0:1::1"], // 4.2.3: the longest run is
    ["2001:db8:0:0:1:0:0:1", "ip6", "2001:db8::1:0:0:1"], // 4.2.3: the first of two
    ["1:2:3:4:5:6:7::", "ip6", "1:2:3:4:5:6:7:0"],
    ["::ffff:1.2.3.4", "ip6", "::ffff:102:304"],
    ["localhost", "dns", "localhost"],
    ["Validator1.Example.ORG", "dns", "validator1.example.org"],
    ["node_1.consensus", "dns", "node_1.consensus"],
    ["validators.default.svc.cluster.local.", "dns", "validators.default.svc.cluster.local."],
    ["xn--mnchen-3ya.de", "dns", "xn--mnchen-3ya.de"],
    ["1password.com", "dns", "1password.com"],
  ];
  for (const [text, kind, name] of table) assertEquals(parseHost(text), { kind, name } as ReturnType<typeof parseHost>);
});

Deno.test("parseHost() refuses what is no host", () => {
  const texts = [
    "",
    ".",
    "..",
    "a..b",
    ".a",
    "-a",
    "a-",
    "a b",
    "a/b",
    "münchen.de",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
  ];
  texts.push(
    "01.2.3.4",
    "1.2.3.4.",
    "0x7f.1",
    "12345",
    "a".repeat(64),
    "a.".repeat(127) + "ab",
    "[::1]",
    "fe80::1%eth0",
  );
  texts.push(
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::12345",
    "::g",
    "1.2.3.4::",
  );
  texts.push("::1.2.3", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", ":1::", "a\n");
  for (const text of texts) assertEquals(parseHost(text), undefined, JSON.stringify(text));
});

Deno.test("parseHost() reads its own form again", () => {
  fc.assert(
    fc.property(fc.oneof(dnsNames, ip4s, ip6s), (text) => {
      const host = parseHost(text);
      assertEquals(parseHost(host!.name), host);
    }),
    { seed: 1 },
  );
});

Deno.test("ip6ToBytes() reads what ip6FromBytes() wrote", () => {
  const bytes = fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 })
    .map((bytes) => Uint8Array.from(bytes));
  fc.assert(fc.property(bytes, (bytes) => assertEquals(ip6ToBytes(ip6FromBytes(bytes)), bytes)), { seed: 2 });
});
