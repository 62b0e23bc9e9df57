import { createHash } from "node:crypto";
import { P2pError } from "../base/errors.ts";
import type { BackendName, Manifest } from "./manifest.ts";
import type { LocalnetState } from "./state_folder.ts";

/** What of a manifest its nodes are made from: faults, assertions and patience may change meanwhile. */
export function digestOf(manifest: Manifest): string {
  const { faults: _faults, assertions: _assertions, parameters: _parameters, readyWithinMs: _within, ...made } =
    manifest;
  return createHash("sha256").update(JSON.stringify(made)).digest("hex");
}

/** Refuses to go on with a network that was made from something else. @throws {P2pError} `localnet_differs` */
export function assertSame(
  made: Pick<LocalnetState, "backend" | "digest">,
  manifest: Manifest,
  backend: BackendName,
): void {
  const { name } = manifest;
  const hint = "Run `localnet down` with what it was started with, then `up` again";
  if (made.backend !== backend) {
    throw new P2pError("localnet_differs", `Network ${name} is up on back end ${made.backend}, not ${backend}`, {
      hint,
    });
  }
  if (made.digest === digestOf(manifest)) return;
  throw new P2pError("localnet_differs", `Network ${name} is up, and was made from another manifest`, { hint });
}
