import { type Assertion, outcome } from "./assertion.ts";

/** Every validator is ready; all have the same staked view, which is the manifest's, and its mode; who is connected with a peer is so in that peer's view too. */
export const readyAssertion: Assertion = async ({ clients, manifest }) => {
  const nodes = await Promise.all(clients.map(async (client) => {
    const [readiness, staked, { mode, connected }] = await Promise.all([
      client.readiness(),
      client.staked(),
      client.tree(),
    ]);
    return { name: client.node.name, readiness, staked, mode, connected };
  }));
  const wrong: string[] = [];
  const everybody = clients.map(({ node }) => node.address).sort();
  const addressOf = new Map(clients.map(({ node }) => [node.name, node.address]));
  const byAddress = new Map(nodes.map((node) => [addressOf.get(node.name)!, node]));
  const height = nodes[0]?.readiness.height;
  if (nodes.length !== manifest.validators.length) {
    wrong.push(`Validators there: ${nodes.length}, in the manifest: ${manifest.validators.length}`);
  }
  for (const { name, readiness, staked, mode, connected } of nodes) {
    const self = addressOf.get(name)!;
    if (!readiness.ready) {
      wrong.push(`${name} is not ready: ${readiness.missing.map(({ detail }) => detail).join(", ")}`);
    }
    if (readiness.address !== self) wrong.push(`${name} is ${readiness.address}, wanted ${self}`);
    if (readiness.network !== manifest.name) wrong.push(`${name} is of network "${readiness.network}"`);
    if (mode !== manifest.raintree.mode) {
      wrong.push(`${name} broadcasts in mode ${mode}, the manifest has ${manifest.raintree.mode}`);
    }
    if (readiness.height !== height) wrong.push(`${name} is at height ${readiness.height}, others at ${height}`);
    if (staked.join() !== everybody.join()) {
      wrong.push(`${name} has ${staked.length} staked peers, which are not the ${everybody.length} of the manifest`);
    }
    for (const peer of connected) {
      const other = byAddress.get(peer);
      if (other === undefined) wrong.push(`${name} is connected with ${peer}, which is none of the network`);
      else if (!other.connected.includes(self)) wrong.push(`${name} is connected with ${other.name}, which is not`);
    }
  }
  const peers = nodes.map(({ connected }) => connected.length);
  const evidence = {
    height,
    staked: everybody,
    nodes: nodes.map(({ name, readiness, connected }) => ({
      name,
      ready: readiness.ready,
      validators: readiness.validators,
      peers: connected.length,
      levels: readiness.levels.map(({ level, targets, connected }) => ({ level, targets, connected })),
    })),
  };
  const holds = `${nodes.length} validators ready with the same view at height ${height}, ` +
    `${Math.min(...peers)} to ${Math.max(...peers)} peers each`;
  return outcome(wrong, holds, evidence);
};
