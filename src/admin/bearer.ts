import { createHash, timingSafeEqual } from "node:crypto";
import { AdminError } from "./admin_error.ts";

/** Header for the token alone: what stands between, such as the API server of Kubernetes, keeps `Authorization` for itself. */
export const TOKEN_HEADER = "x-raintree-token";

/**
 * Lets through who gives the node's token: `Authorization: Bearer TOKEN`, or {@link TOKEN_HEADER}, which goes before. Compares digests in constant time, so
 * that neither the time nor the length of a guess tells anything.
 *
 * @throws {AdminError} 403 `admin_no_token` where the node has none, 401 `admin_unauthorized` for none or a wrong one.
 */
export function requireBearer(headers: Headers, token: string): void {
  if (token === "") {
    throw new AdminError(403, "admin_no_token", "This node takes no messages over its admin API: it has no token", {
      hint: "Configure admin_token_file (or P2P_ADMIN_TOKEN) and start it again",
    });
  }
  const given = headers.get(TOKEN_HEADER) ?? /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  if (given !== undefined && timingSafeEqual(digest(given), digest(token))) return;
  const message = given === undefined ? "A bearer token is needed" : "The bearer token is wrong";
  throw new AdminError(401, "admin_unauthorized", message, {
    hint: `Send the header "Authorization: Bearer TOKEN" or "${TOKEN_HEADER}: TOKEN"`,
  });
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
