import type { Clock } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import { AdminClient } from "./admin_client.ts";
import type { Access, NetworkStatus, NodeStatus } from "./backend.ts";
import type { BackendName } from "./manifest.ts";

/** How long a node may take to say how it is, milliseconds: one that is stopped never does. */
const ANSWER_MS = 2_000;

/** Asks every node at once. */
export async function networkStatus(
  name: string,
  backend: BackendName,
  access: Access | undefined,
  clock: Clock,
): Promise<NetworkStatus> {
  const { nodes: all = [], token = "" } = access ?? {};
  const nodes = await Promise.all(all.map(async (node): Promise<NodeStatus> => {
    const { name, address, role } = node;
    try {
      const { ready, height, peers } = await new AdminClient(node, { token, clock, timeoutMs: ANSWER_MS }).readiness();
      return { name, address, role, ready, height: height ?? null, peers };
    } catch (caught) {
      asError(caught); // that it does not answer is what is to be told
      return { name, address, role, ready: false, height: null, peers: 0 };
    }
  }));
  return { name, backend, ready: nodes.length > 0 && nodes.every(({ ready }) => ready), nodes };
}
