import { assertEquals, assertThrows } from "@std/assert";
import { AdminError } from "../../src/admin/admin_error.ts";
import { isLoopback, refuseForeignPage } from "../../src/admin/foreign_page.ts";

function codeOf(headers: HeadersInit, { host = "127.0.0.1", loopback = true } = {}): string {
  try {
    refuseForeignPage(new Headers(headers), { host, loopback });
    return "";
  } catch (error) {
    return (error as AdminError).code;
  }
}

Deno.test("refuseForeignPage() refuses a name that was made to lead to the loopback", () => {
  for (const host of ["evil.example:7070", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""]) {
    assertEquals(codeOf({ host }), "admin_foreign_host", host);
    assertEquals(codeOf({ host }, { loopback: false }), "", host);
  }
  for (const host of ["127.0.0.1:7070", "localhost:7070", "LOCALHOST", "node.localhost:1", "[::1]:7070", "10.0.0.7"]) {
    assertEquals(codeOf({ host }), "", host);
  }
  assertEquals(codeOf({}), "");
  assertEquals(codeOf({ host: "Node-7.internal:1" }, { host: "node-7.internal" }), "");
});

Deno.test("refuseForeignPage() refuses what another site's page asks, and lets links lead here", () => {
  const host = "localhost:7070";
  for (const site of ["cross-site", "same-site"]) {
    for (const mode of ["no-cors", "cors", "websocket"]) {
      const headers = { host, "sec-fetch-site": site, "sec-fetch-mode": mode };
      assertEquals([codeOf(headers), codeOf(headers, { loopback: false })], Array(2).fill("admin_foreign_page"));
    }
    assertEquals(codeOf({ host, "sec-fetch-site": site, "sec-fetch-mode": "navigate" }), "");
  }
  for (const site of ["none", "same-origin"]) {
    assertEquals(codeOf({ host, "sec-fetch-site": site, "sec-fetch-mode": "cors" }), "");
  }
  const refusal = { host: "127.0.0.1", loopback: true };
  const error = assertThrows(() => refuseForeignPage(new Headers({ host: "a.example" }), refusal), AdminError);
  assertEquals(error.status, 403);
});

Deno.test("isLoopback() knows the addresses of this machine alone", () => {
  assertEquals(["127.0.0.1", "127.9.9.9", "::1"].map(isLoopback), [true, true, true]);
  assertEquals(["0.0.0.0", "::", "10.0.0.1", "127.evil"].map(isLoopback), [false, false, false, false]);
});
