import { isIP } from "node:net";
import { AdminError } from "./admin_error.ts";

/** Whether an address that is listened at is reached from this machine only. */
export function isLoopback(address: string): boolean {
  return address === "::1" || isIP(address) === 4 && address.startsWith("127.");
}

/**
 * Refuses what a page of another site has a browser ask. The browser says so itself (`Sec-Fetch-Site`), unless the page's own name was made to lead here
 * (DNS rebinding): then a node on the loopback, which nobody reaches under a name but its own, sees it by the `Host`. Links may lead here.
 *
 * @throws {AdminError} 403 `admin_foreign_page`, `admin_foreign_host`
 */
export function refuseForeignPage(headers: Headers, { host, loopback }: { host: string; loopback: boolean }): void {
  const site = headers.get("sec-fetch-site");
  if ((site === "cross-site" || site === "same-site") && headers.get("sec-fetch-mode") !== "navigate") {
    throw new AdminError(403, "admin_foreign_page", "A page of another site asks in somebody's browser");
  }
  const asked = headers.get("host");
  if (!loopback || asked === null) return;
  const name = asked.toLowerCase().replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1");
  if (isIP(name) !== 0 || name === host.toLowerCase() || /^(.*\.)?localhost$/.test(name)) return;
  throw new AdminError(
    403,
    "admin_foreign_host",
    `Asked as "${asked.slice(0, 80)}", this node listens on the loopback`,
    {
      hint: 'Ask it as "localhost"; a proxy in front has to send that as Host. Or set admin_host to another address',
    },
  );
}
