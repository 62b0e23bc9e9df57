import type { P2PConfigInput } from "../module/config.ts";
import type { Manifest } from "./manifest.ts";

/** The part of a node's configuration that the manifest says, the same on every back end. */
export function nodeConfig({ name, raintree, logLevel }: Manifest): P2PConfigInput {
  const { acks, redundancy, igyw, repair, failureDetector } = raintree.layers;
  return {
    network: name,
    mode: raintree.mode,
    acks,
    redundancy,
    igyw,
    repair,
    failure_detector: failureDetector,
    log_level: logLevel,
  };
}
