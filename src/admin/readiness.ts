import type { Address } from "../identity/address.ts";
import type { P2PModule } from "../module/p2p_module.ts";
import { offsetLevels } from "./tree_levels.ts";

/** The targets of one level of the tree. */
export interface LevelReadiness {
  /** The level; the highest sends first. */
  readonly level: number;
  /** How many targets it has. */
  readonly targets: number;
  /** How many of them are connected. */
  readonly connected: number;
  /** Those that are not. */
  readonly missing: readonly Address[];
}

/** Something without which the node is not ready. */
export interface MissingPart {
  /** Which. */
  readonly what: "draining" | "start" | "bootstrap" | "targets";
  /** A sentence for people. */
  readonly detail: string;
}

/** Whether a node can do its part, and what of it is missing. */
export interface Readiness {
  /** Whether nothing is. */
  readonly ready: boolean;
  /** What is, the reason behind the others first. */
  readonly missing: readonly MissingPart[];
  /** Who the node is. */
  readonly address: Address;
  /** Chain ID. */
  readonly network: string;
  /** Where it may be dialled; absent before the start and of a client. */
  readonly url?: string;
  /** The height of its view; absent before the start. */
  readonly height?: number;
  /** Whether it is staked at that height. */
  readonly staked: boolean;
  /** How many are. */
  readonly validators: number;
  /** Peers with an open connection. */
  readonly peers: number;
  /** The targets of its tree, highest level first; none where it is not staked. */
  readonly levels: readonly LevelReadiness[];
}

/** What {@link readiness} looks at. */
export interface ReadinessSource {
  /** The node. */
  module: P2PModule;
  /** Whether the node is on its way out. */
  draining: boolean;
}

/**
 * A node is ready when the staked view is loaded, somebody to begin with is known, and every target of every level of its tree is connected. One that
 * is draining is not.
 */
export function readiness({ module, draining }: ReadinessSource): Readiness {
  const missing: MissingPart[] = [];
  const { address, network } = module;
  if (draining) missing.push({ what: "draining", detail: "The node is on its way out" });
  if (!module.started) {
    if (!draining) {
      missing.push({ what: "start", detail: "The node is not started: its staked view is not loaded yet" });
    }
    return { ready: false, missing, address, network, staked: false, validators: 0, peers: 0, levels: [] };
  }
  const { unbootstrapped, ring, staked } = module;
  if (unbootstrapped !== undefined) missing.push({ what: "bootstrap", detail: unbootstrapped });
  const levels = levelsOf(module);
  for (const { level, targets, connected, missing: peers } of levels) {
    if (peers.length === 0) continue;
    const detail = `Level ${level} is connected with ${connected} of ${targets} targets, not with ${peers.join(", ")}`;
    missing.push({ what: "targets", detail });
  }
  return {
    ready: missing.length === 0,
    missing,
    address,
    network,
    url: module.listens ? module.url : undefined,
    height: ring.height,
    staked,
    validators: ring.size,
    peers: module.router.connected.length,
    levels,
  };
}

/** The targets of each level of a started node's tree, and which of them are connected. */
export function levelsOf({ ring, address, mode, router }: P2PModule): LevelReadiness[] {
  const index = ring.indexOf(address);
  if (index < 0) return [];
  const byLevel = new Map<number, Address[]>();
  for (const [offset, level] of offsetLevels(mode, ring.size)) {
    const targets = byLevel.get(level) ?? [];
    targets.push(ring.at(index, offset));
    byLevel.set(level, targets);
  }
  return [...byLevel].sort(([a], [b]) => b - a).map(([level, targets]) => {
    const missing = targets.filter((target) => router.socket(target) === undefined);
    return { level, targets: targets.length, connected: targets.length - missing.length, missing };
  });
}
