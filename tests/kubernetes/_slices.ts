import type { EndpointSlice } from "../../src/kubernetes/endpoints_view.ts";

/** A slice of pods with these IP addresses. `version` is where in the history of the cluster it stands. */
export function slice(
  name: string,
  generation: number,
  pods: Record<string, string>,
  version = generation,
): EndpointSlice {
  return {
    metadata: { name, generation, resourceVersion: `${version}` },
    addressType: "IPv4",
    endpoints: Object.entries(pods).map(([pod, ip]) => ({
      addresses: [ip],
      hostname: pod,
      targetRef: { kind: "Pod", name: pod },
      conditions: { terminating: false },
    })),
  };
}
