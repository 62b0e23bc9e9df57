import type { Address } from "../identity/address.ts";
import type { P2PModule } from "../module/p2p_module.ts";
import { drawTree } from "../raintree/draw_tree.ts";
import type { PeerState } from "../raintree/failure_detector.ts";
import { simulateExact } from "../raintree/simulate.ts";
import { levelTargets, maxLevels, type TreeMode } from "../raintree/tree.ts";
import { type LevelReadiness, levelsOf } from "./readiness.ts";

/** Up to this many nodes every node and message is told, above it this node's own part. */
const DETAIL_NODES_MAX = 1_000;

/** Lines of a drawing. */
const LINES_MAX = 500;

/** A node of the ring, as this node sees it. */
export interface TreeNode {
  /** Its place in the ring. */
  readonly position: number;
  /** Who. */
  readonly address: Address;
  /** Whether it is connected with this node; absent for this node itself. */
  readonly connected?: boolean;
  /** What the failure detector holds of it. */
  readonly state: PeerState;
}

/** One message of a broadcast: who hands over to whom, by place in the ring, and the segment (nodes, exact) or the level (classic) that goes with it. */
export type TreeSend = readonly [from: number, to: number, segmentOrLevel: number];

/** The tree of one broadcast in this node's view. */
export interface TreeView {
  /** How it spreads. */
  readonly mode: TreeMode;
  /** The height of the view. */
  readonly height: number;
  /** How many nodes it has. */
  readonly validators: number;
  /** This node's place; -1 where it is not staked. */
  readonly position: number;
  /** The place where the broadcast begins. */
  readonly originator: number;
  /** This node's targets by level, whoever broadcasts. */
  readonly levels: readonly LevelReadiness[];
  /** Every node in ring order; only this node's targets where there are more than 1,000. */
  readonly nodes: readonly TreeNode[];
  /** Every message, second copies of classic mode included; absent where there are more than 1,000 nodes. */
  readonly sends?: readonly TreeSend[];
}

/** The tree of a broadcast that begins at `originator` (a place in the ring), as this started node sees it. */
export function treeView(module: P2PModule, originator: number): TreeView {
  const { ring, address, mode, router } = module;
  const position = ring.indexOf(address);
  const whole = ring.size <= DETAIL_NODES_MAX;
  const positions = whole
    ? Array.from({ length: ring.size }, (_, i) => i)
    : module.targets.map((target) => ring.indexOf(target)).sort((a, b) => a - b);
  return {
    mode,
    height: ring.height,
    validators: ring.size,
    position,
    originator,
    levels: levelsOf(module),
    nodes: positions.map((at) => {
      const peer = ring.at(at);
      const connected = at === position ? undefined : router.socket(peer) !== undefined;
      return { position: at, address: peer, connected, state: module.stateOf(peer) };
    }),
    sends: whole ? sendsOf(mode, ring.size, originator) : undefined,
  };
}

/** The same for people: the drawing, and who the positions are. `*` is connected with this node, `?` suspect, `†` taken for dead. */
export function treeText(module: P2PModule, originator: number): string {
  const { ring } = module;
  const { mode, height, validators, position, nodes } = treeView(module, originator);
  if (validators === 0) return `Nobody is staked at height ${height}: there is no tree\n`;
  const connected = new Set(nodes.flatMap((node) => node.connected ? [node.position] : []));
  const mark = (at: number) => {
    const state = module.stateOf(ring.at(at));
    return state === "dead" ? "†" : state === "suspect" ? "?" : connected.has(at) ? "*" : "";
  };
  const drawn = drawTree(mode, validators, { originator, linesMax: LINES_MAX, columns: 120, mark });
  const lines = [
    `One ${mode} broadcast over ${validators} nodes at height ${height}, seen by ${module.address}`,
    "",
    drawn.text,
    "* connected with this node, ? suspect, † taken for dead" + (drawn.copies ? ", = a second copy" : "") +
    (drawn.complete ? "" : "; heads with ... send more"),
    "",
    ...nodes.map((node) =>
      `${String(node.position).padStart(String(validators - 1).length)}  ${node.address}` +
      (node.position === position ? "  this node" : `  ${node.connected ? "connected" : "not connected"}`) +
      (node.state === "alive" ? "" : `, ${node.state}`)
    ),
  ];
  return `${lines.join("\n")}\n`;
}

/** Every message of a broadcast, hop by hop, in the order of sending. */
function sendsOf(mode: TreeMode, n: number, originator: number): TreeSend[] {
  if (n === 0) return [];
  if (mode === "exact") {
    return simulateExact(n).sends.map(([from, to, size]) => [(from + originator) % n, (to + originator) % n, size]);
  }
  const sends: TreeSend[] = [];
  const queue = [{ at: originator, levels: maxLevels(n) }];
  for (const { at, levels } of queue) {
    for (let level = levels; level >= 1; level--) {
      for (const offset of levelTargets(n, level)) {
        if (offset === 0) continue;
        const to = (at + offset) % n;
        sends.push([at, to, level]);
        if (level > 1) queue.push({ at: to, levels: level - 1 });
      }
    }
  }
  return sends;
}
