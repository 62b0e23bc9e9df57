import { P2pError } from "../base/errors.ts";

/** The host that all validators of a local network listen on and dial. */
export const LOOPBACK = "127.0.0.1";

/**
 * Checks, and where a person is there asks, that this process may use every port of {@link LOOPBACK}: the system chooses the ports, and dials that are not
 * permitted show as connections that never come about.
 *
 * @throws {P2pError} `net_forbidden`
 */
export async function assertLoopback(permissions: Pick<Deno.Permissions, "request"> = Deno.permissions): Promise<void> {
  const { state } = await permissions.request({ name: "net", host: LOOPBACK });
  if (state === "granted") return;
  throw new P2pError("net_forbidden", `Not permitted to listen on and dial all ports of ${LOOPBACK}`, {
    hint: `Run deno with --allow-net=${LOOPBACK}`,
  });
}
