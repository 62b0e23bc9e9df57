import { P2pError } from "../base/errors.ts";

/** The error of whoever asks something of a network that does not run: `localnet_down`. */
export function downError(network: string): P2pError {
  return new P2pError("localnet_down", `Network ${network} is not up`, { hint: "Run `localnet up`" });
}

/** The error of whoever names a node that a network has not: `node_unknown`. */
export function unknownNodeError(node: string, network: string): P2pError {
  return new P2pError("node_unknown", `There is no node "${node}" in network ${network}`);
}
