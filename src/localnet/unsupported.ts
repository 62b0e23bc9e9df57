import { P2pError } from "../base/errors.ts";
import type { Backend } from "./backend.ts";
import type { Fault, Manifest } from "./manifest.ts";
import { faultProblems } from "./load_manifest.ts";

/** Why not every back end can do a fault. */
const WHY: Partial<Record<Fault["fault"], string>> = {
  scale: "the genesis file holds for every height; back end kubernetes looks who is there",
  partition: "it does not lie between its nodes, as memory and kubernetes do",
  heal: "it does not lie between its nodes, as memory and kubernetes do",
};

/** Refuses a fault that cannot be. @throws {P2pError} `localnet_unsupported`, `fault_malformed` */
export function assertFault(fault: Fault, manifest: Manifest, backend: Pick<Backend, "name" | "faults">): void {
  if (!backend.faults.has(fault.fault)) {
    const why = WHY[fault.fault];
    throw new P2pError(
      "localnet_unsupported",
      `Back end ${backend.name} cannot do ${fault.fault}${why === undefined ? "" : `: ${why}`}`,
      { hint: `It can do ${[...backend.faults].join(", ")}` },
    );
  }
  const problems = faultProblems(fault, manifest, "fault");
  if (problems.length === 0) return;
  throw new P2pError("fault_malformed", problems.map(({ path, message }) => `${path} ${message}`).join("; "));
}

/** Refuses a manifest that asks for more than a back end can do, before anything is started. @throws {P2pError} `localnet_unsupported` */
export function assertSupported(manifest: Manifest, backend: Pick<Backend, "name" | "faults" | "shapesLinks">): void {
  for (const fault of manifest.faults) assertFault(fault, manifest, backend);
  if (backend.shapesLinks) return;
  const { latencyMs, loss, betweenZones } = manifest.links;
  if (latencyMs + loss + betweenZones.latencyMs + betweenZones.loss === 0) return;
  throw new P2pError("localnet_unsupported", `Back end ${backend.name} cannot do links with delay or loss`, {
    hint: "Use --backend memory, or leave links out",
  });
}
